"""A file that is gone from the disk costs its own batch, and no other."""

import os
from collections.abc import Callable
from pathlib import Path

from support.builders import Bench, a_bench

from state.model.crash_points import no_crash_point
from state.queries import batch_list
from titan_console.sandbox.model.timing import Plan


def _outcomes(bench: Bench, name: str) -> list[str | None]:
    return [result["outcome"] for result in bench.engine.results(name)]


def test_missing_bodies_are_errors_and_the_rest_is_sent(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        bench.faults.add("list:connect")
        lost = bench.submit(2, tag="lost").submission
        kept = bench.submit(3, tag="kept").submission
        bench.faults.clear()
        (bench.folder.spool / f"{lost.key}.jsonl").unlink()
        summary = bench.poll_after(60)
        bench.poll_after(60)
        assert any(lost.key in trouble for trouble in summary.problems)
        assert _outcomes(bench, lost.key) == ["errored"] * 2
        assert _outcomes(bench, kept.key) == ["succeeded"] * 3
        assert bench.sandbox.billing_log().creates == 1


def test_missing_answers_do_not_block_other_deliveries(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        lost = bench.submit(2, tag="lost", workflow="lost").submission
        bench.engine.context.ledger.crash_point = _die_at("staging:rename")
        try:
            bench.poll_after(60)
        except _DiedError:
            bench.engine.context.ledger.crash_point = no_crash_point
        (bench.folder.results / f"{lost.key}.jsonl").unlink()
        bench.submit(3, tag="kept", workflow="kept")
        bench.clock.advance(900)
        summary = bench.poll_after(60)
        assert summary.delivered == ["kept-results-2026-11-22.jsonl"]
        assert any("Cannot deliver lost of 2026-11-22" in t for t in summary.problems)


class _DiedError(BaseException):
    """The process ended here."""


def _die_at(point: str) -> Callable[[str], None]:
    def hook(name: str) -> None:
        if name == point:
            raise _DiedError

    return hook


def test_a_list_that_cannot_be_read_does_not_stop_the_looking(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        key = bench.submit(2).submission.key
        bench.faults.add("list:garbage")
        summary = bench.poll_after(60)
        assert summary.problems
        assert _outcomes(bench, key) == ["succeeded"] * 2
        assert batch_list.open_batches(bench.engine.context.ledger) == []


def test_what_a_dead_process_left_half_written_is_swept_after_a_day(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        key = bench.submit(1).submission.key
        spool = bench.folder.spool
        noon = bench.clock.now().timestamp()
        for name, age_h in (("tb_dead", 25), ("edit_dead", 25), ("tb_fresh", 23), (key, 25)):
            part = spool / f"{name}.jsonl.part"
            part.write_text("{}")
            os.utime(part, (noon - age_h * 3600, noon - age_h * 3600))
        bench.poll_after(0)
        assert {path.name for path in spool.iterdir()} == {f"{key}.jsonl", "tb_fresh.jsonl.part"}
        (spool / f"{key}.jsonl").rename(spool / f"{key}.jsonl.part")
        os.utime(spool / f"{key}.jsonl.part", (noon - 90_000, noon - 90_000))
        bench.poll_after(0)
        assert (spool / f"{key}.jsonl.part").exists()
