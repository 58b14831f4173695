"""The simulation finds each deliberate bug."""

from pathlib import Path

import pytest
from simulation.history import run_history
from simulation.mutants.registry import (
    FIRST_SEED,
    HARMLESS,
    QUICK,
    WITH_OPERATIONS,
    profile_for,
    switched_on,
)
from support.builders import a_bench

from state.model.errors import IllegalTransition

# A process that is killed closes none of its files.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
# A seed's history changes with the code: if the recorded seed no longer finds its bug, try these.
_NEARBY = 100
_BUGS = [
    pytest.param(mutant, seed, marks=() if mutant in QUICK else pytest.mark.slow, id=mutant)
    for mutant, seed in (FIRST_SEED | WITH_OPERATIONS).items()
]


def found(seed: int, mutant: str) -> bool:
    return bool(run_history(seed, profile_for(mutant, seed)).violations)


@pytest.mark.parametrize(("mutant", "first"), _BUGS)
def test_a_deliberate_bug_is_found(mutant: str, first: int) -> None:
    with switched_on(mutant):
        assert any(found(seed, mutant) for seed in (first, *range(_NEARBY))), (
            f"{mutant} lives: find its seed with run.py --mutant {mutant}"
        )


@pytest.mark.slow
@pytest.mark.parametrize("mutant", HARMLESS)
def test_what_only_saves_work_is_not_what_keeps_the_ledger_right(mutant: str) -> None:
    with switched_on(mutant):
        assert not any(found(seed, mutant) for seed in range(15))


REFUSED = {
    "send a row again": "UPDATE batches SET status = 'sending' WHERE status = 'ended'",
    "reuse a row": "UPDATE batches SET status = 'queued'",
    "forget a batch": "DELETE FROM batches",
    "give a row another batch": "UPDATE batches SET remote_id = 'msgbatch_other'",
    "collect twice": "UPDATE batches SET collection = 'pending'",
    "change an outcome": "UPDATE attempts SET outcome = 'errored'",
    "take an answer back": "UPDATE requests SET status = 'queued'",
    "change the log": "UPDATE events SET kind = 'nothing'",
    "clear the log": "DELETE FROM events",
}


@pytest.mark.parametrize("sql", REFUSED.values(), ids=REFUSED)
def test_the_ledger_rejects_an_illegal_transition(tmp_path: Path, sql: str) -> None:
    with a_bench(tmp_path) as bench:
        bench.submit(2)
        bench.poll_after(100)
        with (
            pytest.raises(IllegalTransition, match="rejects"),
            bench.engine.context.ledger.transaction("mutant"),
        ):
            bench.engine.context.ledger.execute(sql)


def test_the_ledger_rejects_a_second_active_attempt(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        bench.submit(1)
        ledger = bench.engine.context.ledger
        sql = (
            "INSERT INTO batches (key, nonce, tag, workflow, model, lane, kind, status,"
            " request_count, created_ts) SELECT 'copy', 'copy', tag, workflow, model,"
            " lane, kind, 'queued', 1, created_ts FROM batches"
        )
        with ledger.transaction("copy"):
            batch_id = ledger.insert(sql)
        again = "INSERT INTO attempts SELECT ?, request_id, 1 FROM attempts"
        columns = "(batch_id, request_id, active)"
        with (
            pytest.raises(IllegalTransition, match=r"attempts\.request_id"),
            ledger.transaction("mutant"),
        ):
            ledger.execute(again.replace("attempts ", f"attempts {columns} ", 1), batch_id)
