"""The demo behind the console: a month of history, then jobs that run until it is closed."""

import random
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from core.bootstrap import open_engine
from core.clock import SystemClock
from core.config import titan_file
from core.config.settings import Settings
from core.engine import Engine
from core.intake.options import SubmitOptions
from state.files.folder import Folder
from titan_console.demo import history
from titan_console.demo.jobs import JOBS, Job
from titan_console.demo.play import ONLY_SANDBOX, sandbox
from titan_console.demo.texts import Text
from titan_console.sandbox.model.timing import Plan

_PLAN = "8-40"
_FAULTS = ("row:overloaded:p=0.03", "row:invalid:p=0.01", "create:drop:every=5")
_POLL_EVERY_S = 2.0
_JOB_EVERY_POLLS = 9
_FEWEST, _MOST = 8, 80


def run(home: Path, texts: list[Text], *, seed: int, tell: Callable[[str], None]) -> None:
    """Run until the process is terminated.

    `tell` receives a number for each finished day of the history, then the sandbox's address.
    """
    # Not the seed of the history: batch ids are derived from it.
    with sandbox(seed + 1, plan=_PLAN, faults=_FAULTS) as address:
        write_titan_toml(Folder(home))
        clock = SystemClock()
        history.fill(
            *(home, texts),
            seed=seed,
            plan=Plan.parse(_PLAN),
            now=clock.now(),
            poll_every_s=_POLL_EVERY_S,
            tell=lambda day: tell(str(day)),
        )
        tell(address)
        settings = Settings(home=home, api_key="sandbox", base_url=address)
        rng = random.Random(seed)  # noqa: S311 - a demo
        with open_engine(settings, actor="demo") as engine:
            for number in count():
                if number % _JOB_EVERY_POLLS == 0:
                    _submit(engine, texts, number // _JOB_EVERY_POLLS, rng)
                engine.poll()
                clock.sleep(_POLL_EVERY_S)


def write_titan_toml(folder: Folder) -> None:
    """The three jobs, without KPI alerts: small jobs never meet the savings target.

    Only the sandbox may be called from it.
    """
    titan_file.begin(folder)
    jobs = "".join(map(_table, JOBS))
    text = f'{_WORKLOAD}{jobs}[alerts]\nkpis = false\n\n{ONLY_SANDBOX}\n[console]\nname = "demo"\n'
    titan_file.path_of(folder).write_text(text, "utf-8")


_WORKLOAD = '[workloads.demo]\ntitle = "demo"\n\n'


def _table(job: Job) -> str:
    """Its table, without numbers of tokens: they are measured."""
    schedule = job.name.split("-")[1]
    values = {"workload": "demo", "schedule": schedule, "model": job.model, "note": job.what}
    lines = [f'{name} = "{value}"\n' for name, value in values.items()]
    return f"[jobs.{job.name}]\n{''.join(lines)}deadline_h = 26\n\n"


def _submit(engine: Engine, texts: list[Text], number: int, rng: random.Random) -> None:
    job = JOBS[number % len(JOBS)]
    stamp = f"{SystemClock().now().date().isoformat()}-live-{number + 1:03d}"
    some = rng.sample(texts, min(len(texts), rng.randint(_FEWEST, _MOST)))
    options = SubmitOptions(tag=f"{job.name}-{stamp}", model=job.model, workflow=job.name)
    engine.submit(job.requests(some, stamp), options)


def tell_parent(line: str) -> None:
    """Print one line on stdout, which the console's process reads."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
