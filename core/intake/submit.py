"""Takes one call of `submit` in: checked, on disk, in the ledger, and only then sent."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from core.batches.context import Context
from core.batches.send import send_intents
from core.batches.sync_fallback import answer
from core.config.budget_limits import Budgets
from core.config.catalogue import Catalogue
from core.config.titan_file import read
from core.errors import ApiError, PayloadError, SettingsError
from core.intake.options import ResolvedOptions, SubmitOptions, resolve_options
from core.intake.warnings import RequestStats, warnings_for
from core.money.budgets import check
from core.money.estimate import Estimate
from core.requests.batch_splitter import BatchSplitter
from core.requests.payload import Line, to_line, wire_overhead
from state.batches import budget_reservations, sending, submissions
from state.files.spool import SpoolWriter
from state.model.errors import LedgerError
from state.model.records import NewSubmission, OnFailure, SpooledRequest, Submission
from state.operations import deadlines, pauses

__all__ = ["SubmitOptions", "SubmitResult", "begin_estimate", "check_budgets", "reserve", "submit"]

_KEY_LENGTH = 10


class SubmitResult(Struct, frozen=True, kw_only=True):
    """What became of a call: `repeated` when it was known already, `problem` when it waits.

    `warnings` are lines on what was taken in all the same.
    """

    submission: Submission
    repeated: bool
    problem: str | None
    warnings: tuple[str, ...] = ()


def submit(context: Context, requests: Iterable[object], options: SubmitOptions) -> SubmitResult:
    """Take the requests in and send them; what cannot be sent now stays queued.

    Raises PayloadError (Denylisted and OverBudget among them) or AlreadySubmitted, and then
    nothing was taken in; LedgerError when it could not be written down.
    """
    rules = read(context.folder)
    resolved, requests = resolve_options(options, requests, rules, now=context.clock.now())
    reading = _Reading(
        stats=RequestStats(),
        estimate=begin_estimate(context, rules),
    )
    usual = deadlines.usual_turnaround(context.ledger, resolved.workflow)
    taken, is_new = _take_in(context, requests, resolved, rules, reading)
    if not is_new:
        return SubmitResult(submission=taken, repeated=True, problem=None)
    warnings = warnings_for(
        reading.stats,
        resolved,
        now=context.clock.now(),
        usual=usual,
        priced=rules.prices,
    )
    problem = _send(context, taken)
    return SubmitResult(submission=taken, repeated=False, problem=problem, warnings=warnings)


def begin_estimate(context: Context, rules: Catalogue) -> Estimate | None:
    """An estimate where a budget asks for one."""
    if rules.budgets == Budgets():
        return None
    return Estimate.begin(context.prices, context.clock.now())


class _Reading(Struct, frozen=True, kw_only=True):
    """What is added up while the requests go by; an estimate only where a budget asks for it."""

    stats: RequestStats
    estimate: Estimate | None

    def add(self, line: Line) -> None:
        self.stats.add(line)
        if self.estimate is not None:
            self.estimate.add(line)


def _take_in(
    context: Context,
    requests: Iterable[object],
    resolved: ResolvedOptions,
    rules: Catalogue,
    reading: _Reading,
) -> tuple[Submission, bool]:
    key = f"tb_{context.ledger.word(_KEY_LENGTH)}"
    spool = SpoolWriter(
        context.folder.spool, f"{key}.jsonl", crash_point=context.ledger.crash_point
    )
    try:
        submissions.stage(context.ledger, _spooled(context, requests, resolved, spool, reading))
        spool.finish()
        _refuse_nothing(reading.stats)
        new = _new_submission(context, resolved, key, spool.path.name)
        taken, is_new = submissions.take_in(
            context.ledger,
            new,
            wire_overhead=wire_overhead(),
            check_budgets=lambda: check_budgets(context, rules, new, reading.estimate),
            reserve=lambda taken: reserve(context, taken, reading.estimate),
        )
    except (Exception, KeyboardInterrupt):
        # A Ctrl-C may come after the commit, and then the ledger points at the file.
        if not submissions.is_taken_in(context.ledger, key):
            spool.discard()
        raise
    if not is_new:
        spool.discard()
    return taken, is_new


def _refuse_nothing(stats: RequestStats) -> None:
    if not stats.requests:
        raise PayloadError("There is nothing to submit: the list of requests is empty.")


def _spooled(
    context: Context,
    requests: Iterable[object],
    resolved: ResolvedOptions,
    spool: SpoolWriter,
    reading: _Reading,
) -> Iterator[SpooledRequest]:
    """Check and write each request; cut them into batches as they come."""
    seen: dict[str, int] = {}
    splitter = BatchSplitter(context.limits)
    for position, line in enumerate(_lines(context, requests, resolved), 1):
        if line.custom_id in seen:
            raise PayloadError(
                f"custom_id {line.custom_id!r} comes twice: it is request {seen[line.custom_id]}"
                f" and request {position}."
            )
        seen[line.custom_id] = position
        reading.add(line)
        offset = spool.write(line.body)
        betas = ",".join(line.betas) if line.betas else ""
        yield SpooledRequest(
            line.custom_id, offset, len(line.body), line.digest, splitter.place(line), betas
        )
        if position % 1000 == 0:
            context.progress("checking", position, 0)


def _lines(
    context: Context, requests: Iterable[object], resolved: ResolvedOptions
) -> Iterator[Line]:
    for position, request in enumerate(requests, 1):
        yield to_line(
            request,
            position=position,
            model=resolved.model,
            betas=resolved.betas,
            limits=context.limits,
            cache=resolved.cache,
        )


def _new_submission(
    context: Context, resolved: ResolvedOptions, key: str, spool_file: str
) -> NewSubmission:
    return NewSubmission(
        key=key,
        tag=resolved.tag,
        workflow=resolved.workflow,
        job=resolved.job,
        model=resolved.model,
        work_date=resolved.work_date,
        deadline_ts=resolved.deadline_ts,
        on_failure=resolved.on_failure,
        created_by=context.ledger.actor,
        created_ts=context.ledger.now_text(),
        spool_file=spool_file,
    )


def check_budgets(
    context: Context, rules: Catalogue, new: NewSubmission, estimate: Estimate | None
) -> None:
    """Raises OverBudget, inside the transaction, so that two at once cannot both have the rest."""
    if estimate is not None:
        today = context.ledger.now_text()[:10]
        limits = rules.budgets.limits_of(day=today, workflow=new.workflow, tag=new.tag)
        check(limits, estimate, lambda scope: budget_reservations.reserved(context.ledger, scope))


def reserve(context: Context, taken: Submission, estimate: Estimate | None) -> None:
    """Inside the transaction: what it may cost counts from now on."""
    if estimate is not None:
        budget_reservations.reserve(context.ledger, taken, estimate.batch_nano)


def _send(context: Context, submission: Submission) -> str | None:
    """Send the new intents; in words, what keeps them waiting.

    Where the job wants it so, what surely was not taken in is answered at once instead.
    """
    paused = pauses.pause_of(context.ledger, submission.workflow)
    if paused is not None:
        return (
            f"Workflow {paused.workflow} is paused since {paused.since_ts}: its requests stay"
            " queued until `titan-console resume`."
        )
    intents = sending.intents_of(context.ledger, submission)
    try:
        problem = send_intents(context, intents)
        if problem and submission.on_failure == OnFailure.SYNC:
            return answer(context, submission, problem)
    except (SettingsError, ApiError, LedgerError) as error:
        # It is in the ledger for good, and the next poll goes on with it.
        return str(error)
    return problem
