"""The hourly lines: calm when there is nothing, loud when something needs a person."""

from datetime import datetime, timedelta
from pathlib import Path

from support.builders import START, Bench, a_bench, some_requests

from core.intake.options import SubmitOptions
from core.reporting.email_digest import Digest, as_html, digest, lines, report
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.model.timing import Plan


def of(bench: Bench, hours: float = 1) -> Digest:
    now = bench.clock.now()
    return digest(bench.engine.context.ledger, since=now - timedelta(hours=hours), now=now)


def test_nothing_to_say_is_one_calm_line(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        found = of(bench)
    assert lines(found) == [
        "No activity since 2026-11-22 05:00 UTC: no open batches, no results, no errors."
    ]
    assert report(found).calm is True


def test_the_digest_has_savings_open_and_ended_batches(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        bench.submit(3)
        (open_line,) = [line for line in lines(of(bench)) if line.startswith("Open")]
        assert open_line == "Open: 1 batch, 3 requests."
        bench.poll_after(600)
        found = of(bench)
        assert lines(found)[0].startswith("Since 2026-11-22 05:10 UTC: saved $0.0")
        assert "Ended: 1 batch, 3 answers." in lines(found)
        assert report(found).saved_usd == found.happened.savings_nano / 1e9 > 0
        bench.clock.advance(7200)
        assert of(bench).is_calm


def test_more_than_five_errors_a_day_are_an_alert(tmp_path: Path) -> None:
    for count, alert in ((5, False), (6, True)):
        faults = Faults.parse(["row:overloaded:p=1"])
        with a_bench(tmp_path / f"home{count}", faults=faults) as bench:
            bench.submit(count)
            bench.poll_after(600)
            found = of(bench)
        assert found.has_error_alert is alert
        assert any(line.startswith("ALERT. Errors: 6") for line in lines(found)) is alert
        assert report(found).errors == count


def test_a_held_queue_and_a_stuck_batch_are_alerts(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", plan=Plan.manual()) as bench:
        bench.submit(3)
        bench.sandbox.vanish(bench.sandbox.billing_log().batches[0].batch_id)
        bench.faults.add("create:credit")
        bench.submit(3, tag="more")
        bench.poll_after(60)
        found = of(bench)
        said = [line for line in lines(found) if line.startswith("ALERT.")]
        assert ["credit balance" in line for line in said].count(True) == 1
        assert ["404" in line for line in said].count(True) == 1
        assert report(found).alerts == list(found.stopped)
        bench.clock.advance(86_400)
        assert not of(bench).is_calm


def test_deadlines_and_retention_are_lines_of_the_digest(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", plan=Plan.manual()) as bench:
        _submit(bench, "feed", START + timedelta(hours=3, minutes=30))
        assert of(bench).at_risk == ()
        bench.clock.advance(3600)
        said = lines(of(bench))
        assert any("feed" in line and "is due in 2h 30m" in line for line in said)
        bench.clock.advance(3 * 3600)
        assert any("is 0h 30m late" in line for line in lines(of(bench)))
        bench.clock.advance(23 * 86400)
        (retention,) = [line for line in lines(of(bench)) if line.startswith("Results at risk")]
        assert "in 5 days; they have not been downloaded yet" in retention


def test_html_escapes_what_came_from_outside(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", plan=Plan.manual()) as bench:
        _submit(bench, "<script>alert(1)</script>", START + timedelta(hours=1))
        html = as_html(of(bench))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.startswith("<ul><li>Since")


def _submit(bench: Bench, tag: str, deadline: datetime) -> None:
    bench.engine.submit(some_requests(1), SubmitOptions(tag=tag, deadline=deadline))


def test_the_limit_of_a_day_can_be_another_or_none(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", faults=Faults.parse(["row:overloaded:p=1"])) as bench:
        bench.submit(3)
        bench.poll_after(600)
        now = bench.clock.now()
        for limit, alert in ((2, True), (3, False), (None, False)):
            found = digest(
                bench.engine.context.ledger,
                since=now - timedelta(hours=1),
                now=now,
                error_limit=limit,
            )
            assert found.has_error_alert is alert
