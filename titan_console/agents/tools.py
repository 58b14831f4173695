"""What each tool does, in the thread of its call."""

import json
import math
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins

from core.bootstrap import open_engine
from core.clock import SystemClock
from core.commands import planner
from core.commands.body_edits import parse_changes
from core.commands.planner import CommandRequest
from core.commands.waiting_reason import waits_for
from core.config import titan_file
from core.config.lane_access import can_call
from core.config.settings import Settings
from core.config.titan_tables import TitanToml
from core.delivery.results import Result, results
from core.engine import Engine
from core.errors import InputError, SettingsError, problems_of
from core.intake import dry_run, request_statuses, submit_report
from core.intake.options import SubmitOptions
from core.intake.request_file import RequestFile
from core.intake.submission_plan import make_plan
from core.money import forecast
from core.money.pricing import PriceBook
from core.reporting import agent_budgets, error_groups, error_reports, savings, status_report
from core.reporting.command_report import as_report
from core.reporting.history import measured
from core.reporting.ledger_time import ledger_now
from core.reporting.poller_health import silent_after
from core.reporting.since import parse_since
from state.db.opening import open_reader, reader_if_any
from state.files import fallback_file
from state.files.folder import Folder
from state.model.errors import LedgerError
from state.model.timestamps import to_text
from state.operations import commands, reviews
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import error_list, ledger_status, spending
from state.queries.batch_list import batches_of
from titan_console.agents import arguments
from titan_console.agents.arguments import Arguments
from titan_console.agents.output import LISTED, cut, fitting, shortened

_ACTOR = "mcp"
_MESSAGE = 500


class Agent(Struct, frozen=True, kw_only=True):
    """The ledger that the tools work on, and whether they may spend."""

    settings: Settings
    writes: bool

    @property
    def folder(self) -> Folder:
        """TITAN_HOME."""
        return self.settings.folder

    def rules(self) -> TitanToml:
        """titan.toml as it is now."""
        return titan_file.read(self.folder)

    def may_poll(self) -> bool:
        """Whether a call of this server polls; a read-only one sends nothing."""
        return self.writes and can_call(self.settings, self.rules().lanes)


class Tool(Struct, frozen=True, kw_only=True):
    """A tool: its description, the record of its arguments, and what it does."""

    description: str
    arguments: type[Arguments]
    run: Callable[[Agent, Any], object]
    writes: bool = False


def _now() -> datetime:
    return SystemClock().now()


def _plan(agent: Agent, given: arguments.Submission) -> object:
    with _requests(given) as requests:
        found = make_plan(agent.folder, requests, _options(given), now=_now())
    return shortened(to_builtins(dry_run.report(found))) | _budgets(agent)


def _submit(agent: Agent, given: arguments.Submission) -> object:
    with _requests(given) as requests, open_engine(agent.settings, actor=_ACTOR) as engine:
        submitted = engine.submit(requests, _options(given))
        batches = batches_of(engine.context.ledger, submitted.submission)
    return shortened(to_builtins(submit_report.report(submitted, batches))) | _budgets(agent)


@contextmanager
def _requests(given: arguments.Submission) -> Generator[Iterable[object], None, None]:
    """The requests of the call, or of its file, whose errors name the line."""
    if (given.file is None) == (given.requests is None):
        raise InputError("Pass either file or requests.", code="invalid_arguments")
    if given.file is None:
        yield given.requests or ()
        return
    path = Path(given.file)
    if not path.is_absolute() or not path.is_file():
        raise InputError(
            f"{given.file!r:.200} is not the absolute path of a file.", code="invalid_arguments"
        )
    with path.open("rb") as file:
        source = RequestFile(file)
        with source.naming_lines():
            yield source


def _options(given: arguments.Submission) -> SubmitOptions:
    deadline = None
    if given.deadline is not None:
        with suppress(ValueError):
            deadline = datetime.fromisoformat(given.deadline)
        if deadline is None or deadline.tzinfo is None:
            raise InputError(
                f"deadline {given.deadline!r:.60} is not a date and time with a zone, such as"
                " 2026-05-02T06:00+02:00.",
                code="deadline_invalid",
            )
    return SubmitOptions(
        tag=given.tag,
        model=given.model,
        workflow=given.workflow,
        job=given.job,
        deadline=deadline,
        output=given.schema,
    )


def _budgets(agent: Agent) -> dict[str, object]:
    """The spending limits, as part of an answer."""
    found = agent_budgets.report(agent.folder, agent.rules().budgets, now=_now())
    return {"agent_budgets": to_builtins(found)}


def require_budgets(agent: Agent) -> None:
    """Raise SettingsError unless the owner has limited what agents may spend."""
    limits = agent.rules().budgets.agents
    if limits.call_usd is None or limits.day_usd is None:
        raise SettingsError(
            "Nothing may be spent yet: the owner of titan.toml sets call_usd and day_usd in"
            " [budgets.agents].",
            code="agent_budget_missing",
        )


def _status(agent: Agent, given: arguments.Status) -> object:
    if given.name is not None:
        return statuses(agent, given.name, waited_s=0.0, problems=())
    with open_reader(agent.folder) as reader:
        found = status_report.status(
            reader,
            now_ts=to_text(ledger_now(reader)),
            silent_after=silent_after(agent.rules().alerts),
            fallback_files=len(fallback_file.pending(agent.folder)),
        )
    report: dict[str, Any] = to_builtins(found)
    return shortened(report) | _budgets(agent)


def statuses(agent: Agent, name: str, *, waited_s: float, problems: Iterable[str]) -> object:
    """The requests that the name stands for, as `wait --json` prints them."""
    found = request_statuses.of_name(agent.folder, name, _now())
    report = request_statuses.report(name, found, waited_s=waited_s, problems=list(problems))
    return shortened(to_builtins(report))


def _results(agent: Agent, given: arguments.Results) -> object:
    found = request_statuses.of_name(agent.folder, given.name, _now())
    with open_reader(agent.folder) as reader:
        rows = results(reader, agent.folder, given.name, start=given.offset)
        page = fitting(_row(result, given.max_chars) for result in islice(rows, given.limit))
    after = given.offset + len(page)
    return {
        "name": given.name,
        "requests": found.requests,
        "unfinished": found.unfinished,
        "results": page,
        "next_offset": after if page and after < found.requests else None,
    }


def _row(result: Result, most: int) -> dict[str, object]:
    """The result without the message, whose text it has."""
    stop_reason = result["message"] and result["message"].get("stop_reason")
    error = result["error"]
    return {
        "custom_id": result["custom_id"],
        "outcome": result["outcome"],
        "text": cut(result["text"], most),
        "stop_reason": stop_reason,
        "error": error and error | {"message": cut(error["message"], _MESSAGE)},
        "invalid": cut(result["invalid"], _MESSAGE),
        "cost_usd": result["cost_usd"],
        "batch_id": result["batch_id"],
    }


def _errors(agent: Agent, given: arguments.Errors) -> object:
    with open_reader(agent.folder) as reader:
        if given.groups:
            found = error_list.grouped(reader, (), ledger_now(reader))
            groups = error_groups.group(found.groups)
            return {
                "groups": fitting(error_reports.error_group(one) for one in groups[: given.limit]),
                "groups_total": len(groups),
                "errors": found.total,
            }
        rows = error_list.errors(reader, before_id=given.cursor, limit=given.limit)
        page = fitting(_cut_message(error_reports.error(row)) for row in rows)
        has_more = len(page) < len(rows) or len(rows) == given.limit
        asked = reviews.rows(reader, limit=given.limit) if given.cursor is None else ()
        return {
            "errors_total": ledger_status.count_failed(reader),
            "errors": page,
            "next_cursor": rows[len(page) - 1].request_id if page and has_more else None,
            "reviews_total": reviews.count(reader),
            "reviews": fitting(map(error_reports.review, asked), beside=page),
        }


def _cut_message(report: error_reports.ErrorReport) -> dict[str, object]:
    return to_builtins(report) | {"error_message": cut(report.error_message, _MESSAGE)}


def _preview(agent: Agent, given: arguments.Selection) -> object:
    with _opened(agent) as engine:
        planned = planner.plan(engine.context, _command(engine, given))
        planner.discard(engine.context, planned)
    return shortened(to_builtins(planned.preview.as_json())) | _budgets(agent)


def _replay(agent: Agent, given: arguments.Replay) -> object:
    with _opened(agent) as engine:
        planned = planner.plan(engine.context, _command(engine, given, given.reason))
        command, is_new = planner.submit(engine.context, planned, delay=timedelta(0))
        problems = poll(engine) if agent.may_poll() else [_LATER]
        command = commands.get(engine.context.ledger, command.id)
        report = as_report(command, waits_for(engine.context.ledger, command))
    found = to_builtins(report) | {"repeated": not is_new, "problems": problems}
    return shortened(found) | _budgets(agent)


_LATER = "No API key here: the scheduled poller runs the command."


def _opened(agent: Agent) -> Engine:
    return open_engine(agent.settings, actor=_ACTOR, creates=False)


def poll(engine: Engine) -> list[str]:
    """Poll once; its problems. What it could not do, a later poll does."""
    try:
        return engine.poll().problems
    except (SettingsError, LedgerError) as error:
        return problems_of(error)


def _command(engine: Engine, given: arguments.Selection, reason: str = "") -> CommandRequest:
    now = engine.context.clock.now()
    since = None if given.since is None else to_text(parse_since(given.since, now))
    return CommandRequest(
        action=Action.REPLAY,
        wanted=Filter(
            names=tuple(given.names),
            workflow=given.workflow,
            outcome=given.outcome,
            error_type=given.error_type,
            stop_reason=given.stop_reason,
            since_ts=since,
        ),
        reason=reason,
        force=given.force,
        canary=given.canary,
        changes=parse_changes(f"{name}={json.dumps(to)}" for name, to in given.changes.items()),
    )


def _savings(agent: Agent, given: arguments.Savings) -> object:
    prices = PriceBook.of_rules(agent.rules())
    with open_reader(agent.folder) as reader:
        since_ts = to_text(parse_since(given.since, ledger_now(reader)))
        rows = spending.spending(reader, given.by, since_ts=since_ts)
        month = savings.report(savings.read(reader, prices, ledger_now(reader).date()))
    listed = [
        {given.by: row.name} | to_builtins(savings.spending_report(row)) for row in rows[:LISTED]
    ]
    total = savings.spending_report(spending.added("total", rows)) if rows else None
    return {
        "since": since_ts,
        "total": total,
        "rows": listed,
        "rows_total": len(rows),
        "last_30_days": month,
    }


def _forecast(agent: Agent, given: arguments.Forecast) -> object:
    if not math.isfinite(given.scale):
        raise InputError("scale is not a number.", code="invalid_arguments")
    rules = titan_file.read_strictly(agent.folder, or_template=True)
    with reader_if_any(agent.folder) as reader:
        history = measured(reader) if reader else {}
    found = forecast.forecast(
        rules,
        PriceBook.of_rules(rules),
        at=_now(),
        scale=Decimal(str(given.scale)),
        measured=history,
    )
    return shortened(to_builtins(forecast.report(found)))


TOOLS = {
    "plan": Tool(
        description="What submitting these requests would cost at most and is expected to cost, in"
        " a batch and synchronously, with warnings. Nothing is sent or stored.",
        arguments=arguments.Submission,
        run=_plan,
    ),
    "submit": Tool(
        description="Store requests durably and send them as a batch, at half price; answers"
        " arrive within 24 hours. The same call again sends nothing twice.",
        arguments=arguments.Submission,
        run=_submit,
        writes=True,
    ),
    "status": Tool(
        description="Open batches, totals, savings, alerts, the poller and the spending limits; or"
        " the requests of a name by status.",
        arguments=arguments.Status,
        run=_status,
    ),
    "results": Tool(
        description="Answers in input order, page by page. For many or long answers, use"
        " `titan-console export NAME -o FILE` in a shell and read the file.",
        arguments=arguments.Results,
        run=_results,
    ),
    "errors": Tool(
        description="Errored requests, newest first, and answers that need review (refused, cut"
        " off, unfinished or invalid); or groups of equal errors.",
        arguments=arguments.Errors,
        run=_errors,
    ),
    "preview": Tool(
        description="What `replay` with the same arguments would do and cost. Changes nothing.",
        arguments=arguments.Selection,
        run=_preview,
    ),
    "replay": Tool(
        description="Run errored requests again in a new batch, optionally with changed"
        " parameters. Call `preview` first.",
        arguments=arguments.Replay,
        run=_replay,
        writes=True,
    ),
    "savings": Tool(
        description="What batches cost and saved in a period, and the projection for this month.",
        arguments=arguments.Savings,
        run=_savings,
    ),
    "forecast": Tool(
        description="What the jobs in titan.toml cost a month, as batches and synchronously.",
        arguments=arguments.Forecast,
        run=_forecast,
    ),
}
