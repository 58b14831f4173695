"""Many requests at once: no answer waits unwritten for a slower one, and none is asked in vain."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from threading import Event, Lock
from threading import enumerate as enumerate_threads

import httpx2
from support.builders import BASE_URL, KEY

from core.api.client import AnthropicApi
from core.batches.synchronous.parallel_calls import MOST_UNWRITTEN, ParallelCalls
from core.clock import SystemClock

MESSAGE = {
    "model": "claude-sonnet-4-6",
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
LONGEST_S = 30.0


class PatientApi(AnthropicApi):
    """Answers at once, but for one request, or for all but one, when it is told to."""

    def __init__(self, *, slow: str = "", quick: str = "") -> None:
        super().__init__(api_key=KEY, base_url=BASE_URL, http_client=httpx2.Client())
        self.may_end = Event()
        self.asked: list[str] = []
        self._slow = slow
        self._quick = quick
        self._lock = Lock()

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:  # noqa: ARG002
        name = str(params["name"])
        with self._lock:
            self.asked.append(name)
        if name == self._slow or (self._quick and name != self._quick):
            assert self.may_end.wait(LONGEST_S)
        return json.dumps(MESSAGE).encode()


def some(count: int) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        yield str(number), json.dumps({"params": {"name": str(number)}}).encode()


def test_no_answer_waits_for_one_that_was_asked_before_it() -> None:
    api = PatientApi(slow="0")
    come: list[bytes] = []
    for lines in ParallelCalls(api, SystemClock(), betas=()).results(some(200)):
        come += lines
        if len(come) == 199:
            api.may_end.set()
    assert [json.loads(line)["custom_id"] for line in come][-1] == "0"
    assert len(come) == 200


def test_what_cannot_be_kept_is_not_asked_any_further() -> None:
    api = PatientApi(quick="0")
    with closing(ParallelCalls(api, SystemClock(), betas=()).results(some(10_000))) as answers:
        next(answers)
    api.may_end.set()
    for thread in enumerate_threads():
        if thread.name == "titan-sync":
            thread.join(LONGEST_S)
    # One call has ended, so one of those in line has begun; the others in line never do.
    assert len(api.asked) < MOST_UNWRITTEN
