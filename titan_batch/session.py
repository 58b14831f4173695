"""What the calls of titan_batch share: the engine, the log, and a poll that does not raise."""

import logging

from core.bootstrap import open_engine
from core.config.settings import from_environment
from core.engine import Engine
from core.errors import TitanError, problems_of
from core.internal_errors import describe

ACTOR = "titan_batch"
log = logging.getLogger("titan_batch")


def an_engine() -> Engine:
    """An engine from the environment. Raises LedgerUnusable."""
    return open_engine(from_environment(), actor=ACTOR, runs_hooks=False)


def poll(engine: Engine) -> bool:
    """Poll the API for every job, and return whether that was done.

    Problems are logged, not raised.
    """
    is_done = False
    try:
        summary = engine.poll()
        problems, is_done = summary.problems, summary.ran
    except TitanError as error:
        problems = problems_of(error)
    except Exception as error:  # noqa: BLE001 - a bug here must not stop the job
        problems = [f"The poll failed: {describe(error)}"]
    for problem in problems:
        log.warning("%s", problem)
    return is_done
