"""A run that is killed, or made twice at once: the same command again asks nothing twice."""

from collections.abc import Iterable

import pytest
from support.builders import Bench
from support.ledgers.killed_submit import killed_at
from support.lifecycle import check_billing, our_bill, poll_until_done

from core.config.titan_tables import TitanToml
from core.errors import InputError
from core.intake.options import SubmitOptions
from core.intake.submit import SubmitResult
from core.tables import table as tables
from core.tables import template
from core.tables.columns import AnswerColumns
from core.tables.memory_source import MemorySource
from core.tables.table import Table, TableOptions
from state.model.errors import AlreadySubmitted

ROWS: list[dict[str, object]] = [{"x": n % 40} for n in range(50)]


def _table(bench: Bench, rows: list[dict[str, object]] = ROWS) -> Table:
    return tables.begin(
        MemorySource(rows),
        template.parse("Is {x} even?", "prompt"),
        SubmitOptions(tag="t"),
        TableOptions(),
        columns=AnswerColumns(),
        rules=TitanToml(),
        now=bench.clock.now(),
    )


def _answered(bench: Bench, table: Table) -> int:
    survey, submitted = tables.submit(bench.engine, table)
    assert submitted is None
    context = bench.engine.context
    found = list(tables.answers(context.ledger, context.folder, table, survey))
    assert [answer.error for answer in found] == [None] * len(ROWS)
    return len({answer.text for answer in found})


@pytest.mark.parametrize(
    "point",
    [
        "submit:begin",
        "submit:done",
        "sending:begin",
        "sending:done",
        "accepted:begin",
        "accepted:done",
    ],
)
def test_a_killed_run_is_continued_by_the_same_command(bench: Bench, point: str) -> None:
    table = _table(bench)
    killed_at(bench, point, lambda: tables.submit(bench.engine, table))
    _, submitted = tables.submit(bench.engine, table)
    # Before the commit of `submit` nothing is stored, and after it nothing is new.
    assert (submitted is None) is (point != "submit:begin")
    poll_until_done(bench)
    assert _answered(bench, table) <= 40
    assert len(our_bill(bench)) == 40
    check_billing(bench)


def test_of_two_runs_at_once_one_is_told_to_run_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, other, submit = _table(bench), bench.new_engine("other"), bench.engine.submit

    def interrupted(requests: Iterable[object], options: SubmitOptions) -> SubmitResult:
        found = list(requests)
        tables.submit(other, _table(bench, [{"x": 39}, {"x": 99}]))
        return submit(found, options)

    with monkeypatch.context() as patch:
        patch.setattr(bench.engine, "submit", interrupted)
        with pytest.raises(AlreadySubmitted, match="run the same command again"):
            tables.submit(bench.engine, table)
    survey, submitted = tables.submit(bench.engine, table)
    assert submitted is not None
    assert survey.new == submitted.submission.request_count == 39
    poll_until_done(bench)
    assert len(our_bill(bench)) == 41


def test_a_table_that_changes_while_it_is_read_is_refused(bench: Bench) -> None:
    table = _table(bench)
    prints = iter([1, 2])
    table.source.fingerprint = lambda: next(prints)  # type: ignore[method-assign]
    with pytest.raises(InputError, match="changed while it was read"):
        tables.submit(bench.engine, table)
    assert not our_bill(bench)
