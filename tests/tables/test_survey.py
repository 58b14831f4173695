"""What is found in a table: ids from content, equal rows, known requests, limits."""

from collections.abc import Mapping, Sequence

import pytest
from support.error_codes import code_is

from core.errors import InputError
from core.tables import template
from core.tables.memory_source import MemorySource
from core.tables.requests import ID_BYTES, RequestBuilder
from core.tables.survey import Survey
from state.model.records import RequestStatus

Rows = list[dict[str, object]]


def _none(_ids: Sequence[str]) -> Mapping[str, RequestStatus]:
    return {}


def _survey(rows: Rows, *, prompt: str = "Is {x} good?", **options: object) -> Survey:
    known = options.pop("known", _none)
    builder = RequestBuilder(
        source=MemorySource(rows), template=template.parse(prompt, "p.txt"), model="m"
    )
    return Survey(builder, known, **options)  # pyright: ignore[reportArgumentType]


def _ids(survey: Survey) -> list[str]:
    return [bytes(survey.ids[n : n + ID_BYTES]).hex() for n in range(0, len(survey.ids), ID_BYTES)]


def _sent(survey: Survey) -> list[object]:
    return [request["custom_id"] for request in survey.new_requests()]


def test_equal_rows_are_asked_once() -> None:
    survey = _survey([{"x": 1}, {"x": 2}, {"x": 1, "other": 5}])
    sent, ids = _sent(survey), _ids(survey)
    assert sent == ids[:2]
    assert ids[2] == ids[0]
    assert (survey.rows, survey.distinct, survey.new) == (3, 2, 2)


def test_without_dedup_each_row_has_an_id_and_keeps_it_when_rows_are_added() -> None:
    rows: Rows = [{"x": 1}] * 4
    first = _survey(rows, dedup=False)
    sent = _sent(first)
    assert len(set(sent)) == 4
    assert sent[0] == _sent(_survey(rows[:1]))[0]
    again = _survey([{"x": 0}, *rows], dedup=False)
    assert _sent(again)[1:] == sent


def test_an_id_changes_with_everything_that_is_sent_and_with_nothing_else() -> None:
    one: Rows = [{"x": 1}]
    ids = {
        tuple(_sent(_survey(one))),
        tuple(_sent(_survey(one, prompt="Is {x} bad?"))),
        tuple(_sent(_survey([{"x": 2}]))),
    }
    assert len(ids) == 3
    assert _sent(_survey([{"x": 1, "y": 6}])) == _sent(_survey(one))


def test_known_requests_are_not_sent_and_are_counted() -> None:
    rows: Rows = [{"x": n} for n in range(2500)]
    every = _sent(_survey(rows))
    asked: list[int] = []

    def known(ids: Sequence[str]) -> Mapping[str, RequestStatus]:
        asked.append(len(ids))
        kept = set(every[:2000])
        return {one: RequestStatus.SUCCEEDED for one in ids if one in kept}

    survey = _survey(rows, known=known)
    assert _sent(survey) == every[2000:]
    assert (survey.answered, survey.new, survey.failed, survey.unfinished) == (2000, 500, 0, 0)
    assert asked == [1000, 1000, 500]


def test_a_limit_reads_the_first_rows_only() -> None:
    survey = _survey([{"x": 1}, {"x": 2}, {"y": "has no x"}], limit=2)
    assert len(_sent(survey)) == survey.rows == 2


@pytest.mark.parametrize(
    ("rows", "prompt", "code", "said"),
    [
        ([], "{x}", "no_requests", "has no rows"),
        ([{"x": 1}, {"y": 1}], "{x}", "unknown_column", "no column 'x' in row 2"),
        ([{"x": 1}], "Say hello", "invalid_input", "every row would ask the same"),
        ([{"x": 1}, {"x": None}], "{x}", "invalid_input", "row 2: the prompt is empty"),
        ([{"x": "\ud800"}], "{x}", "invalid_input", "row 1 has characters that are not Unicode"),
        ([{"x": 1}, {"x": "y" * 32_000_000}], "{x}", "request_too_large", "row 2: the request is"),
        ([{"x": 1, "answer": 1}], "{x}", "column_exists", "row 1 has a column 'answer' already"),
    ],
)
def test_a_row_that_cannot_be_asked_is_refused(
    rows: Rows, prompt: str, code: str, said: str
) -> None:
    with pytest.raises(InputError, check=code_is(code)) as raised:
        _sent(_survey(rows, prompt=prompt, reserved=("answer", "error")))
    assert said in str(raised.value)
