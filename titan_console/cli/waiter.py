"""Waits until requests have ended: polls, or leaves that to the scheduled poller."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import click
from msgspec.structs import replace

from core.bootstrap import open_engine
from core.clock import Clock
from core.config import titan_file
from core.config.lane_access import can_call
from core.config.settings import Settings
from core.errors import InputError, problems_of
from core.intake import request_statuses
from core.intake.request_statuses import RequestStatuses
from core.reporting.error_groups import fingerprint
from core.reporting.since import parse_duration
from state.model.errors import LedgerBusy
from titan_console.cli.progress import Progress
from titan_console.cli.stderr import print_problems, print_stderr

_SHORTEST = timedelta(seconds=1)
every_option = click.option(
    "--every",
    "every_text",
    metavar="DURATION",
    default="60s",
    show_default=True,
    help="Time between two polls.",
)
timeout_option = click.option(
    "--timeout",
    "timeout_text",
    metavar="DURATION",
    help="Longest time to wait: 90s, 30m, 6h or 2d. Default: no limit.",
)


def limits(every_text: str, timeout_text: str | None) -> tuple[timedelta, timedelta | None]:
    """The time between two polls, and the longest time to wait. Raises InputError."""
    every = parse_duration(every_text, option="--every")
    if every < _SHORTEST:
        raise InputError("--every must be at least 1s.", code="invalid_duration")
    timeout = parse_duration(timeout_text, option="--timeout") if timeout_text is not None else None
    return every, timeout


class Waiter:
    """Polls, or only reads the ledger where there is no API key, until the requests have ended."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        clock: Clock,
        bar: Progress,
        *,
        statuses: Callable[[datetime], RequestStatuses] | None = None,
    ) -> None:
        """For a tag, a submission, a batch or an API batch id; or for what `statuses` counts."""
        self._settings = settings
        self._name = name
        self._statuses = statuses or partial(request_statuses.of_name, settings.folder, name)
        self._clock = clock
        self._bar = bar
        self._began = clock.monotonic()
        self._found: RequestStatuses | None = None
        self._locked: LedgerBusy | None = None
        # Each kind of problem is printed once.
        self._problems: dict[str, str] = {}

    @property
    def problems(self) -> list[str]:
        """One problem of each kind."""
        return list(self._problems.values())

    @property
    def waited_s(self) -> float:
        """Seconds since it began."""
        return self._clock.monotonic() - self._began

    def wait(self, every: timedelta, timeout: timedelta | None) -> RequestStatuses:
        """The requests when all have ended, or at the timeout.

        Raises UnknownId, SettingsError where the API rejects the key, and LedgerError where the
        ledger cannot be used, or was locked at each look until the timeout.
        """
        limit_s = math.inf if timeout is None else timeout.total_seconds()
        can_poll: bool | None = None
        while not self._has_ended():
            if can_poll is None:
                can_poll = self._can_poll()
            # What a poll did not ask for again, such as over budget, has ended.
            if can_poll and self._has_ended(is_asked_again=not self._poll()):
                break
            left_s = limit_s - self.waited_s
            if left_s <= 0:
                break
            self._clock.sleep(min(every.total_seconds(), left_s))
        return self._seen()

    def look(self) -> RequestStatuses:
        """The requests as they are now. Raises UnknownId, LedgerError."""
        self._has_ended()
        return self._seen()

    def _seen(self) -> RequestStatuses:
        if self._found is None:
            raise self._locked or LedgerBusy(f"The state of {self._name!r} could not be read.")
        return self._found

    def _has_ended(self, *, is_asked_again: bool = True) -> bool:
        try:
            found = self._statuses(self._clock.now())
        except LedgerBusy as error:
            self._locked = error
            self._note([str(error)])
            return False
        except FileNotFoundError:
            return False  # another process imports a fallback file
        if not is_asked_again:
            found = replace(found, follow_ups=0)
        self._found = found
        self._bar("ended", found.requests - found.unfinished, found.requests)
        return found.is_finished

    def _can_poll(self) -> bool:
        lanes = titan_file.read(self._settings.folder).lanes
        if can_call(self._settings, lanes):
            return True
        print_stderr("No API key: waiting for the scheduled poller.")
        return False

    def _poll(self) -> bool:
        """Poll; False where another process polls or locks the ledger."""
        try:
            # Opened for each poll: a restore or a rebuild can run between two.
            with open_engine(self._settings, actor="cli") as engine:
                summary = engine.poll()
        except LedgerBusy as error:
            self._note(problems_of(error))
            return False
        self._note(summary.problems)
        return summary.ran

    def _note(self, problems: list[str]) -> None:
        new = {fingerprint(problem): problem for problem in problems}
        print_problems(problem for kind, problem in new.items() if kind not in self._problems)
        self._problems = new | self._problems
