"""The printed demo: submit the jobs and poll until all batches have ended."""

import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from core.bootstrap import open_engine
from core.clock import SystemClock
from core.config import titan_file
from core.config.settings import Settings
from core.engine import Engine
from core.intake.options import SubmitOptions
from core.text import pluralize
from state.db.ledger import ALPHABET, random_id
from state.files.folder import Folder, make_private
from state.queries import batch_list
from titan_console.demo.jobs import JOBS
from titan_console.demo.texts import Text
from titan_console.text.poll_summary import one_line

_BETWEEN_POLLS_S = 1.0
_MOST_POLLS = 45
# The response to the second create is lost; sending it again would be charged twice.
_FAULTS = ("create:drop:nth=2", "row:overloaded:p=0.02")
_PLAN = "2-7"

# For titan.toml: a demo that is opened later, with a key, sends nothing to the real API.
ONLY_SANDBOX = '[api]\nonly_host = "127.0.0.1"\n'

Say = Callable[[str], None]


@contextmanager
def sandbox(
    seed: int, *, plan: str = _PLAN, faults: Sequence[str] = _FAULTS
) -> Generator[str, None, None]:
    """A sandbox on a free port; yields its address."""
    from titan_console.sandbox.api import Sandbox  # noqa: PLC0415 - loads a server
    from titan_console.sandbox.faults.profile import Faults  # noqa: PLC0415 - as above
    from titan_console.sandbox.http.server import running  # noqa: PLC0415 - as above
    from titan_console.sandbox.model.timing import Plan  # noqa: PLC0415 - as above

    provider = Sandbox(
        SystemClock(), seed=seed, plan=Plan.parse(plan), faults=Faults.parse(faults, seed=seed)
    )
    with running(provider) as address:
        yield address


def play(home: Path, texts: list[Text], *, seed: int, say: Say) -> Settings:
    """Run the three jobs from submit to results under `home`; returns the settings used."""
    settings = Settings(home=home, api_key="sandbox")
    make_private(home)
    titan_file.path_of(settings.folder).write_text(ONLY_SANDBOX, "utf-8")
    with sandbox(seed) as address:
        settings = replace(settings, base_url=address)
        say(f"Sandbox: {address}. Ledger: {home}.")
        with open_engine(settings, actor="demo", new_id=_words(home, seed)) as engine:
            _submit(engine, texts, say)
            _poll_until_done(engine, say)
    return settings


def _words(home: Path, seed: int) -> Callable[[int], str]:
    """The same keys and nonces for the same seed, so that the sandbox answers the same.

    An existing ledger has used them already, so it gets random ones.
    """
    if Folder(home).ledger.exists():
        return random_id
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    return lambda length: "".join(rng.choice(ALPHABET) for _ in range(length))


def _submit(engine: Engine, texts: list[Text], say: Say) -> None:
    date = SystemClock().now().date().isoformat()
    for job in JOBS:
        requests = job.requests(texts, date)
        options = SubmitOptions(tag=f"{job.name}-{date}", model=job.model, workflow=job.name)
        submitted = engine.submit(requests, options)
        say(f"submitted  {job.name}: {pluralize(len(requests), 'request')} ({job.what})")
        if submitted.problem:
            say(f"           {submitted.problem}")


def _poll_until_done(engine: Engine, say: Say) -> None:
    clock = SystemClock()
    for _ in range(_MOST_POLLS):
        clock.sleep(_BETWEEN_POLLS_S)
        summary = engine.poll()
        if summary.collected or summary.ended or summary.delivered:
            say(f"polled     {one_line(summary)}")
        if not batch_list.open_batches(engine.context.ledger):
            return
