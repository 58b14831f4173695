"""What cannot be delivered, or fails in an unforeseen way, stops nothing else."""

import pytest
from support.builders import Bench, a_request
from support.lifecycle import poll_until_done, staged

from core import poll
from core.batches.context import Context
from core.intake.options import SubmitOptions
from core.poll import PollSummary


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
    assert [one for one in bench.engine.poll().problems if "blocked of 2026-11-22" in one]


def test_a_defect_in_one_step_is_a_problem_and_the_others_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _broken(_context: Context, _summary: PollSummary) -> None:
        raise ZeroDivisionError("secret prompt")

    monkeypatch.setattr(poll, "_STEPS", (_broken, *poll._STEPS))
    _submit(bench, "feed")
    poll_until_done(bench)
    assert staged(bench)
    [problem] = [one for one in bench.engine.poll().problems if "internal error" in one]
    assert "ZeroDivisionError" in problem
    assert "secret" not in problem
