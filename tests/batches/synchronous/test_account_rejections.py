"""Whether rejected synchronous calls are about their requests or about the account."""

import pytest

from core.batches.synchronous.account_rejections import Rejection, Rejections, is_about_the_request
from core.errors import Rejected

UNNAMED = "The API returned 400: Your organization was flagged, see case {}."
NAMED = "The API returned 400: messages.0.content: Input should be a valid list"


def _refused(count: int, message: str = UNNAMED) -> list[Rejection]:
    return [
        Rejection(str(number), Rejected(message.format(f"req_{number}"), status=400))
        for number in range(count)
    ]


@pytest.mark.parametrize(
    "message",
    [
        NAMED,
        "The API returned 400: max_tokens: 200000 > 128000, the most for claude-opus-5",
        "The API returned 400: `temperature` is deprecated for this model.",
        "The API returned 400: temperature: range: 0..1",
        "The API returned 404: model: claude-nope",
        "The API returned 400: prompt is too long: 208310 tokens > 200000 maximum",
        "The API returned 400: system: Input should be a valid string",
        "The API returned 400: tools.0.custom.name: String should match pattern",
        "The API returned 400: Could not process image",
        "The API returned 400: Output blocked by content filtering policy",
    ],
)
def test_words_about_a_request(message: str) -> None:
    assert is_about_the_request(Rejected(message, status=400))


@pytest.mark.parametrize(
    "message",
    [
        "The API returned 400: This organization may not use this model.",
        "The API returned 400: Messages are disabled for this workspace.",
        "The API returned 400: The system is closed to your plan.",
        "The API returned 413: <html><title>413 Request Entity Too Large</title>",
    ],
)
def test_words_that_may_be_about_the_account(message: str) -> None:
    assert not is_about_the_request(Rejected(message, status=400))


def test_equal_rejections_without_an_answer_are_about_the_account() -> None:
    rejections = Rejections(8)
    assert rejections.add(_refused(7), is_answered=False) == []
    assert (rejections.undecided, rejections.account_problem) == (7, None)
    assert rejections.add(_refused(1), is_answered=False) == []
    assert rejections.account_problem is not None


def test_one_rejection_without_an_answer_is_about_the_account_at_the_end() -> None:
    rejections = Rejections(8)
    assert rejections.add(_refused(1), is_answered=False) == rejections.at_the_end() == []
    assert rejections.account_problem is not None


def test_a_named_part_an_answer_and_another_text_are_about_the_requests() -> None:
    rejections = Rejections(8)
    assert len(rejections.add(_refused(9, NAMED), is_answered=False)) == 9
    assert len(rejections.add(_refused(3) + _refused(1, "Other."), is_answered=False)) == 4
    assert rejections.add(_refused(3), is_answered=False) == []
    assert len(rejections.add(_refused(1), is_answered=True)) == 4
    assert len(rejections.add(_refused(2), is_answered=False) + rejections.at_the_end()) == 2
    assert rejections.account_problem is None


def test_an_account_closed_during_a_run_errors_no_further_request() -> None:
    rejections = Rejections(8)
    rejections.add([], is_answered=True)
    assert rejections.add(_refused(50), is_answered=False) == rejections.at_the_end() == []
    assert rejections.account_problem is not None
