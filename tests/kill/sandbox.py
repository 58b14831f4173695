"""The sandbox of a run with kills: who was billed for what, and faults that change."""

import random
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

from kill.worker import real_sleep
from simulation.sync_bill import custom_id_of, synchronous_cost

from core.clock import Clock
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.call import Call
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.model.http_messages import HttpResponse
from titan_console.sandbox.model.timing import Plan
from titan_console.sandbox.rules.create import MAX_MESSAGE_BODY, read_object

_ROWS = (
    "row:overloaded:p=0.15",
    "row:invalid:p=0.02",
    "row:refusal:p=0.02",
    # The first and second requests of a job, however often they are asked.
    "row:wrong-output:id=*00-*",
    "row:pause-turn:id=*01-*",
    "row:wrong-output:p=0.2",
)
_CALLS = (
    "create:drop:p=0.3",
    "create:drop-before:p=0.3",
    "create:500:p=0.3",
    "create:504-after:p=0.3",
    "create:garbage:p=0.3",
    "create:529:p=0.3",
    "create:429:retry=20:p=0.4",
    "create:credit:p=0.05",
    "list:500:p=0.3",
    "list:drop:p=0.3",
    "list:truncated:p=0.3",
    "retrieve:500:p=0.4",
    "results:broken:p=0.4",
    "results:cut:p=0.4",
    "results:missing:p=0.3",
    "cancel:500:p=0.4",
    "cancel:drop:p=0.4",
    "messages:500:p=0.3",
    "messages:529:p=0.4",
    "messages:drop:p=0.3",
    "messages:500-after:p=0.3",
)
_CHANGE_S = 0.7
_CALL_S = 0.03


class KillSandbox(Sandbox):
    """Also keeps the price of each synchronous call, by the custom_id in its prompt."""

    def __init__(self, clock: Clock, *, seed: int) -> None:
        faults = Faults.parse(_ROWS, seed=seed)
        super().__init__(clock, seed=seed, plan=Plan.seconds(20, 400), faults=faults)
        self.calls: dict[str, list[int]] = {}
        self.hits = 0

    def _message(self, call: Call) -> HttpResponse:
        body = call.request.read(MAX_MESSAGE_BODY)
        known = replace(call, request=replace(call.request, body=body))
        with self._lock:
            answer = super()._message(known)
            cost = synchronous_cost(self._messages[-1])
            self.calls.setdefault(custom_id_of(read_object(body)), []).append(cost)
        # A kill may come between the call and its answer.
        real_sleep(_CALL_S)
        return answer

    def change_faults(self, rules: list[str]) -> None:
        """Replace the rules."""
        with self._lock:
            self.hits += self.faults.hits()
            self.faults.clear()
            for rule in rules:
                self.faults.add(rule)


@contextmanager
def changing_faults(sandbox: KillSandbox, seed: int) -> Generator[None, None, None]:
    """Other faults every moment, in the end those of rows alone."""
    over = Event()
    rng = random.Random(seed)

    def change() -> None:
        while not over.wait(_CHANGE_S):
            sandbox.change_faults([*_ROWS, *rng.sample(_CALLS, rng.randint(0, 10))])

    thread = Thread(target=change, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        sandbox.change_faults([*_ROWS])
