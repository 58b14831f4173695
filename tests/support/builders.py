"""An engine over the sandbox in process: real ledger, real client, a clock driven by hand."""

import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from support.ledgers.new_ledger import prepare_new_home

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi
from core.batches.engine_context import Context
from core.clock import ManualClock
from core.engine import Engine
from core.intake.options import SubmitOptions
from core.intake.submit import SubmitResult
from core.money.pricing import PriceBook
from core.poll.poll_summary import PollSummary
from core.requests.payload import Limits
from state.db.ledger import random_id
from state.db.opening import open_ledger
from state.files.folder import Folder
from state.model.ledger_url import LedgerUrl
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.transport import client
from titan_console.sandbox.model.prompt_cache import PromptCache
from titan_console.sandbox.model.timing import Plan

START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
KEY = "sk-ant-test"
BASE_URL = "https://api.anthropic.com"
# A titan.toml whose job runs `command`, a TOML list, after each delivery.
JOB_WITH_HOOK = """\
[workloads.t]
[jobs.feed-classify]
workload = "t"
schedule = "daily"
on_delivery = {command}
"""


def a_request(
    custom_id: str = "feed-classify-2026-11-22-001", **overrides: object
) -> dict[str, object]:
    """A request that the API would take."""
    return {
        "custom_id": custom_id,
        "max_tokens": 64,
        "messages": [{"role": "user", "content": f"Classify {custom_id} as one of: news, blog."}],
        **overrides,
    }


def some_requests(count: int, workflow: str = "feed-classify") -> list[dict[str, object]]:
    """That many requests with ids of the convention."""
    return [a_request(f"{workflow}-2026-11-22-{number:05d}") for number in range(1, count + 1)]


class Bench:
    """One sandbox, one folder, one clock; as many engines on them as a test wants."""

    def __init__(
        self,
        home: Path,
        *,
        plan: Plan | None = None,
        faults: Faults | None = None,
        limits: Limits | None = None,
        seed: int = 0,
        cache: str = "always",
        new_id: Callable[[int], str] = random_id,
        ledger_url: LedgerUrl | None = None,
    ) -> None:
        self.clock = ManualClock(START)
        self.new_id = new_id
        self.faults = faults or Faults(seed=seed)
        self.sandbox = Sandbox(
            self.clock,
            seed=seed,
            plan=plan or Plan.seconds(60, 60),
            faults=self.faults,
            cache=PromptCache.parse(cache, seed=seed),
        )
        self.folder = Folder(home, ledger_url)
        self.limits = limits or Limits()
        self._engines: list[Engine] = []
        prepare_new_home(self.folder.ledger)
        self.engine = self.new_engine()

    def new_engine(
        self,
        actor: str = "test",
        api: Callable[[], BatchApi] | None = None,
        folder: Folder | None = None,
    ) -> Engine:
        """Another process, as far as the ledger and the API can tell; `folder`: of another host."""
        folder = folder or self.folder
        engine = Engine(
            Context(
                ledger=open_ledger(
                    folder,
                    now=self.clock.now,
                    actor=actor,
                    monotonic=self.clock.monotonic,
                    new_id=self.new_id,
                ),
                folder=folder,
                clock=self.clock,
                api=api or self.api,
                prices=PriceBook(),
                instance_id=f"{actor}/{len(self._engines)}",
                limits=self.limits,
                rng=random.Random(1),
            )
        )
        self._engines.append(engine)
        return engine

    def api(self) -> BatchApi:
        """The real client, over the sandbox."""
        return AnthropicApi(api_key=KEY, base_url=BASE_URL, http_client=client(self.sandbox))

    def submit(self, count: int = 3, tag: str = "daily-feed", **options: object) -> SubmitResult:
        """Submit that many requests."""
        return self.engine.submit(some_requests(count), SubmitOptions(tag=tag, **options))  # pyright: ignore[reportArgumentType]

    def poll_after(self, seconds: float = 0.0) -> PollSummary:
        """Let time go by, then make one poll."""
        self.clock.advance(seconds)
        return self.engine.poll()

    def close(self) -> None:
        """Close every ledger."""
        for engine in self._engines:
            engine.context.ledger.close()


@contextmanager
def a_bench(home: Path, **options: object) -> Generator[Bench, None, None]:
    """A bench that is closed at the end."""
    bench = Bench(home, **options)  # pyright: ignore[reportArgumentType]
    try:
        yield bench
    finally:
        bench.close()
