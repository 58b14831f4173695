"""Random lives with edited replays: whatever is downloaded again after a loss, nothing changes."""

from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from recovery.test_rebuilt_edits import figures_of, replay
from support.builders import Bench, a_bench
from support.ledgers.rebuilt_ledger import rebuilt, restored
from support.lifecycle import batches, check_billing, poll_until_done, results

from core.commands import planner
from core.commands.planner import CommandRequest
from core.errors import PayloadError
from state.db import ledger_copy
from state.db.reader import Reader
from state.operations.commands import Action
from state.operations.selection import Filter
from titan_console.sandbox.model.timing import Plan

_FEW, _MANY = 40, 400


def _sync(bench: Bench, *names: str) -> None:
    asked = CommandRequest(action=Action.SYNC, wanted=Filter(names=names), force=True)
    context = bench.engine.context
    planner.submit(context, planner.plan(context, asked), delay=timedelta())


def _act(bench: Bench, rng: Random, names: list[str]) -> None:
    """Ask for some of the requests again, where that is possible now; some of it fails."""
    some = tuple(rng.sample(names, rng.randint(1, len(names))))
    with suppress(PayloadError):
        match rng.choices(("edit", "replay", "sync"), (6, 2, 2))[0]:
            case "edit":
                replay(bench, *some, max_tokens=rng.randint(5, 60))
            case "replay":
                replay(bench, *some)
            case _:
                _sync(bench, *some)
    _fail(bench, rng)
    if rng.random() < 0.7:
        poll_until_done(bench)
    else:
        bench.poll_after(300)


def _fail(bench: Bench, rng: Random) -> None:
    if rng.random() < 0.4:
        bench.faults.add(f"row:api-error:times={rng.randint(1, 4)}")
    if rng.random() < 0.3:
        bench.faults.add("results:cut:times=1")


def _lose_results(bench: Bench, rng: Random, kept: set[str]) -> None:
    """Some files of results that the API still has, whole or in part."""
    for batch in batches(bench):
        path = bench.folder.results / f"{batch.key}.jsonl"
        if batch.remote_id and batch.key not in kept and path.exists() and rng.random() < 0.5:
            lines = path.read_bytes().splitlines(keepends=True)
            path.write_bytes(b"".join(lines[: len(lines) // 2]))
            if rng.random() < 0.5:
                path.unlink()


def _collected(backup: Path) -> set[str]:
    with closing(Reader(backup)) as reader:
        return {row[0] for row in reader.rows("SELECT key FROM batches WHERE results_bytes > 0")}


@pytest.mark.parametrize(
    "seed",
    [*range(_FEW), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(_FEW, _MANY))],
)
def test_nothing_changes(tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        _fail(bench, rng)
        key = bench.submit(rng.randint(2, 6)).submission.key
        bench.poll_after(900)
        names = sorted({row[0] for row in figures_of(bench)})
        backup = bench.folder.root / "backup.db"
        for _ in range(rng.randint(1, 4)):
            _act(bench, rng, names)
            if not backup.exists() and rng.random() < 0.4:
                assert ledger_copy.copy(bench.engine.context.ledger, backup) is None
        poll_until_done(bench)
        answers, figures = results(bench, key), figures_of(bench)
        creates = bench.sandbox.billing_log().creates
        is_restored = backup.exists() and rng.random() < 0.5
        _lose_results(bench, rng, _collected(backup) if is_restored else set())
        _, done = restored(bench, backup) if is_restored else rebuilt(bench)
        assert done.warnings == []
        poll_until_done(bench)
        assert (results(bench, key), figures_of(bench)) == (answers, figures)
        assert bench.sandbox.billing_log().creates == creates
        check_billing(bench)
