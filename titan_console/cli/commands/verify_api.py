"""`titan-console verify-api`: checks at the real API what the engine assumes about it."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.api.credentials import Credentials
from core.api.exchanges import Run
from core.bootstrap import find_lane, find_target, server_of
from core.clock import SystemClock
from core.config import titan_file
from core.config.lane_access import Target
from core.config.settings import Settings, from_environment
from core.errors import ApiError, InputError
from core.money.pricing import PriceBook, dollars_text, usd
from core.reporting.since import parse_duration
from core.text import pluralize
from state.db.liveness_lock import try_lock
from state.files.folder import make_private
from state.model.timestamps import to_text
from titan_console.cli import progress
from titan_console.cli.command_flow import ask
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import (
    Number,
    echo,
    json_option,
    lane_option,
    print_fields,
    print_json,
)
from titan_console.cli.stderr import print_problems, print_stderr
from titan_console.cli.waiter import timeout_option
from titan_console.text.safe_text import clean
from titan_console.verify_api.evidence import Evidence
from titan_console.verify_api.fact import Verdict
from titan_console.verify_api.plan import DEFAULT_MODEL, Costs, Plan
from titan_console.verify_api.privacy import Privacy
from titan_console.verify_api.report import VerifyReport, open_batches, report
from titan_console.verify_api.script import Script
from titan_console.verify_api.session import (
    Session,
    StillRunningError,
    append,
    drop_torn_line,
    read,
)

if TYPE_CHECKING:
    from core.api.raw_calls import RawApi

_FOLDER = "verify-api"
_NANO = 1_000_000_000
_SIGNS = {Verdict.HELD: "held", Verdict.NOT_HELD: "DID NOT HOLD", Verdict.UNKNOWN: "unknown"}


@click.command
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="Model of all requests.")
@click.option(
    "--limit",
    "limit_usd",
    type=Number(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Most dollars that the run may cost.",
)
@lane_option("Lane of titan.toml to check. Default: the environment's account.")
@click.option("--yes", is_flag=True, help="Skip the confirmation prompt.")
@click.option("--dry-run", is_flag=True, help="Only show what a run makes and its maximum cost.")
@click.option("--resume", is_flag=True, help="Continue the run that was stopped.")
@click.option("--abandon", is_flag=True, help="End that run, and cancel its open batches.")
@click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Print the report of a recording; calls nothing.",
)
@timeout_option
@json_option
@click.pass_context
def command(  # noqa: PLR0913 - one for each option
    ctx: click.Context,
    *,
    model: str,
    limit_usd: float,
    lane: str | None,
    yes: bool,
    dry_run: bool,
    resume: bool,
    abandon: bool,
    report_path: Path | None,
    timeout_text: str | None,
    as_json: bool,
) -> None:
    """Check at the API what Titan Console assumes about it, for at most --limit dollars.

    Makes a fixed set of small calls and batches with your credentials, and reports on each
    assumption: held, did not hold, or could not be checked. Shows the maximum cost and asks first.
    It takes about an hour; --resume continues a run that was stopped or whose --timeout is over.

    All answers are recorded under TITAN_HOME/verify-api, without credentials, ids of the account
    and batches of other programs. `titan-console sandbox --replay FILE` answers as a recording.

    Exits with 1 if an assumption did not hold, 4 if batches are still running.
    """
    if resume + abandon + dry_run + (report_path is not None) > 1:
        raise click.UsageError("Use one of --resume, --abandon, --dry-run and --report.")
    if lane is not None and (resume or abandon or report_path is not None):
        raise click.UsageError("--lane is that of the recording; leave it out.")
    settings = from_environment()
    every = PriceBook.of_rules(titan_file.read(settings.folder))
    limit_nano = round(limit_usd * _NANO)
    if report_path is not None:
        found = _evidence(report_path)
        ctx.exit(_print(found, report_path, every.of(found.run.lane), as_json=as_json))
    find_lane(settings, lane=lane)
    name, prices = lane or "", every.of(lane or "")
    if dry_run:
        run = _new_run(prices, model, limit_nano, name)
        ctx.exit(_show(run, settings, as_json=as_json))
    wait = None if timeout_text is None else parse_duration(timeout_text, option="--timeout")
    with _locked(settings.home / _FOLDER) as folder:
        path = _stopped(folder, is_expected=resume or abandon)
        if path is None:
            find_target(settings, lane=lane)
            run = _new_run(prices, model, limit_nano, name)
            if not yes:
                ask(_preview(run, settings), as_json=as_json)
            path = folder / f"{run.started_ts.replace(':', '')}.jsonl"
            append(path, run)
        if not as_json:
            print_stderr(f"Recording to {path}. Ctrl-C stops it; --resume continues.")
        prices = every.of(_evidence(path).run.lane)
        _go(path, settings, prices, wait=wait, abandon=abandon)
        code = _print(_evidence(path), path, prices, as_json=as_json)
    ctx.exit(code)


def _show(run: Run, settings: Settings, *, as_json: bool) -> Exit:
    if as_json:
        print_json({"model": run.model, "max_usd": usd(run.max_nano)})
    else:
        print_fields(_preview(run, settings))
    return Exit.DONE


@contextmanager
def _locked(folder: Path) -> Generator[Path, None, None]:
    """The folder of the recordings, while no other process makes one."""
    make_private(folder)
    with try_lock(folder / "lock") as is_ours:
        if is_ours is False:
            raise InputError("Another verify-api is running.", code="run_unfinished")
        yield folder


def _stopped(folder: Path, *, is_expected: bool) -> Path | None:
    """The recording that was stopped. Raises InputError unless it is as expected."""
    found = _unfinished(folder)
    if found is None and is_expected:
        raise InputError("No run of verify-api was stopped.", code="nothing_to_resume")
    if found is not None and not is_expected:
        raise InputError(
            f"A run was stopped: {found}. Continue it with --resume, or end it with --abandon.",
            code="run_unfinished",
        )
    return found


def _unfinished(folder: Path) -> Path | None:
    """The newest recording that was stopped."""
    for path in sorted(folder.glob("*.jsonl"), reverse=True):
        drop_torn_line(path)
        if not path.stat().st_size:
            path.unlink()
        elif not _evidence(path).is_complete:
            return path
    return None


def _evidence(path: Path) -> Evidence:
    run, *lines = read(path)
    assert isinstance(run, Run)  # noqa: S101 - `read` raises for another file
    return Evidence(run, lines)


def _new_run(prices: PriceBook, model: str, limit_nano: int, lane: str) -> Run:
    """Raises InputError where it could cost more."""
    now, nonce = SystemClock().now(), secrets.token_hex(4)
    total = Costs(Plan(model, nonce), model, prices, now).total
    if total > limit_nano:
        raise InputError(
            f"With {model} a run costs at most {dollars_text(total)}: raise --limit"
            f" ({dollars_text(limit_nano)}), or use another --model.",
            code="over_budget",
        )
    return Run(
        version=version("titan-console"),
        started_ts=to_text(now),
        model=model,
        nonce=nonce,
        limit_nano=limit_nano,
        max_nano=total,
        lane=lane,
    )


def _preview(run: Run, settings: Settings) -> list[tuple[str, str]]:
    batches = Plan(run.model, run.nonce).batches
    requests = sum(map(len, batches.values()))
    return [
        ("lane", run.lane),
        ("server", _server(settings, run.lane)),
        ("makes", f"{pluralize(len(batches), 'batch', 'batches')} of {requests} small requests"),
        ("model", run.model),
        ("cost", f"at most {dollars_text(run.max_nano)} (--limit {dollars_text(run.limit_nano)})"),
        ("time", "about an hour; can be stopped and resumed"),
        ("stays", "its batches stay listed for 29 days; one of them is deleted"),
        ("recording", f"in {settings.home / _FOLDER}; no credentials, no ids of the account"),
    ]


def _go(
    path: Path, settings: Settings, prices: PriceBook, *, wait: timedelta | None, abandon: bool
) -> None:
    """Make the calls that the recording lacks; what is left is said on stderr."""
    run, clock = _evidence(path).run, SystemClock()
    api = _opened(find_target(settings, lane=run.lane or None))
    privacy = Privacy(run.nonce, f"https://{_server(settings, run.lane)}")
    session = Session(path, run, api.send, clock, privacy=privacy, wait=wait)
    costs = Costs(Plan(run.model, run.nonce), run.model, prices, clock.now())
    print_problems(settings.warnings)
    with progress.shown() as bar:
        script = Script(session, costs, prices, lambda done, of: bar("batches", done, of))
        try:
            if abandon:
                for name in script.abandon():
                    print_stderr(f"Canceled the batch {name} ({session.evidence.id_of(name)}).")
                return
            script.finish()
        except StillRunningError:
            _say_what_is_left(session.evidence)
        except (KeyboardInterrupt, InputError):
            _say_what_is_left(session.evidence)
            raise
        except ApiError:
            # Without a list nothing was created.
            if not any(step.startswith("create") for step in session.evidence.exchanges):
                path.unlink()
            raise
        finally:
            api.close()


def _server(settings: Settings, lane: str) -> str:
    return server_of(settings, lane) if lane else settings.server


def _opened(target: Target) -> "RawApi":
    # Imported here: the HTTP library is slow to load.
    from core.api.raw_calls import RawApi, RawSdkApi  # noqa: PLC0415 - as said

    if target.sdk is not None:
        return RawSdkApi(target.sdk)
    used = target.credentials or Credentials()
    return RawApi(base_url=target.base_url, credentials=used, workspace=target.workspace)


def _say_what_is_left(evidence: Evidence) -> None:
    left = [f"{one.name} ({one.remote_id})" for one in open_batches(evidence)]
    running = f" Still running: {', '.join(left)}." if left else ""
    print_stderr(
        f"The run is not finished.{running} Continue with --resume, or cancel them with --abandon."
    )


def _print(evidence: Evidence, path: Path, prices: PriceBook, *, as_json: bool) -> Exit:
    found = report(evidence, str(path), prices)
    if as_json:
        print_json(found)
    else:
        for line in _lines(found):
            echo(clean(line))
    if not found.complete and found.open_batches:
        return Exit.RUNNING
    return Exit.ATTENTION if found.not_held else Exit.DONE


def _lines(found: VerifyReport) -> list[str]:
    width = max(len(fact.fact) for fact in found.facts)
    lines: list[str] = []
    for fact in found.facts:
        sign = _SIGNS[Verdict(fact.verdict)]
        lines.append(f"{sign:<12}  {fact.fact:<{width}}  {fact.seen}")
        if fact.verdict == Verdict.NOT_HELD:
            lines += [f"{'':14}assumed: {fact.assumes}", f"{'':14}engine: {fact.engine}"]
    cost = "unknown" if found.cost_usd is None else f"${found.cost_usd:.4f}"
    lines.append(
        f"{found.held} held, {found.not_held} did not hold, {found.unknown} could not be checked."
        f" Cost: {cost}. Recording: {found.recording}"
    )
    return lines
