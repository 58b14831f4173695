"""Answers that were collected are priced again from their stored results."""

import pytest
from click.testing import CliRunner
from support.builders import KEY, Bench, a_request
from support.lifecycle import batches, check_billing

from core.batches.recompute import Recomputed, recompute
from core.config.titan_tables import parse
from core.intake.options import SubmitOptions
from core.intake.recorded_calls import record_sync
from core.money.pricing import PriceBook
from core.reporting import cost_log
from state.batches import totals
from state.files import archive
from state.model.usage import UNKNOWN
from state.queries import ledger_status, spending
from titan_console.cli.main import cli

_SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
_SUMS = (
    "SELECT sum(requests), sum(succeeded), sum(input_tokens), sum(output_tokens),"
    " sum(web_searches), sum(fee_nano), sum(cost_nano), sum(sync_cost_nano), sum(duplicate_nano),"
    " sum(unpriced) FROM daily_totals"
)
_BATCHES = "SELECT cost_nano, sync_cost_nano, unpriced, duplicate_nano FROM batches ORDER BY id"
_ATTEMPTS = "SELECT * FROM attempts ORDER BY batch_id, request_id"


def contents(bench: Bench) -> list[list[tuple[object, ...]]]:
    """The attempts, and every sum that follows from them."""
    ledger = bench.engine.context.ledger
    return [[tuple(row) for row in ledger.rows(sql)] for sql in (_ATTEMPTS, _BATCHES, _SUMS)]


def collected(bench: Bench, count: int = 6) -> None:
    """Batches of two days whose answers are billed for searches in a region."""
    for day in range(2):
        requests = [
            a_request(
                f"r-2026-11-22-{day}{number}",
                model="claude-sonnet-5-5",
                inference_geo="us",
                tools=[_SEARCH],
            )
            for number in range(count)
        ]
        bench.engine.submit(requests, SubmitOptions(tag=f"t-{day}"))
        bench.poll_after(3600)
        bench.poll_after(86_400)


def as_priced_before_fees(bench: Bench) -> None:
    """Change the ledger to what the version before this one would have stored."""
    ledger = bench.engine.context.ledger
    ids = [row[0] for row in ledger.rows("SELECT id FROM requests")]
    with ledger.transaction("test"):
        for batch in batches(bench):
            totals.change(ledger, batch, ids, "-")
        ledger.execute(
            "UPDATE attempts SET inference_geo = NULL, service_tier = NULL, web_searches = 0,"
            " fee_nano = 0, sync_cost_nano = input_tokens * 2000 + output_tokens * 10000,"
            " cost_nano = (input_tokens * 2000 + output_tokens * 10000) / 2"
        )
        for batch in batches(bench):
            totals.change(ledger, batch, ids, "+")


def run(bench: Bench, *, apply: bool = True) -> list[Recomputed]:
    context = bench.engine.context
    to = context.ledger if apply else None
    return list(recompute(context.ledger, context.folder, PriceBook(), to=to))


def test_it_finds_what_is_right_and_changes_nothing(bench: Bench) -> None:
    collected(bench)
    before = contents(bench)
    assert [(row.answers, row.changed) for row in run(bench)] == [(6, 0), (6, 0)]
    assert contents(bench) == before


@pytest.mark.parametrize("is_compressed", [False, True])
def test_answers_without_their_fees_get_them(bench: Bench, *, is_compressed: bool) -> None:
    collected(bench)
    right = contents(bench)
    as_priced_before_fees(bench)
    if is_compressed:
        for path in bench.folder.results.glob("*.jsonl"):
            archive.compress(path)
    wrong = contents(bench)
    found = run(bench, apply=False)
    assert contents(bench) == wrong
    assert [(row.answers, row.changed) for row in found] == [(6, 6), (6, 6)]
    # Five searches each, and a tenth of the tokens.
    fees = 12 * 5 * 10_000_000
    tokens = sum(row.old_cost_nano for row in found)
    gained = sum(row.new_cost_nano for row in found) - tokens
    assert gained == pytest.approx(fees + tokens // 10, abs=12)  # pyright: ignore[reportUnknownMemberType]
    assert run(bench) == found
    assert contents(bench) == right
    assert sum(row.changed for row in run(bench)) == 0
    bench.poll_after(60)
    path = bench.folder.cost_mirror
    assert cost_log.check(bench.engine.context.ledger, path).is_same


def check_sums(bench: Bench) -> None:
    """Every sum is that of the attempts."""
    ledger = bench.engine.context.ledger
    cost, sync = ledger.rows("SELECT sum(cost_nano), sum(sync_cost_nano) FROM attempts")[0]
    totals = ledger_status.totals(ledger)
    assert (totals.cost_nano, totals.sync_cost_nano) == (cost, sync)
    for by in spending.BY:
        for since in ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z"):
            rows = spending.spending(ledger, by, since_ts=since)
            assert sum(row.cost_nano for row in rows) == cost
            assert sum(row.sync_cost_nano for row in rows) == sync
            assert sum(row.unpriced for row in rows) == totals.unpriced


def test_new_prices_and_no_prices_reach_every_sum(bench: Bench) -> None:
    collected(bench)
    right = contents(bench)
    ledger, folder = bench.engine.context.ledger, bench.folder
    for prices, unpriced in (("input = 7\noutput = 9", 0), ("input = 7", 6)):
        text = f"[[prices.claude-sonnet-5-5]]\nfrom = 2026-11-23\n{prices}\n"
        changed = recompute(ledger, folder, PriceBook(parse(text).prices), to=ledger)
        assert [row.changed for row in changed] == [0, 6]
        assert ledger_status.totals(ledger).unpriced == unpriced
        check_sums(bench)
    (reason,) = {row[0] for row in ledger.rows("SELECT unpriced FROM attempts")} - {None}
    assert reason == "[[prices.claude-sonnet-5-5]] in titan.toml is incomplete"
    assert [(row.old_unpriced, row.new_unpriced) for row in run(bench)] == [(0, 0), (6, 0)]
    assert contents(bench) == right
    check_billing(bench)


def test_it_goes_on_where_it_was_interrupted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    collected(bench)
    right = contents(bench)
    as_priced_before_fees(bench)
    monkeypatch.setattr("core.batches.recompute._PAGE", 4)
    ledger, stored = bench.engine.context.ledger, list[str]()

    def interrupt(name: str) -> None:
        if name == "recompute:commit":
            stored.append(name)
            if len(stored) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(ledger, "crash_point", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(bench)
    check_sums(bench)
    assert [row.changed for row in run(bench)] == [2, 6]
    assert contents(bench) == right


def test_a_batch_that_was_collected_meanwhile_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(bench)
    as_priced_before_fees(bench)
    before, ledger = contents(bench), bench.engine.context.ledger

    def other(name: str) -> None:
        if name == "recompute:begin":
            with ledger.connection:
                ledger.connection.execute("UPDATE batches SET collect_tries = collect_tries + 1")

    monkeypatch.setattr(ledger, "crash_point", other)
    run(bench)
    assert contents(bench) == before


def test_without_its_results_an_answer_is_priced_by_what_the_ledger_has(bench: Bench) -> None:
    collected(bench)
    right = contents(bench)
    for path in bench.folder.results.glob("*.jsonl"):
        path.unlink()
    assert sum(row.changed for row in run(bench)) == 0
    assert contents(bench) == right


def test_an_answer_that_names_no_model_is_unpriced_as_when_it_was_collected(bench: Bench) -> None:
    collected(bench)
    for path in bench.folder.results.glob("*.jsonl"):
        path.write_bytes(path.read_bytes().replace(b'"model":', b'"other":'))
    ledger = bench.engine.context.ledger
    with ledger.transaction("test"):
        ledger.execute("UPDATE attempts SET model = NULL")
    assert sum(row.new_unpriced for row in run(bench)) == 12
    reasons = {row[0] for row in ledger.rows("SELECT unpriced FROM attempts")}
    assert reasons == {f"{UNKNOWN}the answer names no model"}


def test_recorded_calls_are_priced_again_with_their_tier_and_speed(bench: Bench) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 10, "speed": "fast", "inference_geo": "us"}
    record_sync(
        bench.engine.context, tag="t", model="claude-opus-5-5", usage=usage, custom_id="fast"
    )
    (row,) = bench.engine.context.ledger.rows("SELECT speed, cost_nano, unpriced FROM attempts")
    assert tuple(row) == ("fast", (1000 * 8000 + 10 * 40_000) * 11 // 10, None)
    assert [(row.answers, row.changed) for row in run(bench)] == [(1, 0)]
    arguments = ["savings", "--explain", "fast"]
    home = {"TITAN_HOME": str(bench.folder.root)}
    assert "\nspeed      fast\n" in CliRunner().invoke(cli, arguments, env=home).stdout
    unknown = {"input_tokens": 1, "output_tokens": 1, "service_tier": "priority"}
    record_sync(bench.engine.context, tag="t", model="claude-opus-5-5", usage=unknown)
    totals = ledger_status.totals(bench.engine.context.ledger)
    assert totals.unpriced == 1
    check_sums(bench)


def test_the_command_shows_old_and_new_and_stores_only_with_apply(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(bench, 2)
    right = contents(bench)
    as_priced_before_fees(bench)
    wrong = contents(bench)
    monkeypatch.setenv("TITAN_HOME", str(bench.folder.root))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    shown = CliRunner().invoke(cli, ["savings", "--recompute"])
    assert (shown.exit_code, contents(bench)) == (0, wrong)
    assert "4 costs would change. Nothing was stored; add --apply" in shown.stderr
    assert "total" in shown.stdout
    stored = CliRunner().invoke(cli, ["savings", "--recompute", "--apply"])
    assert (stored.exit_code, contents(bench)) == (0, right)
    assert "stored 4 new costs" in stored.stderr
    again = CliRunner().invoke(cli, ["savings", "--recompute", "--json"])
    assert (again.exit_code, again.stdout) == (0, "")
    assert CliRunner().invoke(cli, ["savings", "--apply"]).exit_code == 2


def test_the_cost_log_has_the_new_costs_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(bench, 2)
    row = "[[prices.claude-sonnet-5-5]]\nfrom = 2026-01-01\ninput = 50\noutput = 50\n"
    (bench.folder.root / "titan.toml").write_text(row, "utf-8")
    monkeypatch.setenv("TITAN_HOME", str(bench.folder.root))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    done = CliRunner().invoke(cli, ["savings", "--recompute", "--apply"])
    assert "stored 4 new costs" in done.stderr
    assert cost_log.check(bench.engine.context.ledger, bench.folder.cost_mirror).is_same


def test_failed_requests_of_an_older_version_count_for_their_own_model(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TITAN_HOME", str(bench.folder.root))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    bench.faults.add("row:overloaded:p=1")
    own = [a_request(f"r-{n}", model="claude-opus-5") for n in range(2)]
    bench.engine.submit([*own, a_request("r-9")], SubmitOptions(tag="t"))
    bench.poll_after(3600)
    bench.poll_after(86_400)
    ledger = bench.engine.context.ledger
    right, before = by_model(bench), contents(bench)
    assert right == {"claude-opus-5": 2, "claude-sonnet-4-6": 1}
    # As version 2 stored them.
    with ledger.transaction("test"):
        for batch in batches(bench):
            totals.change(ledger, batch, [1, 2, 3], "-")
        ledger.execute("UPDATE requests SET model = NULL")
        for batch in batches(bench):
            totals.change(ledger, batch, [1, 2, 3], "+")
    assert by_model(bench) == {"claude-sonnet-4-6": 3}
    shown = CliRunner().invoke(cli, ["savings", "--recompute"])
    assert "The model of 2 errored or queued requests" in shown.stderr
    assert by_model(bench)["claude-sonnet-4-6"] == 3
    stored = CliRunner().invoke(cli, ["savings", "--recompute", "--apply"])
    assert "was corrected." in stored.stderr
    assert (by_model(bench), contents(bench)) == (right, before)
    again = CliRunner().invoke(cli, ["savings", "--recompute", "--apply"])
    assert "older version" not in again.stderr


def by_model(bench: Bench) -> dict[str, int]:
    rows = spending.spending(
        bench.engine.context.ledger, "model", since_ts="2026-01-01T00:00:00.000Z"
    )
    return {row.name: row.attempts for row in rows}
