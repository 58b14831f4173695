import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reporting.error_groups import fingerprint


@pytest.mark.parametrize(
    ("message", "same"),
    [
        ("Overloaded", "Overloaded"),
        (
            "rate limit of 50 requests, try again in 12.5 s",
            "rate limit of # requests, try again in # s",
        ),
        ("messages.3.content: text is empty", "messages.#.content: text is empty"),
        ("unknown model 'claude-9'", "unknown model …"),
        ('field "a b" and `c`', "field … and …"),
        ("it can't be done, isn't it", "it can't be done, isn't it"),
        ("request req_011CQmxkLtsaX failed", "request … failed"),
        ("batch 9f1c2d3e-0011-4a2b-8c3d-0123456789ab is gone", "batch … is gone"),
        ("at 0xDEADBEEF", "at …"),
        ("since 2026-05-02 12:30:01,5", "since # #"),
        ("two  lines\n and\tblanks ", "two lines and blanks"),
        ("", ""),
    ],
)
def test_what_varies_is_masked(message: str, same: str) -> None:
    assert fingerprint(message) == same


def test_a_long_message_is_cut() -> None:
    assert len(fingerprint("word " * 1000)) == 300


@given(st.text())
def test_no_number_is_left_in_any_text(message: str) -> None:
    made = fingerprint(message)
    assert not any(character.isdecimal() for character in made)
    assert len(made) <= 300


@given(
    st.lists(st.sampled_from(["too long:", "tokens", "max is", "in model", "(limit)"]), min_size=1),
    st.lists(st.tuples(st.integers(0), st.integers(0)), min_size=9, max_size=9),
)
def test_other_numbers_make_no_other_fingerprint(
    words: list[str], numbers: list[tuple[int, int]]
) -> None:
    first, second = (
        " ".join(f"{word} {pair[which]}" for word, pair in zip(words, numbers, strict=False))
        for which in (0, 1)
    )
    assert fingerprint(first) == fingerprint(second)
