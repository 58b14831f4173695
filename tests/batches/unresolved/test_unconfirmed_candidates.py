"""Which unknown batch may come from a create of ours, as tables; its nonce then identifies it."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.api.api_wrapper import ApiWrapper
from support.builders import START, a_bench

from core.batches.unresolved.listing import Listing
from core.batches.unresolved.unconfirmed_candidates import (
    is_absent,
    is_candidate,
    may_come_from,
)
from state.batches.orphans import Orphan, OrphanVerdict
from state.batches.sending import RemoteState
from state.model.records import Batch, BatchStatus, Counts
from state.model.timestamps import to_text
from state.queries import batch_list
from titan_console.sandbox.model.timing import Plan

_OTHER_LINE = b'{"custom_id":"someone-else","result":{"type":"expired"}}\n'
_DAY = 24 * 60


def at(minutes: float) -> str:
    """That many minutes after the send."""
    return to_text(START + timedelta(minutes=minutes))


def remote(minutes: float, requests: int = 5) -> RemoteState:
    """A batch that the API created so many minutes after the send."""
    return RemoteState(
        remote_id=f"msgbatch_{minutes}",
        status=BatchStatus.IN_PROGRESS,
        counts=Counts(processing=requests),
        created_ts=at(minutes),
        expires_ts=at(minutes + _DAY),
    )


WATERMARK = remote(-30)


def a_create(**fields: object) -> Batch:
    """A create of five requests, sent at START behind `WATERMARK`, without a response."""
    known = {
        "status": BatchStatus.UNCONFIRMED,
        "request_count": 5,
        "created_ts": at(-1),
        "sent_ts": at(0),
        "watermark_id": WATERMARK.remote_id,
        "watermark_ts": WATERMARK.created_ts,
        "next_poll_ts": at(30),
    }
    return Batch(**{**dict.fromkeys(Batch.__struct_fields__), **known, **fields})  # pyright: ignore[reportArgumentType]


def a_listing(*batches: RemoteState, began: float = 60, complete: bool = True) -> Listing:
    """A listing of these, newest first."""
    listing = Listing(began=START + timedelta(minutes=began), complete=complete)
    listing.add(tuple(sorted(batches, key=lambda batch: batch.created_ts, reverse=True)))
    return listing


OLD = {"status": BatchStatus.ENDED, "ended_ts": at(60)}
GONE = {"watermark_id": "msgbatch_deleted"}
EMPTY = {"watermark_id": "", "watermark_ts": None}


@pytest.mark.parametrize(
    ("found", "create", "now", "expected"),
    [
        pytest.param(remote(1), {}, 60, True, id="newer than the watermark, same size"),
        pytest.param(remote(1, requests=4), {}, 60, False, id="another size"),
        pytest.param(remote(-40), {}, 60, False, id="listed behind the watermark"),
        pytest.param(WATERMARK, {}, 60, False, id="the watermark itself"),
        pytest.param(remote(-35), GONE, 60, True, id="watermark deleted, within the tolerance"),
        pytest.param(remote(-45), GONE, 60, False, id="watermark deleted, created long before"),
        pytest.param(remote(-45), EMPTY, 60, True, id="sent into an empty workspace"),
        pytest.param(remote(9 * _DAY), {}, 9 * _DAY, True, id="an open create explains any later"),
        pytest.param(remote(1), OLD, 60, True, id="a duplicate of an ended create"),
        pytest.param(remote(_DAY), OLD, 9 * _DAY, True, id="appeared a day after an old create"),
        pytest.param(remote(3 * _DAY), OLD, 9 * _DAY, False, id="appeared long after an old one"),
        pytest.param(remote(3 * _DAY), OLD, _DAY, True, id="the API's clock is ahead of ours"),
    ],
)
def test_which_listed_batch_may_come_from_a_create(
    found: RemoteState, create: dict[str, object], now: float, *, expected: bool
) -> None:
    listing = a_listing(WATERMARK, found)
    moment = START + timedelta(minutes=now)
    assert is_candidate(found, a_create(**create), listing, moment) is expected


AHEAD = {"created_ts": at(4 * _DAY), "sent_ts": at(4 * _DAY)}


@pytest.mark.parametrize(
    ("lost", "create", "expected"),
    [
        pytest.param(remote(1), {}, True, id="created when it was sent"),
        pytest.param(remote(1, requests=4), {}, False, id="another size"),
        pytest.param(remote(3 * _DAY), {}, False, id="created days later"),
        pytest.param(remote(1), AHEAD, True, id="the local clock is days ahead"),
        pytest.param(remote(1), {**AHEAD, **EMPTY}, False, id="days before, without a watermark"),
    ],
)
def test_which_lost_batch_may_come_from_a_create(
    lost: RemoteState, create: dict[str, object], *, expected: bool
) -> None:
    assert may_come_from(_orphan(lost), a_create(**create)) is expected


@pytest.mark.parametrize(
    ("listed", "candidate", "expected"),
    [
        pytest.param({}, None, True, id="complete, begun after the recovery wait"),
        pytest.param({"complete": False}, None, False, id="incomplete"),
        pytest.param({"began": 30}, None, False, id="begun before the API had settled"),
        pytest.param({}, remote(1), False, id="a candidate of its size"),
        pytest.param({}, remote(1, requests=4), True, id="a candidate of another size"),
        pytest.param({}, remote(-40), True, id="a candidate behind the watermark"),
    ],
)
def test_when_a_listing_proves_that_a_create_made_no_batch(
    listed: dict[str, object], candidate: RemoteState | None, *, expected: bool
) -> None:
    shown = (WATERMARK, candidate) if candidate else (WATERMARK,)
    listing = a_listing(*shown, **listed)  # pyright: ignore[reportArgumentType]
    orphans = [_orphan(candidate)] if candidate else []
    assert is_absent(a_create(), listing, orphans) is expected


def test_a_candidate_that_is_not_listed_any_more_proves_nothing() -> None:
    assert not is_absent(a_create(), a_listing(WATERMARK), [_orphan(remote(-40))])


def test_a_create_without_a_recovery_wait_is_not_absent() -> None:
    assert not is_absent(replace(a_create(), next_poll_ts=None), a_listing(WATERMARK), [])


def _orphan(found: RemoteState) -> Orphan:
    return Orphan(
        remote_id=found.remote_id,
        verdict=OrphanVerdict.CANDIDATE,
        request_count=found.counts.total(),
        remote_created_ts=found.created_ts,
        seen_ts=found.created_ts,
        failures=0,
    )


class _OtherFirst(ApiWrapper):
    """A client whose results begin with a line of another batch."""

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        """Another batch's line, then what the API sends."""
        with self.api.results(remote_id) as pieces:
            yield iter([_OTHER_LINE, *pieces])


def test_a_line_of_another_batch_in_front_does_not_hide_ours(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        bench.faults.add("create:drop:times=1")
        bench.submit(4)
        api = _OtherFirst(bench.api())
        poller = bench.new_engine("poller", api=lambda: api)
        bench.clock.advance(60)
        poller.poll()
        (batch,) = batch_list.closed_batches(bench.engine.context.ledger, limit=9)
        assert (batch.identified_by, batch.counts.succeeded) == ("nonce", 4)
        assert bench.sandbox.billing_log().creates == 1
