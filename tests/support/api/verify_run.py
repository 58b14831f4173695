"""Runs of `verify-api` against a sandbox in process, with a clock in hand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.api.credentials import Credentials
from core.api.exchanges import Run
from core.api.raw_calls import RawApi
from core.clock import ManualClock
from core.money.pricing import PriceBook
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.transport import client
from titan_console.sandbox.model.prompt_cache import PromptCache
from titan_console.sandbox.model.timing import Plan as Pace
from titan_console.verify_api.evidence import Evidence
from titan_console.verify_api.plan import DEFAULT_MODEL, Costs, Plan
from titan_console.verify_api.privacy import Privacy
from titan_console.verify_api.script import Script
from titan_console.verify_api.session import Send, Session, append, read

START = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
KEY = "sk-ant-api03-secret-of-the-test"
NONCE = "0a1b2c3d"
BASE_URL = "https://api.test"
# As the engine assumes: half an hour is the longest that it waits for a lost create.
PACE = Pace(shortest=300, longest=900, cancel=25, grace=5)


class VerifyRun:
    """A sandbox, and the recording of a run against it."""

    def __init__(
        self,
        path: Path,
        *faults: str,
        pace: Pace = PACE,
        cache: str = "across",
        kind: type[Sandbox] = Sandbox,
    ) -> None:
        self.path = path
        self.clock = ManualClock(START)
        self.sandbox = kind(
            self.clock, plan=pace, cache=PromptCache(cache), faults=Faults.parse(faults)
        )
        self.prices = PriceBook()
        self.plan = Plan(DEFAULT_MODEL, NONCE)
        self.costs = Costs(self.plan, DEFAULT_MODEL, self.prices, START)
        self.api = RawApi(
            base_url=BASE_URL,
            credentials=Credentials(api_key=KEY),
            http_client=client(self.sandbox),
        )

    def script(
        self, *, send: Send | None = None, wait: timedelta | None = None, limit_nano: int = 10**9
    ) -> Script:
        """A script over the recording, which is begun where there is none."""
        if not self.path.exists():
            append(
                self.path,
                Run(
                    version="0",
                    started_ts="2026-11-28T09:00:00.000Z",
                    model=DEFAULT_MODEL,
                    nonce=NONCE,
                    limit_nano=limit_nano,
                    max_nano=self.costs.total,
                ),
            )
        run = self.evidence().run
        session = Session(
            self.path,
            run,
            send or self.api.send,
            self.clock,
            privacy=Privacy(NONCE, BASE_URL),
            wait=wait,
        )
        return Script(session, self.costs, self.prices)

    def finish(self) -> Evidence:
        """Go through all steps."""
        self.script().finish()
        return self.evidence()

    def evidence(self) -> Evidence:
        """What the recording shows."""
        run, *lines = read(self.path)
        assert isinstance(run, Run)
        return Evidence(run, lines)
