"""Prompt templates: what stands in them, and what each mistake says."""

from datetime import date
from decimal import Decimal

import pytest
from support.error_codes import code_is

from core.errors import InputError
from core.tables import template


def _render(text: str, **values: object) -> str:
    return template.parse(text, "p.txt").render(values)


def test_values_stand_in_the_place_of_their_names() -> None:
    assert _render(
        "Is {title} by {author of it} good?\n", **{"title": "A", "author of it": "B"}
    ) == ("Is A by B good?")


def test_doubled_braces_are_braces_and_values_are_not_read_as_templates() -> None:
    assert _render('{{"a": {{"b": "{x}"}}}}', x="{y} {{z}}") == '{"a": {"b": "{y} {{z}}"}}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (None, ""),
        (float("nan"), ""),
        (1, "1"),
        (2.5, "2.5"),
        (True, "true"),
        ({"a": [1, "ä"]}, '{"a":[1,"ä"]}'),
        (date(2026, 5, 2), "2026-05-02"),
        (Decimal("1.50"), "1.50"),
    ],
)
def test_a_value_that_is_no_text_stands_as_json(value: object, text: str) -> None:
    assert _render("{x}", x=value) == text


def test_attributes_and_formats_are_names_of_columns_and_nothing_else() -> None:
    for text in ("{x.__class__}", "{x!r}", "{x:>99}", "{x[0]}"):
        with pytest.raises(InputError, check=code_is("unknown_column")):
            template.parse(text, "p.txt").check(["x"], "t.csv")


def test_an_unknown_column_is_named_with_its_line_and_the_nearest() -> None:
    parsed = template.parse("Is\n{titel} good?", "p.txt")
    with pytest.raises(InputError, check=code_is("unknown_column")) as raised:
        parsed.check(["title", "year"], "t.csv")
    assert str(raised.value) == (
        "p.txt line 2: no column 'titel' in t.csv; did you mean {title}? columns: title, year."
    )


def test_literal_json_is_refused_with_what_to_write() -> None:
    with pytest.raises(InputError) as raised:
        template.parse('Answer {"label": "a"} for {x}', "p.txt").check(["x"], "t.csv")
    assert "Write {{ for { and }} for } where a brace is meant." in str(raised.value)


@pytest.mark.parametrize("text", ["a {", "a }", "{}", "{ }", "{{x}"])
def test_a_brace_that_stands_alone_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"p.txt line 1: .*write \{\{ for \{"):
        template.parse(text, "p.txt")


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InputError, match=r"p\.txt is empty"):
        template.parse(" \n", "p.txt")
