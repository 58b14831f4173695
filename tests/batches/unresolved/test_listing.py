"""The API's list when it is odd: what it cannot prove is not taken for proved."""

import json

import httpx2
import pytest
from msgspec.structs import replace
from support.api.api_wrapper import ApiWrapper
from support.builders import BASE_URL, KEY, Bench
from support.lifecycle import (
    batches,
    check_billing,
    check_once,
    poll_until_done,
    requests,
    statuses,
)

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi, Page
from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.model.records import CollectionStatus, RequestStatus
from state.queries import batch_list
from titan_console.sandbox.http.transport import client

DEFAULT = "default"


class _OddList(ApiWrapper):
    """The real client with an odd list, of this `kind`."""

    def __init__(self, api: BatchApi, kind: str) -> None:
        super().__init__(api)
        self.kind = kind

    def list_page(self, *, after_id: str | None = None, limit: int = 1000) -> Page:
        page = self.api.list_page(after_id=after_id, limit=limit)
        if limit == 1 or not self.kind:
            return page
        if self.kind == "empty with more":
            return replace(page, batches=(), has_more=True, last_id=None)
        return replace(page, batches=tuple(reversed(page.batches)))


@pytest.mark.parametrize("kind", ["empty with more", "oldest first"])
def test_a_list_that_contradicts_itself_proves_nothing(bench: Bench, kind: str) -> None:
    """Faults 32 and 33."""
    for number in range(2):
        bench.sandbox.add_foreign([f"old-{number}", "x", "y", "z"])
        bench.clock.advance(60)
    bench.faults.add("create:500:times=1")
    odd = _OddList(bench.api(), kind)
    bench.engine = bench.new_engine("odd", api=lambda: odd)
    bench.submit(3)
    for _ in range(6):
        bench.poll_after(900)
    assert statuses(bench) == ["unconfirmed"]
    odd.kind = ""
    poll_until_done(bench)
    check_once(bench, 3)


class _SpoiledList(httpx2.BaseTransport):
    """Adds an object to the beginning of each list; a gateway or a change of the API would."""

    def __init__(self, bench: Bench) -> None:
        self.api = client(bench.sandbox)
        self.added: object = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.api.send(request, stream=True)
        if request.method != "GET" or not request.url.path.endswith("/batches"):
            return answer
        page = json.loads(answer.read())
        page["data"] = [*([self.added] if self.added else []), *page["data"]]
        return httpx2.Response(200, json=page, headers={"request-id": "r"})


@pytest.fixture
def spoiled(bench: Bench) -> _SpoiledList:
    return spoil(bench)


def spoil(bench: Bench) -> _SpoiledList:
    """From now on the bench's list is spoiled on demand."""
    made = _SpoiledList(bench)
    bench.engine = bench.new_engine(
        api=lambda: AnthropicApi(
            api_key=KEY, base_url=BASE_URL, http_client=httpx2.Client(transport=made)
        )
    )
    return made


ODD_OBJECTS = [
    3,
    {"id": "msgbatch_odd"},
    {"id": "\x1b[2J"},
    {"id": "msgbatch_odd", "request_counts": {"succeeded": -1}},
]


@pytest.mark.parametrize("odd", ODD_OBJECTS)
def test_a_malformed_object_in_the_list_spoils_no_other(
    bench: Bench, spoiled: _SpoiledList, odd: object
) -> None:
    spoiled.added = odd
    bench.submit(3)
    polled = bench.poll_after(3600)
    (problem,) = polled.problems
    assert "1 entry that cannot be read" in problem
    assert "\x1b" not in problem
    assert ("msgbatch_odd" in problem) == ("msgbatch_odd" in str(odd))
    assert (polled.ended, polled.collected) == (1, 1)
    check_once(bench, 3)


def test_a_list_with_a_malformed_object_proves_no_absence(
    bench: Bench, spoiled: _SpoiledList
) -> None:
    spoiled.added = {"id": "msgbatch_odd"}
    bench.faults.add("create:500:times=1")
    bench.submit(2, tag="unconfirmed")
    bench.submit(2, tag="vanishes")
    bench.sandbox.vanish(batches(bench)[1].remote_id or "")
    for _ in range(12):
        bench.poll_after(900)
    assert statuses(bench) == ["unconfirmed", "in_progress"]
    assert [batch.stuck_ts for batch in batches(bench)] == [None, None]
    spoiled.added = None
    for _ in range(8):
        bench.poll_after(900)
    assert batches(bench)[0].status == "not_sent"
    assert batches(bench)[1].collection == CollectionStatus.DELETED


def test_a_deleted_watermark_is_replaced_by_its_time(bench: Bench) -> None:
    """Fault 27."""
    watermark = bench.sandbox.add_foreign(["theirs"])
    bench.clock.advance(120)
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    assert batches(bench)[0].watermark_id == watermark
    bench.sandbox._provider.delete(DEFAULT, watermark, bench.sandbox._time.now())
    poll_until_done(bench)
    check_once(bench, 3)


def test_an_empty_workspace_has_no_watermark_and_is_searched_whole(bench: Bench) -> None:
    """Fault 28."""
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    assert batches(bench)[0].watermark_id == ""
    poll_until_done(bench)
    check_once(bench, 3)
    assert bench.sandbox.billing_log().creates == 1


def test_a_candidate_deleted_at_the_api_is_unresolved(bench: Bench) -> None:
    """Fault 31: its owner cannot be determined any more, so it is not sent again at once."""
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    bench.engine.poll()
    (candidate,) = orphans.with_verdict(bench.engine.context.ledger, OrphanVerdict.CANDIDATE)
    bench.clock.advance(120)
    now = bench.sandbox._time.now()
    bench.sandbox._provider.delete(DEFAULT, candidate.remote_id, now)
    for _ in range(10):
        bench.poll_after(900)
    assert statuses(bench) == ["unconfirmed"]
    poll_until_done(bench, polls=60)
    (gone,) = orphans.with_verdict(bench.engine.context.ledger, OrphanVerdict.UNRESOLVED)
    assert gone.remote_id == candidate.remote_id
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    assert warned_of(bench) == 3


def test_a_candidate_that_had_vanished_is_collected_when_it_returns(bench: Bench) -> None:
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    bench.engine.poll()
    ledger = bench.engine.context.ledger
    (candidate,) = orphans.with_verdict(ledger, OrphanVerdict.CANDIDATE)
    bench.sandbox.vanish(candidate.remote_id, seconds=12 * 3600)
    orphans.record_failure(ledger, candidate, -19)
    bench.poll_after(900)
    (gone,) = orphans.with_verdict(ledger, OrphanVerdict.UNRESOLVED)
    assert gone.remote_id == candidate.remote_id
    bench.poll_after(12 * 3600)
    poll_until_done(bench)
    assert candidate.remote_id in [batch.remote_id for batch in batches(bench)]
    check_billing(bench)


def test_one_that_had_vanished_and_is_unreadable_once_is_collected_all_the_same(
    bench: Bench,
) -> None:
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    bench.engine.poll()
    ledger = bench.engine.context.ledger
    (candidate,) = orphans.with_verdict(ledger, OrphanVerdict.CANDIDATE)
    orphans.record_failure(ledger, candidate, -19)
    bench.faults.add("results:truncated:times=1")
    poll_until_done(bench)
    (batch,) = batches(bench)
    assert batch.remote_id == candidate.remote_id
    check_billing(bench)


def test_a_candidate_that_never_ends_is_unresolved_after_its_expiry(bench: Bench) -> None:
    """Only its results name its owner, so the create is not waited for without end."""
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    bench.engine.poll()
    (candidate,) = orphans.with_verdict(bench.engine.context.ledger, OrphanVerdict.CANDIDATE)
    bench.sandbox.make_endless(candidate.remote_id)
    bench.poll_after(24 * 3600)
    assert statuses(bench) == ["unconfirmed"]
    poll_until_done(bench, polls=60)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    assert warned_of(bench) == 3
    bench.sandbox.end(candidate.remote_id)
    for _ in range(4):
        bench.poll_after(900)
    (late,) = [batch for batch in batches(bench) if batch.duplicate_of]
    assert late.remote_id == candidate.remote_id
    assert late.duplicate_nano == late.cost_nano


def warned_of(bench: Bench) -> int:
    """How many requests are recorded as possibly charged twice."""
    return sum(
        int(row[0])
        for row in bench.engine.context.ledger.rows(
            "SELECT json_extract(detail, '$.requests') FROM events"
            " WHERE kind = 'batch.possible_duplicate_charge'"
        )
    )


def test_a_batch_that_answers_404_is_polled_again_and_never_resent(bench: Bench) -> None:
    """Fault 36."""
    bench.faults.add("list:lag:seconds=999999")
    bench.faults.add("retrieve:404")
    bench.submit(2)
    for _ in range(4):
        bench.poll_after(900)
    (batch,) = batch_list.open_batches(bench.engine.context.ledger)
    assert batch.failures > 1
    assert "404" in (batch.last_error or "")
    bench.faults.clear()
    poll_until_done(bench)
    check_once(bench, 2)
    assert bench.sandbox.billing_log().creates == 1


def test_a_ledger_restored_from_a_backup_finds_what_happened_since(bench: Bench) -> None:
    """Fault 64: what was collected is collected again, to the same sums; what was sent is known."""
    bench.submit(3, tag="one")
    poll_until_done(bench)
    bench.submit(2, tag="two")
    connection = bench.engine.context.ledger.connection
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = bench.folder.ledger.read_bytes()
    poll_until_done(bench)
    bench.close()
    for path in bench.folder.root.glob("titan.db*"):
        path.unlink()
    bench.folder.ledger.write_bytes(copy)
    bench.engine = bench.new_engine("restored")
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 5}
    assert bench.sandbox.billing_log().creates == 2
    check_billing(bench)


def test_a_sum_of_a_million_answers_is_exact_to_the_nano_dollar(bench: Bench) -> None:
    """Fault 65."""
    row = bench.engine.context.ledger.rows(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
        " SELECT sum(i * 7 + 1), typeof(sum(i * 7 + 1)) FROM n"
    )[0]
    assert tuple(row) == (7 * 1_000_000 * 1_000_001 // 2 + 1_000_000, "integer")
    kinds = bench.engine.context.ledger.rows("PRAGMA table_info(attempts)")
    money = {row["name"]: row["type"] for row in kinds if row["name"].endswith("_nano")}
    assert set(money.values()) == {"INTEGER"}
