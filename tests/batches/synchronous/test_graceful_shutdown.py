"""A run that is told to stop, or that dies: what is paid for is kept, or said to be lost."""

import _thread
import json
import signal
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from threading import BoundedSemaphore, Lock

import httpx2
import pytest
from support.builders import BASE_URL, KEY, START, Bench, some_requests
from support.ledgers.broken_ledger import corrupt, heal, poll
from support.lifecycle import poll_until_done, requests

import titan_batch
from core.api.client import AnthropicApi
from core.batches.synchronous.graceful_shutdown import stop_on_signal
from core.batches.synchronous.parallel_calls import MOST_UNWRITTEN, ParallelCalls
from core.batches.synchronous.sync_run import run_queued
from core.clock import ManualClock, SystemClock
from core.errors import ApiError, RateLimited
from state.batches import sync_runs
from state.db.reader import Reader
from state.files import fallback_file
from state.files.folder import Folder
from state.model.errors import FileMissing
from state.model.records import RequestStatus
from state.queries import event_list
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.http.transport import client


class WatchedApi(AnthropicApi):
    """The real client over the sandbox; reports each synchronous call before it is made."""

    def __init__(self, bench: Bench, told: Callable[[int], None]) -> None:
        super().__init__(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
        self.asked = 0
        self._told = told
        self._lock = Lock()

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        with self._lock:
            self.asked += 1
            self._told(self.asked)
        return super().run_one(params, betas=betas)


class FullApi(AnthropicApi):
    """Has room for so many calls at once, and turns the others away."""

    def __init__(self, room: int, error: ApiError) -> None:
        super().__init__(api_key=KEY, base_url=BASE_URL, http_client=httpx2.Client())
        self.asked = 0
        self.told: Callable[[int], None] = lambda _asked: None
        self._room = BoundedSemaphore(room) if room else None
        self._error = error
        self._lock = Lock()

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        del params, betas
        with self._lock:
            self.asked += 1
            self.told(self.asked)
        if self._room is None or not self._room.acquire(blocking=False):
            raise self._error
        try:
            # So that others come meanwhile.
            SystemClock().sleep(0.002)
        finally:
            self._room.release()
        return b'{"model":"m","usage":{"input_tokens":3,"output_tokens":1}}'


class SickApi(FullApi):
    """Turns away these requests, and no others."""

    def __init__(self, sick: set[str]) -> None:
        super().__init__(1000, RateLimited("no quota", status=429))
        self._sick = sick

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        if params["name"] in self._sick:
            with self._lock:
                self.asked += 1
            raise self._error
        return super().run_one(params, betas=betas)


def named(count: int) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        yield str(number), json.dumps({"params": {"name": str(number)}}).encode()


def some(count: int) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        yield str(number), json.dumps({"params": {}}).encode()


@pytest.fixture(autouse=True)
def usual_signals() -> Generator[None, None, None]:
    """Whoever runs these tests in the background has Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _told_to_stop(said: list[str], times: int) -> None:
    with stop_on_signal(lambda: said.append("stop")):
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        said.append("brought to its end")


def test_the_first_signal_stops_in_order_and_takes_effect_at_the_end() -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _told_to_stop(said, 1)
    assert said == ["stop", "brought to its end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_signal_takes_effect_at_once() -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _told_to_stop(said, 2)
    assert said == ["stop"]


def test_whoever_has_a_handler_of_their_own_keeps_it() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        with stop_on_signal(lambda: came.append(0)):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert came == [signal.SIGINT]


def test_a_stopped_run_keeps_paid_results(bench: Bench) -> None:
    bench.faults.add("create:429:retry=60:times=1")
    submission = bench.submit(300).submission
    api = WatchedApi(bench, lambda asked: _thread.interrupt_main() if asked == 20 else None)
    engine = bench.new_engine("job", api=lambda: api)
    sync_runs.withdraw_queued(engine.context.ledger, submission, "now")
    with pytest.raises(KeyboardInterrupt):
        run_queued(engine.context, submission, "now")
    assert 20 <= api.asked < 300
    assert requests(bench) == {
        RequestStatus.SUCCEEDED: api.asked,
        RequestStatus.QUEUED: 300 - api.asked,
    }
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 300}
    assert len(bench.sandbox.billing_log().messages) == api.asked
    assert _said_to_be_paid_twice(bench) == []


def test_possible_charges_of_a_dead_process_are_reported(bench: Bench) -> None:
    bench.faults.add("create:429:times=1")
    submission = bench.submit(100).submission
    ledger = bench.engine.context.ledger
    assert sync_runs.begin(ledger, submission, runner="dead", max_bytes=1000) is not None
    said = f"up to {MOST_UNWRITTEN} calls may be charged"
    assert any(said in trouble for trouble in bench.engine.poll().problems)
    assert _said_to_be_paid_twice(bench) == [MOST_UNWRITTEN]
    assert not any(said in trouble for trouble in bench.engine.poll().problems)


def _said_to_be_paid_twice(bench: Bench) -> list[int]:
    return [
        event.detail["requests"]  # pyright: ignore[reportReturnType]
        for event in event_list.events(bench.engine.context.ledger, limit=1000)
        if event.kind.endswith("possible_duplicate_charge")
    ]


def test_a_run_asks_as_many_at_once_as_there_is_room_for() -> None:
    api = FullApi(7, RateLimited("too many at once", status=429))
    run = ParallelCalls(api, ManualClock(START), betas=())
    lines = [line for some_lines in run.results(some(400)) for line in some_lines]
    assert run.problem is None
    assert len({json.loads(line)["custom_id"] for line in lines}) == len(lines) == 400


def test_a_run_without_any_capacity_ends_after_few_calls() -> None:
    api = FullApi(0, RateLimited("later", status=429))
    run = ParallelCalls(api, ManualClock(START), betas=())
    assert list(run.results(some(400))) == []
    assert str(run.problem) == "later"
    assert api.asked <= MOST_UNWRITTEN + 16


@pytest.mark.parametrize("retry_after_s", [None, 8.0, 60.0])
@pytest.mark.parametrize("status", [429, 529])
def test_what_a_busy_api_never_runs_waits_or_is_its_error(
    status: int, retry_after_s: float | None
) -> None:
    error = (RateLimited if status == 429 else ApiError)(
        "busy", status=status, retry_after_s=retry_after_s
    )
    api, clock = FullApi(0, error), ManualClock(START)
    run = ParallelCalls(api, clock, betas=())
    come: list[bytes] = []
    _keep(run.results(some(3)), come)
    errors = [json.loads(line)["result"]["error"]["error"]["type"] for line in come]
    assert errors == ([] if status == 429 else ["overloaded_error"] * 3)
    assert run.problem is error
    # All wait at once, not one after the other.
    assert clock.monotonic() < 60


@pytest.mark.parametrize("sick", [range(65), range(0, 300, 2), range(235, 300)])
def test_what_there_is_room_for_is_answered_whatever_there_is_none_for(sick: range) -> None:
    api = SickApi({str(number) for number in sick})
    come: list[bytes] = []
    run = ParallelCalls(api, ManualClock(START), betas=())
    _keep(run.results(named(300)), come)
    well = {str(number) for number in range(300) if number not in sick}
    found = {json.loads(line)["custom_id"] for line in come}
    assert found == well
    assert str(run.problem) == "no quota"
    assert api.asked < 300 * 30


def _keep(answers: Iterator[list[bytes]], kept: list[bytes]) -> None:
    for lines in answers:
        kept += lines


def test_what_is_under_way_is_kept_when_the_next_request_cannot_be_read() -> None:
    api = FullApi(MOST_UNWRITTEN, ApiError("-"))

    def cut_short() -> Iterator[tuple[str, bytes]]:
        yield from some(20)
        # A call that has not begun when the failure is known is not made.
        while api.asked < 20:
            SystemClock().sleep(0.001)
        raise FileMissing("the spool is gone")

    come: list[bytes] = []
    with pytest.raises(FileMissing, match="the spool is gone"):
        _keep(ParallelCalls(api, ManualClock(START), betas=()).results(cut_short()), come)
    assert len(come) == api.asked == 20


def test_running_calls_are_kept_after_an_unexpected_failure() -> None:
    api = FullApi(MOST_UNWRITTEN, ApiError("-"))

    def told(asked: int) -> None:
        if asked == 5:
            raise ZeroDivisionError

    api.told = told
    come: list[bytes] = []
    with pytest.raises(ZeroDivisionError):
        _keep(ParallelCalls(api, ManualClock(START), betas=()).results(some(400)), come)
    assert 4 <= len(come) == api.asked - 1


def test_a_stopped_run_repeats_no_call() -> None:
    api = FullApi(0, ApiError("overloaded", status=529, retry_after_s=8.0))
    run = ParallelCalls(api, ManualClock(START), betas=())
    api.told = lambda asked: run.stop() if asked == MOST_UNWRITTEN // 2 else None
    assert list(run.results(some(400))) == []
    assert api.asked <= MOST_UNWRITTEN


def test_an_import_reports_what_a_dead_process_may_have_paid_for(
    home: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    corrupt(home)
    key = titan_batch.submit(some_requests(3), tag="t", on_failure="sync")
    (file,) = fallback_file.pending(Folder(home))
    answered = file.path.read_bytes()
    assert file.interrupted_runs() == 0
    # What a kill leaves: one answer, and no word that this was all.
    file.path.write_bytes(answered[: answered.index(b"\n", answered.index(b'"result"')) + 1])
    assert file.interrupted_runs() == 1
    titan_batch.submit(some_requests(3), tag="t", on_failure="sync")
    assert "up to 3 calls may be charged" in caplog.text
    assert len(sandbox.billing_log().messages) == 5
    assert file.interrupted_runs() == 1
    heal(home)
    (trouble,) = poll().problems
    assert trouble.startswith(f"{key}: ")
    with Reader(home / "titan.db") as reader:
        (event,) = [
            e for e in event_list.events(reader) if e.kind.endswith("possible_duplicate_charge")
        ]
    assert (event.kind, event.subject) == ("submission.possible_duplicate_charge", key)
    assert event.detail["requests"] == 3
    assert "up to 3 calls may be charged" in trouble
    assert poll().problems == []


def test_an_answer_in_a_fallback_file_that_lacks_only_its_newline_counts(
    home: Path, sandbox: Sandbox
) -> None:
    corrupt(home)
    titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    (file,) = fallback_file.pending(Folder(home))
    lines = file.path.read_bytes().splitlines()
    file.path.write_bytes(b"\n".join(lines[:-1]))
    titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    assert len(sandbox.billing_log().messages) == 2
    heal(home)
    assert poll().results == 2
