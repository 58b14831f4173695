"""Retention takes bodies of what is over, nothing else, and everything still adds up."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.builders import Bench, a_bench, some_requests
from support.ledgers.rebuilt_ledger import rebuilt

from core.commands import planner
from core.commands.command_request import CommandRequest
from core.errors import PayloadError
from core.intake.options import SubmitOptions
from core.maintenance.prune import Pruned, preview, prune
from state.files import archive
from state.model.crash_points import no_crash_point
from state.model.errors import FileMissing
from state.operations import retention
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import doctor_figures, ledger_status
from titan_console.sandbox.faults.profile import Faults

DAY = 86_400.0


def pruned(bench: Bench, *, days: float = 90, compress: float = 7, dry_run: bool = False) -> Pruned:
    now = bench.clock.now()
    before, compress_before = now - timedelta(days=days), now - timedelta(days=compress)
    context = bench.engine.context
    if dry_run:
        return preview(
            context.ledger, context.folder, before=before, compress_before=compress_before
        )
    return prune(context, before=before, compress_before=compress_before)


def delivered(bench: Bench, tag: str = "daily-feed") -> str:
    key = bench.submit(tag=tag).submission.key
    bench.poll_after(120)
    return key


def files(bench: Bench) -> list[str]:
    folders = (bench.folder.spool, bench.folder.results, bench.folder.staging)
    return sorted(path.name for folder in folders for path in folder.glob("*"))


def test_what_is_long_over_loses_its_bodies_and_keeps_its_figures(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        key = delivered(bench)
        before = ledger_status.totals(bench.engine.context.ledger)
        assert len(files(bench)) == 3
        bench.clock.advance(91 * DAY)
        done = pruned(bench)
        assert (done.submissions, done.files_removed) == (1, 3)
        assert files(bench) == []
        assert ledger_status.totals(bench.engine.context.ledger) == before
        with pytest.raises(FileMissing, match=f"The results of {key} were deleted on 2027-02-21"):
            list(bench.engine.results(key))
        assert doctor_figures.missing_results(bench.engine.context.ledger, bench.folder) == []
        assert doctor_figures.missing_replay_bodies(bench.engine.context.ledger, bench.folder) == []


def test_the_same_call_after_pruning_still_sends_nothing(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        key = delivered(bench)
        bench.clock.advance(91 * DAY)
        pruned(bench)
        again = bench.submit()
        assert (again.repeated, again.submission.key) == (True, key)
        assert len(bench.sandbox.batches()) == 1
        assert files(bench) == []


def test_a_dry_run_counts_and_changes_nothing(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        delivered(bench)
        bench.clock.advance(91 * DAY)
        there = files(bench)
        said = pruned(bench, dry_run=True)
        assert files(bench) == there
        done = pruned(bench)
        assert (said.submissions, said.files_removed, said.bytes_removed) == (
            done.submissions,
            done.files_removed,
            done.bytes_removed,
        )


def test_unsettled_errors_are_kept(tmp_path: Path) -> None:
    faults = Faults(seed=0)
    with a_bench(tmp_path, faults=faults) as bench:
        requests: list[dict[str, Any]] = some_requests(3)
        requests[1]["model"] = "no-such-model"
        bench.engine.submit(requests, SubmitOptions(tag="daily-feed"))
        bench.poll_after(120)
        there = files(bench)
        bench.clock.advance(400 * DAY)
        assert pruned(bench).submissions == 0
        assert files(bench) == there


def test_what_is_at_the_api_stays(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        bench.submit()
        bench.clock.advance(400 * DAY)
        done = pruned(bench)
        assert (done.submissions, done.files_compressed) == (0, 0)


def test_a_delivered_file_goes_when_all_in_it_is_over(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        delivered(bench)
        bench.clock.advance(91 * DAY)
        bench.engine.submit(some_requests(2), SubmitOptions(tag="another"))
        bench.poll_after(120)
        assert pruned(bench).submissions == 0
        bench.clock.advance(91 * DAY)
        assert pruned(bench).submissions == 2
        assert files(bench) == []


def test_what_comes_later_for_a_pruned_day_is_delivered_alone(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        delivered(bench)
        bench.clock.advance(91 * DAY)
        pruned(bench)
        bench.engine.submit(some_requests(2), SubmitOptions(tag="another"))
        summary = bench.poll_after(120)
        assert (len(summary.delivered), summary.problems) == (1, [])


class KilledError(Exception):
    """The process ends here."""


def test_a_kill_before_the_files_go_is_made_good_by_the_next_call(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        delivered(bench)
        bench.clock.advance(91 * DAY)
        ledger = bench.engine.context.ledger

        def kill(name: str) -> None:
            if name == "prune:marked":
                raise KilledError

        ledger.crash_point = kill
        with pytest.raises(KilledError):
            pruned(bench)
        ledger.crash_point = no_crash_point
        assert len(files(bench)) == 3
        pruned(bench)
        assert files(bench) == []


def test_compressed_answers_and_bodies_are_read_as_before(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        key = delivered(bench)
        results = list(bench.engine.results(key))
        bench.clock.advance(8 * DAY)
        done = pruned(bench)
        assert (done.files_compressed, done.files_removed) == (2, 0)
        assert {f"{key}.jsonl.zst"} == {p.name for p in bench.folder.spool.glob("*")}
        assert list(bench.engine.results(key)) == results
        assert doctor_figures.missing_results(bench.engine.context.ledger, bench.folder) == []
        assert pruned(bench).files_compressed == 0


def test_a_ledger_is_rebuilt_from_compressed_files(tmp_path: Path) -> None:
    with a_bench(tmp_path / "one") as bench:
        key = delivered(bench)
        results = list(bench.engine.results(key))
        bench.clock.advance(8 * DAY)
        pruned(bench)
        engine, done = rebuilt(bench)
        assert (done.submissions, done.collected, done.missing) == (1, 1, 0)
        assert archive.exists(bench.folder.results / f"{key}.jsonl")
        found = list(engine.results(key))
        assert [r["text"] for r in found] == [r["text"] for r in results]


def test_nothing_goes_while_a_command_is_open(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        delivered(bench)
        bench.clock.advance(91 * DAY)
        with bench.engine.context.ledger.transaction("test") as written:
            bench.engine.context.ledger.execute(
                "INSERT INTO commands (key, action, state, digest, who, reason, item_count,"
                " options, created_ts, not_before_ts)"
                " VALUES ('c', 'replay', 'pending', x'00', 'a', '', 1, '{}', ?, ?)",
                written.at,
                written.at,
            )
        done = pruned(bench)
        assert (done.commands_open, done.submissions) == (True, 0)
        assert len(files(bench)) == 3


def acknowledged(bench: Bench) -> None:
    """Requests that failed and are off the list, so that they are pruned and not answered."""
    bench.faults.add("row:overloaded:id=*")
    delivered(bench)
    bench.faults.clear()
    commanded(bench, Action.ACKNOWLEDGE)
    bench.poll_after(1)
    bench.clock.advance(100 * DAY)


def commanded(bench: Bench, action: Action, *, between: Callable[[], object] = int) -> None:
    context = bench.engine.context
    request = CommandRequest(action=action, wanted=Filter(names=("daily-feed",)), force=True)
    planned = planner.plan(context, request)
    between()
    planner.submit(context, planned, delay=timedelta())


@pytest.mark.parametrize("action", [Action.REPLAY, Action.SYNC])
def test_what_was_pruned_does_not_run_again(tmp_path: Path, action: Action) -> None:
    with a_bench(tmp_path) as bench:
        acknowledged(bench)
        pruned(bench)
        with pytest.raises(PayloadError, match="requests were pruned: their bodies were deleted"):
            commanded(bench, action)


@pytest.mark.parametrize("action", [Action.REPLAY, Action.SYNC])
def test_what_is_pruned_between_preview_and_confirmation_does_not_run(
    tmp_path: Path, action: Action
) -> None:
    with a_bench(tmp_path) as bench:
        acknowledged(bench)
        with pytest.raises(PayloadError, match="were pruned meanwhile"):
            commanded(bench, action, between=lambda: pruned(bench))
        assert retention.is_idle(bench.engine.context.ledger)
