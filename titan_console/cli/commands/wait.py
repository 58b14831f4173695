"""`titan-console wait`: waits until requests have ended; the exit code says how."""

import math
from datetime import timedelta

import click
from msgspec import Struct

from core.bootstrap import open_engine
from core.clock import Clock, SystemClock
from core.config.settings import Settings, from_environment
from core.errors import InputError, problems_of
from core.intake import request_statuses
from core.intake.request_statuses import RequestStatuses
from core.reporting.error_groups import fingerprint
from core.reporting.since import parse_duration
from core.text import pluralize
from state.files.folder import Folder
from state.model.errors import LedgerBusy
from state.model.records import RequestStatus
from titan_console.cli import progress
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo, json_option, print_json
from titan_console.cli.progress import Progress
from titan_console.cli.stderr import print_problems, print_stderr
from titan_console.text.safe_text import clean

_SHORTEST = timedelta(seconds=1)


@click.command
@click.argument("name", metavar="TAG|KEY")
@click.option(
    "--every",
    "every_text",
    metavar="DURATION",
    default="60s",
    show_default=True,
    help="Time between two polls.",
)
@click.option(
    "--timeout",
    "timeout_text",
    metavar="DURATION",
    help="Longest time to wait: 90s, 30m, 6h or 2d. Default: no limit.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, name: str, every_text: str, timeout_text: str | None, as_json: bool
) -> None:
    """Wait until every request of a tag, submission or batch has ended.

    Polls the API at once and then regularly. Without an API key it waits for the scheduled poller.
    An API failure does not end the wait. A poll that has begun is finished, also after the timeout.

    Exits with 0 if all requests succeeded or were acknowledged, 1 if some failed, 4 if some are
    still running at the timeout.
    """
    every = parse_duration(every_text, option="--every")
    if every < _SHORTEST:
        raise InputError("--every must be at least 1s.", code="invalid_duration")
    timeout = parse_duration(timeout_text, option="--timeout") if timeout_text is not None else None
    with progress.shown() as bar:
        waiter = _Waiter(from_environment(), name, SystemClock(), bar)
        found = waiter.wait(every, timeout)
    if as_json:
        print_json(_report(name, found, waiter))
    if found.is_settled and not as_json:
        echo(clean(_summary(name, found)))
    elif not found.is_settled:
        print_stderr(_summary(name, found))
    ctx.exit(_exit_code(found))


class _Waiter:
    """Polls, or only reads the ledger where there is no API key, until the requests have ended."""

    def __init__(self, settings: Settings, name: str, clock: Clock, bar: Progress) -> None:
        self._settings = settings
        self._name = name
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
        is_told = False
        while not self._has_ended():
            if self._settings.api_key:
                self._poll()
                if self._has_ended():
                    break
            elif not is_told:
                print_stderr("No API key: waiting for the scheduled poller.")
                is_told = True
            left_s = limit_s - self.waited_s
            if left_s <= 0:
                break
            self._clock.sleep(min(every.total_seconds(), left_s))
        if self._found is None:
            raise self._locked or LedgerBusy(f"The state of {self._name!r} could not be read.")
        return self._found

    def _has_ended(self) -> bool:
        try:
            found = request_statuses.of_name(Folder(self._settings.home), self._name)
        except LedgerBusy as error:
            self._locked = error
            self._note([str(error)])
            return False
        except FileNotFoundError:
            return False  # another process imports a fallback file
        self._found = found
        self._bar("ended", found.requests - found.unfinished, found.requests)
        return found.is_finished

    def _poll(self) -> None:
        try:
            # Opened for each poll: a restore or a rebuild can run between two.
            with open_engine(self._settings, actor="cli") as engine:
                self._note(engine.poll().problems)
        except LedgerBusy as error:
            self._note(problems_of(error))

    def _note(self, problems: list[str]) -> None:
        new = {fingerprint(problem): problem for problem in problems}
        print_problems(problem for kind, problem in new.items() if kind not in self._problems)
        self._problems = new | self._problems


class WaitReport(Struct, frozen=True, kw_only=True):
    """What the requests came to, as JSON. `by_status` has every request status."""

    name: str
    requests: int
    by_status: dict[str, int]
    finished: bool
    settled: bool
    fallback_files: int
    waited_s: float
    problems: list[str]


def _report(name: str, found: RequestStatuses, waiter: _Waiter) -> WaitReport:
    return WaitReport(
        name=name,
        requests=found.requests,
        by_status={status.value: found.by_status.get(status, 0) for status in RequestStatus},
        finished=found.is_finished,
        settled=found.is_settled,
        fallback_files=found.fallback_files,
        waited_s=round(waiter.waited_s, 1),
        problems=waiter.problems,
    )


def _exit_code(found: RequestStatuses) -> Exit:
    if not found.is_finished:
        return Exit.RUNNING
    return Exit.DONE if found.is_settled else Exit.ATTENTION


def _summary(name: str, found: RequestStatuses) -> str:
    requests = pluralize(found.requests, "request")
    counts = ", ".join(
        f"{count:,} {status.value.replace('_', ' ')}"
        for status in RequestStatus
        if (count := found.by_status.get(status, 0))
    )
    if found.is_settled:
        return f"{name}: {requests} done ({counts})."
    if found.is_finished:
        return (
            f"{name}: {found.failed:,} of {requests} failed ({counts}). See: titan-console errors"
        )
    files = pluralize(found.fallback_files, "fallback file")
    kept = f"; {files} not imported" if found.fallback_files else ""
    return (
        f"{name}: {found.unfinished:,} of {requests} still running ({counts}{kept})."
        " See: titan-console status"
    )
