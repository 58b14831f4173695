"""Several lanes in one ledger: each batch is sent, found, collected and held on its own lane."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace
from support.builders import BASE_URL, KEY, START, Bench, some_requests
from support.error_codes import code_is
from support.lifecycle import poll_until_done

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi
from core.batches.adopt import adopt
from core.batches.engine_context import LaneAccess
from core.batches.holds import ACCOUNT_HOLD, QUEUE_HOLD
from core.batches.recompute import recompute
from core.commands import planner
from core.commands.command_request import CommandRequest
from core.commands.preview import Preview
from core.config.titan_tables import parse
from core.engine import Engine
from core.errors import InputError, LaneError, PayloadError, SettingsError
from core.intake.options import SubmitOptions
from core.intake.submission_plan import make_plan
from core.money.explain import explain
from core.money.pricing import PriceBook
from core.requests.payload import Limits
from state.batches import leases, orphans
from state.batches.orphans import OrphanVerdict
from state.model.errors import AlreadySubmitted
from state.model.records import Batch, BatchStatus
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import batch_list, spending
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.transport import client
from titan_console.sandbox.model.timing import Plan

HOUR = timedelta(hours=1)
TOML = "[lanes.aws]\nkind = 'aws'\nregion = 'us-east-1'\nworkspace = 'w'\n"


class Lanes:
    """A bench whose second lane is another sandbox, or the very same."""

    def __init__(self, bench: Bench, *, same: bool = False) -> None:
        self.bench = bench
        self.faults = bench.faults if same else Faults()
        self.other = (
            bench.sandbox
            if same
            else Sandbox(bench.clock, seed=7, plan=Plan.seconds(60, 60), faults=self.faults)
        )
        bench.folder.root.mkdir(exist_ok=True)
        self.write(TOML)
        self.use(aws=self.api)

    def write(self, text: str) -> None:
        (self.bench.folder.root / "titan.toml").write_text(text)

    def api(self) -> BatchApi:
        return AnthropicApi(api_key=KEY, base_url=BASE_URL, http_client=client(self.other))

    def use(self, **apis: Callable[[], BatchApi]) -> None:
        """Another process, with these lanes in its titan.toml."""
        engine = self.bench.new_engine()
        lanes = {
            name: LaneAccess(api=api, limits=Limits(), server=f"{name}.test")
            for name, api in apis.items()
        }
        self.bench.engine = Engine(replace(engine.context, lanes=lanes))

    def submit(self, tag: str, count: int = 3, lane: str | None = "aws") -> str | None:
        options = SubmitOptions(tag=tag, lane=lane)
        return self.bench.engine.submit(some_requests(count), options).problem

    @property
    def batches(self) -> list[Batch]:
        return batch_list.open_batches(self.bench.engine.context.ledger)


@pytest.fixture
def lanes(bench: Bench) -> Lanes:
    return Lanes(bench)


def statuses_of(bench: Bench, tag: str) -> dict[str, int]:
    rows = bench.engine.context.ledger.rows(
        "SELECT status, count(*) FROM requests WHERE tag = ? GROUP BY 1", tag
    )
    return {row[0]: row[1] for row in rows}


def billed(*sandboxes: Sandbox) -> int:
    return sum(len(list(one.billing_log().billed())) for one in sandboxes)


def sent(sandbox: Sandbox) -> int:
    return sandbox.billing_log().creates


def test_two_lanes_are_sent_and_collected_apart(lanes: Lanes) -> None:
    assert lanes.submit("a") is None
    assert lanes.submit("b", 2, lane=None) is None
    assert (sent(lanes.other), sent(lanes.bench.sandbox)) == (1, 1)
    assert [(batch.tag, batch.lane) for batch in lanes.batches] == [
        ("a", "aws"),
        ("b", "anthropic"),
    ]
    servers = lanes.bench.engine.context.ledger.rows("SELECT server FROM batches ORDER BY id")
    assert [row[0] for row in servers] == ["aws.test", None]
    poll_until_done(lanes.bench)
    for tag, sandbox, count in (("a", lanes.other, 3), ("b", lanes.bench.sandbox, 2)):
        assert statuses_of(lanes.bench, tag) == {"succeeded": count}
        assert billed(sandbox) == count


def test_the_job_selects_the_lane_and_the_call_before_it(lanes: Lanes) -> None:
    job = '[workloads.t]\n[jobs.feed-classify]\nworkload = "t"\nschedule = "daily"\nlane = "aws"\n'
    lanes.write(TOML + job)
    lanes.submit("a", lane=None)
    lanes.submit("b", lane="anthropic")
    assert [batch.lane for batch in lanes.batches] == ["aws", "anthropic"]


@pytest.mark.parametrize("name", ["", "aws2"])
def test_a_name_that_is_no_lane_is_refused_and_never_the_default_one(
    lanes: Lanes, name: str
) -> None:
    with pytest.raises(PayloadError, match=r"titan\.toml has anthropic, aws"):
        lanes.submit("a", lane=name)
    with pytest.raises(PayloadError, match=r"titan\.toml has anthropic, aws"):
        lanes.bench.engine.adopt("msgbatch_1", lane=name)
    assert lanes.batches == []


@pytest.mark.parametrize("same", [False, True], ids=["two APIs", "one API"])
@pytest.mark.parametrize("fault", ["create:drop", "create:drop-before"])
@pytest.mark.parametrize("lost", ["aws", "anthropic"])
def test_an_unconfirmed_create_is_looked_for_on_its_lane_alone(
    bench: Bench, fault: str, lost: str, same: bool
) -> None:
    """The other lane's list, which is complete and lacks it, proves nothing."""
    lanes = Lanes(bench, same=same)
    lanes.submit("b", 2, lane="anthropic" if lost == "aws" else "aws")
    faults = lanes.faults if lost == "aws" else bench.faults
    faults.add(fault)
    lanes.submit("a", 3, lane=lost)
    faults.clear()
    assert [batch.status for batch in lanes.batches if batch.tag == "a"] == [
        BatchStatus.UNCONFIRMED
    ]
    poll_until_done(bench)
    assert (statuses_of(bench, "a"), statuses_of(bench, "b")) == (
        {"succeeded": 3},
        {"succeeded": 2},
    )
    assert billed(*{lanes.other, bench.sandbox}) == 5
    ledger = bench.engine.context.ledger
    for verdict in (OrphanVerdict.UNKNOWN, OrphanVerdict.CANDIDATE):
        assert orphans.with_verdict(ledger, verdict) == []


def test_while_its_lane_cannot_be_listed_an_unconfirmed_create_waits(lanes: Lanes) -> None:
    lanes.submit("b", 3, lane=None)
    lanes.faults.add("create:drop")
    lanes.submit("a", 3)
    lanes.faults.clear()
    lanes.faults.add("list:503")
    summary = [lanes.bench.poll_after(3600) for _ in range(6)][-1]
    assert any(problem.startswith("Lane aws: ") for problem in summary.problems)
    assert statuses_of(lanes.bench, "b") == {"succeeded": 3}
    assert [batch.status for batch in lanes.batches] == [BatchStatus.UNCONFIRMED]
    assert sent(lanes.other) == 1
    lanes.faults.clear()
    poll_until_done(lanes.bench)
    assert statuses_of(lanes.bench, "a") == {"succeeded": 3}
    assert sent(lanes.other) == 1


def test_a_removed_lane_is_one_line_and_nothing_is_sent_elsewhere(lanes: Lanes) -> None:
    lanes.submit("a")
    lanes.faults.add("create:429")
    lanes.submit("c")
    lanes.submit("b", lane=None)
    lanes.write("")
    lanes.use()
    for _ in range(3):
        summary = lanes.bench.poll_after(900)
        (line,) = (one for one in summary.problems if "[lanes.aws]" in one)
        assert line.startswith("Lane aws: it is not in titan.toml")
        assert summary.error == line
    assert statuses_of(lanes.bench, "b") == {"succeeded": 3}
    assert sent(lanes.bench.sandbox) == 1
    with pytest.raises(PayloadError, check=code_is("unknown_lane")):
        lanes.submit("d")
    lanes.write(TOML)
    lanes.faults.clear()
    lanes.use(aws=lanes.api)
    poll_until_done(lanes.bench)
    assert statuses_of(lanes.bench, "a") == statuses_of(lanes.bench, "c") == {"succeeded": 3}
    assert billed(lanes.other) == 6


@pytest.mark.parametrize(("fault", "hold"), [("429", QUEUE_HOLD), ("credit", ACCOUNT_HOLD)])
def test_a_hold_of_one_lane_stops_no_other(lanes: Lanes, fault: str, hold: str) -> None:
    lanes.faults.add(f"create:{fault}")
    lanes.submit("a")
    ledger = lanes.bench.engine.context.ledger
    held = [name for name in ("create", hold) if leases.active_hold(ledger, name, "aws")]
    assert held
    assert not any(leases.active_hold(ledger, name) for name in ("create", hold))
    assert lanes.submit("b", lane=None) is None
    assert (sent(lanes.bench.sandbox), lanes.batches[-1].lane) == (1, "anthropic")


def test_credentials_of_one_lane_that_fail_stop_no_other(lanes: Lanes) -> None:
    lanes.submit("a")
    lanes.submit("b", lane=None)
    missing = SettingsError("AWS has no credentials.", code="api_key_missing")

    def refuse() -> BatchApi:
        raise missing

    lanes.use(aws=refuse)
    summary = lanes.bench.poll_after(900)
    assert summary.problems[0] == "Lane aws: AWS has no credentials."
    assert summary.error == "Lane aws: AWS has no credentials."
    assert statuses_of(lanes.bench, "b") == {"succeeded": 3}
    lanes.use(aws=lanes.api)
    poll_until_done(lanes.bench)
    assert statuses_of(lanes.bench, "a") == {"succeeded": 3}


def test_the_default_lane_without_a_key_stops_no_other(lanes: Lanes) -> None:
    lanes.submit("a")
    lanes.submit("b", lane=None)
    engine = lanes.bench.engine

    def refuse() -> BatchApi:
        raise SettingsError("No API key.", code="api_key_missing")

    lanes.bench.engine = Engine(replace(engine.context, api=refuse))
    with pytest.raises(SettingsError, match="No API key"):
        lanes.bench.poll_after(900)
    assert statuses_of(lanes.bench, "a") == {"succeeded": 3}


def test_a_batch_of_another_program_is_an_orphan_of_its_lane(lanes: Lanes) -> None:
    lanes.submit("a")
    theirs = lanes.other.add_foreign(["x", "y"])
    lanes.bench.poll_after(900)
    ledger = lanes.bench.engine.context.ledger
    (found,) = orphans.with_verdict(ledger, OrphanVerdict.UNKNOWN)
    assert (found.remote_id, found.lane) == (theirs, "aws")
    with pytest.raises(InputError, check=code_is("batch_not_found")):
        adopt(lanes.bench.engine.context, theirs)
    lanes.bench.clock.advance(900)
    adopted = adopt(lanes.bench.engine.context, theirs, lane="aws").batch
    assert (adopted.lane, adopted.status) == ("aws", BatchStatus.ENDED)


def test_a_batch_that_two_lanes_of_one_account_list_is_one_orphan(bench: Bench) -> None:
    lanes = Lanes(bench, same=True)
    lanes.submit("a")
    lanes.submit("b", lane=None)
    theirs = lanes.other.add_foreign(["x", "y"])
    bench.poll_after(900)
    ledger = bench.engine.context.ledger
    (found,) = orphans.with_verdict(ledger, OrphanVerdict.UNKNOWN)
    assert (found.remote_id, found.lane) == (theirs, "anthropic")
    assert len(orphans.with_verdict(ledger, OrphanVerdict.UNKNOWN, "aws")) == 1
    assert len(ledger.rows("SELECT 1 FROM events WHERE kind = 'orphan.found'")) == 1
    ledger.execute("UPDATE orphans SET verdict = 'foreign' WHERE lane = 'aws'")
    assert orphans.with_verdict(ledger, OrphanVerdict.UNKNOWN) == []
    (known,) = orphans.with_verdict(ledger, OrphanVerdict.FOREIGN)
    assert known.lane == "aws"
    assert [orphans.count(ledger, verdict) for verdict in OrphanVerdict] == [0, 0, 0, 1, 0]
    adopt(bench.engine.context, theirs, lane="aws")
    assert {row[0] for row in ledger.rows("SELECT verdict FROM orphans")} == {"own"}


def test_a_message_about_known_requests_names_their_lane(lanes: Lanes) -> None:
    lanes.submit("a")
    engine = lanes.bench.engine
    again = engine.submit(some_requests(3), SubmitOptions(tag="a", lane="anthropic"))
    assert again.repeated
    assert again.warnings == (
        "the requests of this call are on lane aws already; lane anthropic was not used.",
    )
    key = again.submission.key
    with pytest.raises(AlreadySubmitted, match=f"{key} of lane aws"):
        lanes.submit("a", 4)
    changed = [{**request, "max_tokens": 7} for request in some_requests(3)]
    with pytest.raises(AlreadySubmitted, match=f"{key} of lane aws"):
        engine.submit(changed, SubmitOptions(tag="a", lane="aws"))
    lanes.submit("b", lane=None)
    with pytest.raises(AlreadySubmitted, match=r"tb_\w{10}\. Leave"):
        lanes.submit("b", 4)


def test_adopt_names_the_lane(lanes: Lanes) -> None:
    theirs = lanes.other.add_foreign([f"t-2026-11-22-{n:05}" for n in range(2)])
    lanes.bench.clock.advance(900)
    engine = lanes.bench.engine
    with pytest.raises(InputError, match="at the API of lane aws"):
        engine.adopt("msgbatch_none", lane="aws")
    key = engine.adopt(theirs, lane="aws", tag="old").batch.key
    with pytest.raises(InputError, match=f"as batch {key} of lane aws"):
        engine.adopt(theirs)


def test_another_server_of_a_lane_is_refused_for_that_lane_alone(lanes: Lanes) -> None:
    lanes.submit("a")
    lanes.submit("b", lane=None)
    context = lanes.bench.engine.context
    moved = replace(context.lanes["aws"], server="eu.test")
    lanes.bench.engine = Engine(replace(context, lanes={"aws": moved}))
    summary = lanes.bench.poll_after(900)
    (line,) = (one for one in summary.problems if "eu.test" in one)
    assert "unfinished batches are at aws.test. Set what names the server in [lanes.aws]" in line
    assert statuses_of(lanes.bench, "b") == {"succeeded": 3}
    with pytest.raises(LaneError, check=code_is("other_server")):
        adopt(lanes.bench.engine.context, "msgbatch_1", lane="aws")


PRICES = "[[lanes.aws.prices.claude-sonnet-4-6]]\nfrom = 2026-01-01\ninput = 30\noutput = 150\n"


@pytest.fixture
def priced(lanes: Lanes) -> Lanes:
    """The lane costs ten times the list price."""
    rules = parse(TOML + PRICES)
    assert rules.problems == ()
    lanes.write(TOML + PRICES)
    context = replace(lanes.bench.engine.context, prices=PriceBook.of_rules(rules))
    lanes.bench.engine = Engine(context)
    return lanes


def test_a_lane_has_prices_of_its_own(priced: Lanes) -> None:
    """They are those of a recompute, and of the explanation of a cost, too."""
    priced.submit("a")
    priced.submit("b", lane=None)
    poll_until_done(priced.bench)
    context = priced.bench.engine.context
    ledger = context.ledger
    costs = {row[0]: row[1] for row in ledger.rows("SELECT tag, cost_nano FROM batches")}
    tokens = ledger.rows(
        "SELECT b.tag, sum(a.output_tokens) FROM attempts a"
        " JOIN batches b ON b.id = a.batch_id GROUP BY 1"
    )
    usage = {row[0]: row[1] for row in tokens}
    assert costs["a"] > usage["a"] * 75_000 > costs["b"] > usage["b"] * 7_500
    found = recompute(ledger, priced.bench.folder, context.prices)
    assert [one.changed for one in found] == [0, 0]
    attempts = spending.priced_attempts(ledger, str(some_requests(1)[0]["custom_id"]))
    assert [one.lane for one in attempts] == ["aws", "anthropic"]
    assert all(explain(attempt, context.prices).agrees for attempt in attempts)


def test_the_plan_and_the_preview_have_the_prices_of_the_lane(priced: Lanes) -> None:
    bench = priced.bench
    plans = [
        make_plan(bench.folder, some_requests(3), SubmitOptions(tag="p", lane=lane), now=START)
        for lane in ("anthropic", "aws")
    ]
    assert plans[1].estimate.sync_nano == 10 * plans[0].estimate.sync_nano > 0
    previews = list[Preview]()
    for lane, faults in (("anthropic", bench.faults), ("aws", priced.faults)):
        faults.add("create:429")
        priced.submit(lane, lane=lane)
        bench.engine.context.ledger.execute(
            "UPDATE requests SET at_most_batch_nano = NULL, at_most_sync_nano = NULL"
        )
        request = CommandRequest(action=Action.SYNC, wanted=Filter(names=(lane,)))
        previews.append(planner.plan(bench.engine.context, request).preview)
    costs = [preview.sync_cost_nano or 0 for preview in previews]
    assert costs[1] == 10 * costs[0] > 0
