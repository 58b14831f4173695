"""What fails in one command, deadline, retry, alert or fallback file stops no other."""

from datetime import timedelta
from pathlib import Path

import pytest
from support.broken_code import breaks
from support.builders import Bench, a_bench, a_request
from support.ledgers.broken_ledger import corrupt, heal

import titan_batch
from core.commands import auto_replay, deadline_guard, executor
from core.intake import fallback_files
from core.intake.options import SubmitOptions
from core.poll.poll_summary import PollSummary
from core.reporting import notifier
from state.files import fallback_file
from state.files.folder import Folder
from state.operations import alerts, commands
from state.operations.commands import Action, CommandState, NewCommand
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan

QUARTER = 900.0
BUG = ValueError("the secret prompt")


def _submit(bench: Bench, workflow: str, **options: object) -> str:
    request = a_request(f"{workflow}-2026-11-22-001")
    made = bench.engine.submit([request], SubmitOptions(tag=workflow, **options))  # pyright: ignore[reportArgumentType]
    return made.submission.key


def _is_one_problem(summary: PollSummary, *, of: str, not_of: str) -> bool:
    lines = [line for line in summary.problems if of in line and "ValueError" in line]
    return len(lines) == 1 and not any(
        not_of in line or "secret" in line for line in summary.problems
    )


def test_a_command_that_fails_stops_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = bench.engine.context.ledger
    sick, healthy = (
        commands.enqueue(
            ledger,
            NewCommand(
                action=Action.PAUSE, workflows=[name], reason="test", not_before=bench.clock.now()
            ),
        )[0]
        for name in ("sick", "healthy")
    )
    broken = breaks(BUG, lambda command: command.key == sick.key)
    with monkeypatch.context() as patched:
        patched.setattr(executor, "advance", broken(executor.advance))
        assert _is_one_problem(bench.poll_after(QUARTER), of=sick.key, not_of=healthy.key)
    assert commands.by_key(ledger, healthy.key).state == CommandState.DONE
    done = bench.poll_after(QUARTER)
    assert (len(done.commands), done.problems) == (1, [])
    assert commands.by_key(ledger, sick.key).state == CommandState.DONE


def test_a_deadline_that_cannot_be_guarded_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_bench(tmp_path, plan=Plan.manual(cancel=30)) as bench:
        due = bench.clock.now() + timedelta(hours=6)
        sick, healthy = (_submit(bench, name, deadline=due) for name in ("sick", "healthy"))
        broken = breaks(BUG, lambda submission: submission.key == sick)
        with monkeypatch.context() as patched:
            patched.setattr(deadline_guard, "_is_at_risk", broken(deadline_guard._is_at_risk))
            bench.clock.advance(4.25 * 3600)
            assert _is_one_problem(bench.engine.poll(), of=sick, not_of=healthy)
            bench.poll_after(QUARTER)
            assert bench.engine.is_finished(healthy)
            assert not bench.engine.is_finished(sick)
        for _ in range(3):
            bench.poll_after(QUARTER)
        assert bench.engine.is_finished(sick)
        assert len(list(bench.sandbox.billing_log().billed())) == 2


def test_a_retry_that_fails_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        jobs = "".join(
            f'[jobs.{name}]\nworkload = "w"\nschedule = "daily"\nreplay = "auto"\n'
            for name in ("sick", "healthy")
        )
        (bench.folder.root / "titan.toml").write_text(f"[workloads.w]\n{jobs}")
        bench.faults.add("row:overloaded")
        keys = [_submit(bench, name) for name in ("sick", "healthy")]
        broken = breaks(BUG, lambda candidates: candidates.workflow == "sick")
        with monkeypatch.context() as patched:
            patched.setattr(auto_replay, "_replay", broken(auto_replay._replay))
            assert _is_one_problem(bench.poll_after(QUARTER), of="sick", not_of="healthy")
            bench.faults.clear()
            bench.poll_after(QUARTER)
        for _ in range(3):
            bench.poll_after(QUARTER)
        outcomes = [row["outcome"] for key in keys for row in bench.engine.results(key)]
        assert outcomes == ["succeeded", "succeeded"]


def test_an_alert_that_cannot_be_sent_stops_no_poll(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.folder.root / "titan.toml").write_text(
        '[alerts]\npoller_silent_min = 0\ncommand = ["true"]'
    )
    ledger = bench.engine.context.ledger
    alerts.update(ledger, [("errors", "day", "6 requests failed")])
    key = _submit(bench, "healthy")
    with monkeypatch.context() as patched:
        patched.setattr(notifier, "message", breaks(BUG)(notifier.message))
        assert _is_one_problem(bench.poll_after(QUARTER), of="errors", not_of="healthy")
        bench.poll_after(QUARTER)
    assert bench.engine.is_finished(key)
    assert bench.folder.cost_mirror.exists()
    for _ in range(3):
        bench.poll_after(QUARTER)
    (unsent,) = ledger.rows("SELECT count(*) FROM alerts WHERE notified_raised_ts IS NULL")[0]
    assert unsent == 0


def test_a_rule_that_cannot_be_checked_stops_no_poll(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = _submit(bench, "healthy")
    monkeypatch.setattr(notifier, "conditions", breaks(BUG)(notifier.conditions))
    assert _is_one_problem(bench.poll_after(QUARTER), of="alert rules", not_of="healthy")
    bench.poll_after(QUARTER)
    assert bench.engine.is_finished(key)
    assert bench.folder.cost_mirror.exists()


@pytest.mark.parametrize("error", [BUG, OSError(5, "I/O error"), RecursionError()])
def test_a_fallback_file_that_cannot_be_imported_stops_no_other(
    home: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    corrupt(home)
    sick, healthy = (
        titan_batch.submit([a_request(f"{name}-2026-11-22-001")], tag=name)
        for name in ("sick", "healthy")
    )
    heal(home)
    broken = breaks(error, lambda file: file.key == sick)
    with monkeypatch.context() as patched:
        patched.setattr(fallback_files, "_import", broken(fallback_files._import))
        assert titan_batch.poll_and_collect(healthy) or titan_batch.poll_and_collect(healthy)
        assert [file.key for file in fallback_file.pending(Folder(home))] == [sick]
        assert titan_batch.reconcile("sick")["finished"] is False
    assert titan_batch.poll_and_collect(sick) or titan_batch.poll_and_collect(sick)
    assert fallback_file.pending(Folder(home)) == []
    assert sandbox.billing_log().creates == 2


def test_a_folder_in_place_of_a_fallback_file_stops_no_other(home: Path, sandbox: Sandbox) -> None:
    corrupt(home)
    healthy = titan_batch.submit([a_request("healthy-2026-11-22-001")], tag="healthy")
    (Folder(home).fallback / "tb_0000000000.jsonl").mkdir()
    heal(home)
    assert titan_batch.poll_and_collect(healthy) or titan_batch.poll_and_collect(healthy)
    assert sandbox.billing_log().creates == 1
