"""Times one step of the engine inside its process, once everything is loaded.

`python benchmarks/in_process.py STEP ARGUMENT` prints the seconds.
"""

import json
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.batches.collect import collect as collect_batch
from core.batches.collect import collect_all
from core.batches.refresh import refresh
from core.batches.synchronous import sync_run
from core.bootstrap import open_engine
from core.commands import executor, planner
from core.commands.command_request import CommandRequest
from core.config.settings import from_environment
from core.intake.options import SubmitOptions
from state.batches import batch_planning, leases, remote_status
from state.db.ledger import random_id
from state.db.reader import Reader
from state.model.records import Outcome
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import console_snapshot


def _a_request(custom_id: str, length: int) -> dict[str, object]:
    messages = [{"role": "user", "content": "x" * length}]
    return {"custom_id": custom_id, "max_tokens": 64, "messages": messages}


def console_page(home: str) -> float:
    """Read what the first page of the console shows."""
    with Reader(Path(home) / "titan.db") as reader:
        console_snapshot.take(reader, datetime.now(UTC))
        began = time.monotonic()
        console_snapshot.take(reader, datetime.now(UTC))
        return time.monotonic() - began


def synchronous(count: str) -> float:
    """Answer that many queued requests through the Messages API."""
    with open_engine(from_environment(), actor="benchmark") as engine:
        context = engine.context
        until = context.clock.now() + timedelta(days=1)
        leases.set_hold(context.ledger, "create", until=until, reason="benchmark")
        requests = [_a_request(f"a-{number}", 1000) for number in range(int(count))]
        taken = engine.submit(requests, SubmitOptions(tag="sync"))
        context.api()
        began = time.monotonic()
        problem = sync_run.run_synchronously(context, taken.submission, "benchmark")
        took = time.monotonic() - began
        if problem or list(engine.results("sync"))[-1]["outcome"] != "succeeded":
            sys.exit(f"not answered: {problem}")
        return took


def submit_many(count: str) -> float:
    """Submit that many batches of one request each."""
    with open_engine(from_environment(), actor="benchmark") as engine:
        began = time.monotonic()
        for number in range(1, int(count)):
            engine.submit([_a_request("a-1", 1)], SubmitOptions(tag=f"t{number}"))
        return time.monotonic() - began


def submit_times(until: str) -> str:
    """Submit ten requests so many times, or until that file appears; the seconds of each, as JSON.

    The first one, which loads what all need, is left out.
    """
    left = int(until) if until.isdigit() else 1 << 30
    times = list[float]()
    with open_engine(from_environment(), actor="benchmark") as engine:
        while left > 0 and not (times and Path(until).exists()):
            requests = [_a_request(f"a-{number}", 1000) for number in range(10)]
            began = time.monotonic()
            engine.submit(requests, SubmitOptions(tag=f"t{random_id(10)}"))
            times.append(time.monotonic() - began)
            left -= 1
    return json.dumps(times[1:])


def collect(count: str) -> str:
    """Download and store that many results of a batch that has ended.

    The second number is the part of it after the last byte had come.
    """
    with open_engine(from_environment(), actor="benchmark") as engine:
        api = engine.context.api()
        refresh(engine.context, [])
        last_byte = began = time.monotonic()

        @contextmanager
        def timed(remote_id: str) -> Generator[Iterator[bytes], None, None]:
            with read(remote_id) as pieces:
                yield passed_on(pieces)

        def passed_on(pieces: Iterator[bytes]) -> Iterator[bytes]:
            nonlocal last_byte
            yield from pieces
            last_byte = time.monotonic()

        read, api.results = api.results, timed
        began = time.monotonic()
        ((_, collected),) = collect_all(engine.context, [])
        ended = time.monotonic()
        if collected is None or collected.new != int(count) or not collected.complete:
            sys.exit(f"not collected: {collected}")
        return f"{ended - began} {ended - last_byte}"


def collect_one(count: str) -> float:
    """Download and store the results of the ended batch that has so many, and of no other."""
    with open_engine(from_environment(), actor="benchmark") as engine:
        refresh(engine.context, [])
        due = remote_status.to_collect(engine.context.ledger)
        (batch,) = (batch for batch in due if batch.request_count == int(count))
        began = time.monotonic()
        collected = collect_batch(engine.context, batch)
        if collected is None or not collected.complete:
            sys.exit(f"not collected: {collected}")
        return time.monotonic() - began


def replay(failed: str) -> float:
    """Preview a replay of all errored requests; then queue them in new batches."""
    with open_engine(from_environment(), actor="benchmark") as engine:
        context = engine.context
        wanted = Filter(outcome=Outcome.ERRORED)
        began = time.monotonic()
        planned = planner.plan(context, CommandRequest(action=Action.REPLAY, wanted=wanted))
        took = time.monotonic() - began
        command, _ = planner.submit(context, planned, delay=timedelta())
        ended = executor.advance(context, command)
        added = batch_planning.plan_queued(
            context.ledger, max_requests=100_000, max_bytes=1 << 28, wire_overhead=9
        )
        if ended is None or sum(batch.request_count for batch in added) != int(failed):
            sys.exit(f"not replayed: {ended}")
        return took


_STEPS: dict[str, Callable[[str], float | str]] = {
    step.__name__: step
    for step in (console_page, synchronous, submit_many, submit_times, collect, collect_one, replay)
}


if __name__ == "__main__":
    print(_STEPS[sys.argv[1]](sys.argv[2]))
