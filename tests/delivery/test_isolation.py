"""What cannot be delivered, or fails in an unforeseen way, stops nothing else."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import pytest
from msgspec.structs import replace
from support.broken_code import breaks
from support.builders import Bench, a_request
from support.lifecycle import poll_until_done, staged

from core.batches.engine_context import Context
from core.batches.poll_time_limit import PollTimeLimit
from core.delivery import deliver, delivery_hooks
from core.delivery.deliver import Deliveries, deliver_finished
from core.intake.options import SubmitOptions
from core.poll import poll_steps
from core.poll.poll_summary import PollSummary
from state.model.errors import LedgerError
from state.operations import hook_runs

T = TypeVar("T")


def _submit(bench: Bench, workflow: str) -> None:
    request = a_request(f"{workflow}-2026-11-22-001")
    bench.engine.submit([request], SubmitOptions(tag=workflow))


def test_a_folder_at_one_staging_name_stops_no_other_delivery(bench: Bench) -> None:
    for workflow in ("blocked", "free"):
        _submit(bench, workflow)
    (bench.folder.staging / "blocked-results-2026-11-22.jsonl" / "x").mkdir(parents=True)
    poll_until_done(bench)
    assert [path.name for path in bench.folder.staging.glob("free-*")] == [
        "free-results-2026-11-22.jsonl"
    ]
    (problem,) = [one for one in bench.engine.poll().problems if "blocked of 2026-11-22" in one]
    assert "is a folder, not a file" in problem


def test_a_folder_in_place_of_a_results_file_is_named(bench: Bench) -> None:
    _submit(bench, "blocked")
    poll_until_done(bench)
    (path,) = bench.folder.results.glob("tb_*.jsonl")
    path.unlink()
    path.mkdir()
    with pytest.raises(LedgerError) as refused:
        list(bench.engine.results("blocked"))
    assert f"{path} is a folder, not a file" in str(refused.value)
    assert not [word for word in ("Errno", "PosixPath") if word in str(refused.value)]


def test_a_hook_that_fails_in_an_unforeseen_way_stops_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = "".join(
        f'[jobs.{name}]\nworkload = "w"\nschedule = "daily"\non_delivery = ["true"]\n'
        for name in ("sick", "healthy")
    )
    bench.folder.root.mkdir(exist_ok=True)
    (bench.folder.root / "titan.toml").write_text(f"[workloads.w]\n{jobs}")
    for workflow in ("sick", "healthy"):
        _submit(bench, workflow)
    broken = breaks(ValueError("secret prompt"), lambda run: run.workflow == "sick")
    ledger = bench.engine.context.ledger
    with monkeypatch.context() as patched:
        patched.setattr(delivery_hooks, "_run", broken(delivery_hooks._run))
        poll_until_done(bench)
        problems = bench.poll_after(900).problems
        assert [run.workflow for run in hook_runs.due(ledger, "9")] == ["sick"]
    assert [line for line in problems if "sick-results" in line and "ValueError" in line]
    assert not [line for line in problems if "healthy" in line or "secret" in line]
    assert bench.poll_after(900).problems == []
    assert hook_runs.due(ledger, "9") == []


def test_the_stack_of_a_defect_is_logged_once_without_values(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = breaks(ValueError("secret prompt"))
    monkeypatch.setattr(deliver, "_deliver", broken(deliver._deliver))
    for workflow in ("feed", "news"):
        _submit(bench, workflow)
    for _ in range(4):
        bench.poll_after(900)
    log = bench.folder.crash_log.read_text()
    assert log.count("ValueError") == 1
    assert "deliver.py:" in log
    assert "secret" not in log


def test_a_defect_in_one_step_is_a_problem_and_the_others_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _broken(_context: Context, _summary: PollSummary) -> None:
        raise ZeroDivisionError("secret prompt")

    monkeypatch.setattr(poll_steps, "STEPS", (_broken, *poll_steps.STEPS))
    _submit(bench, "feed")
    poll_until_done(bench)
    assert staged(bench)
    [problem] = [one for one in bench.engine.poll().problems if "internal error" in one]
    assert "ZeroDivisionError" in problem
    assert "secret" not in problem


class _ReplayMeanwhile(PollTimeLimit):
    """Another process replays what is to be delivered, just before it is read."""

    def __init__(self, replay: Callable[[], object]) -> None:
        super().__init__()
        self._replay = replay

    def items(self, step: str, items: Sequence[T], name: Callable[[T], str]) -> Iterator[T]:
        self._replay()
        yield from super().items(step, items, name)


def test_a_file_whose_requests_are_replayed_meanwhile_is_delivered_later(bench: Bench) -> None:
    bench.submit(2)
    poll_until_done(bench)
    ledger = bench.engine.context.ledger
    ledger.execute("UPDATE submissions SET delivered_ts = NULL")
    meanwhile = _ReplayMeanwhile(
        lambda: ledger.execute("UPDATE submissions SET finished_ts = NULL")
    )
    context = replace(bench.engine.context, time=meanwhile)
    assert deliver_finished(context) == Deliveries()
