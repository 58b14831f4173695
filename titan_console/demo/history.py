"""A month of demo jobs up to now, generated in seconds with a manual clock."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from core.api.client import AnthropicApi
from core.batches.engine_context import Context
from core.clock import ManualClock
from core.config import titan_file
from core.engine import Engine
from core.intake.options import SubmitOptions
from core.money.pricing import PriceBook
from state.db.ledger import ALPHABET, Ledger
from state.files.folder import Folder
from state.queries import batch_list
from titan_console.demo.jobs import DAYS, JOBS, Job
from titan_console.demo.texts import Text
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.transport import client
from titan_console.sandbox.model.timing import Plan

_TEXTS_A_DAY = 24
_POLL_EVERY_S = 900
_MOST_POLLS = 40
_NEWEST = 8
_FAULTS = ("row:overloaded:p=0.004", "row:invalid:p=0.002", "create:drop:every=17")
_WHO = "demo"


def fill(
    home: Path,
    texts: list[Text],
    *,
    seed: int,
    plan: Plan,
    now: datetime,
    poll_every_s: float,
    tell: Callable[[int], None],
) -> None:
    """Fill the ledger in `home` with thirty days of the jobs.

    Batches take as long as the `plan` says: that of the live jobs, so that estimates hold for
    them. The newest polls are `poll_every_s` apart, as the live ones: the next one is expected by
    their interval. `tell` receives the number of finished days.
    """
    folder = Folder(home)
    clock = ManualClock(now - timedelta(days=DAYS))
    sandbox = Sandbox(clock, seed=seed, plan=plan, faults=Faults.parse(_FAULTS, seed=seed))
    api = AnthropicApi(
        api_key="sandbox", base_url="http://sandbox.invalid", http_client=client(sandbox)
    )
    rng = random.Random(seed)  # noqa: S311 - the same month for the same seed

    def new_id(length: int) -> str:
        return "".join(rng.choice(ALPHABET) for _ in range(length))

    ledger = Ledger(
        folder.ledger, now=clock.now, actor=_WHO, monotonic=clock.monotonic, new_id=new_id
    )
    context = Context(
        ledger=ledger,
        folder=folder,
        clock=clock,
        api=lambda: api,
        prices=PriceBook.of_rules(titan_file.read(folder)),
        instance_id=_WHO,
        rng=rng,
    )
    with Engine(context) as engine:
        for day in range(DAYS):
            tell(day)
            some = rng.sample(texts, min(len(texts), _TEXTS_A_DAY))
            _one_day(engine, clock, some, is_weekly=day % 7 == 0)
            _wait_until(clock, now - timedelta(days=DAYS - day - 1, seconds=_NEWEST * poll_every_s))
        for _ in range(_NEWEST):
            engine.poll()
            clock.advance(poll_every_s)


def _wait_until(clock: ManualClock, moment: datetime) -> None:
    clock.advance(max(0.0, (moment - clock.now()).total_seconds()))


def _one_day(engine: Engine, clock: ManualClock, texts: list[Text], *, is_weekly: bool) -> None:
    for job in JOBS:
        if is_weekly or "weekly" not in job.name:
            _submit(engine, job, texts, clock.now().date().isoformat())
    for _ in range(_MOST_POLLS):
        clock.advance(_POLL_EVERY_S)
        engine.poll()
        if not batch_list.open_batches(engine.context.ledger):
            return


def _submit(engine: Engine, job: Job, texts: list[Text], date: str) -> None:
    options = SubmitOptions(tag=f"{job.name}-{date}", model=job.model, workflow=job.name)
    engine.submit(job.requests(texts, date), options)
