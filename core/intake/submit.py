"""Submits requests: checked, written to the spool and the ledger, and only then sent."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from core.batches import budget_admission
from core.batches.engine_context import Context
from core.batches.send import send_queued
from core.batches.synchronous.sync_run import run_synchronously
from core.config.titan_file import read
from core.config.titan_tables import TitanToml
from core.errors import ApiError, PayloadError, SettingsError
from core.intake import priming_plan
from core.intake.options import (
    ResolvedOptions,
    SubmitOptions,
    check_configuration,
    resolve_options,
)
from core.intake.priming_plan import Primer
from core.intake.warnings import RequestStats, refusal, warnings_for
from core.money.budgets import CostSums, admit
from core.requests.api_rules import Rules
from core.requests.batch_splitter import BatchSplitter
from core.requests.common_prefix import MARK_BYTES
from core.requests.common_prefix import at_most as as_marked
from core.requests.payload import Limits, Line, to_line, wire_overhead
from core.requests.seen_ids import SeenIds
from state.batches import sending, submissions
from state.batches.output_schemas import SchemaColumns
from state.batches.priming_records import stop_of
from state.db.ledger import Ledger, Transaction
from state.files.spool import SpoolWriter
from state.files.spool_lane import lane_line
from state.model.errors import COMMIT_UNKNOWN, LedgerError
from state.model.records import (
    DEFAULT_LANE,
    NewSubmission,
    OnFailure,
    SpooledRequest,
    Submission,
)
from state.operations import deadlines, pauses

__all__ = ["SubmitOptions", "SubmitResult", "checked_lines", "new_submission", "store", "submit"]

_KEY_LENGTH = 10
_NO_SCHEMA = (None, None)


class SubmitResult(Struct, frozen=True, kw_only=True):
    """The stored submission: `repeated` when it was known already, `problem` when it is queued.

    `warnings` are lines about requests that were accepted all the same.
    """

    submission: Submission
    repeated: bool
    problem: str | None
    warnings: tuple[str, ...] = ()


def submit(context: Context, requests: Iterable[object], options: SubmitOptions) -> SubmitResult:
    """Store the requests and send them; what cannot be sent now stays queued.

    Raises PayloadError (NeverBatched and OverBudget among them) or AlreadySubmitted, and then
    nothing was stored; LedgerError when the ledger could not be written.
    """
    rules = read(context.folder)
    resolved, requests = resolve_options(options, requests, rules, now=context.clock.now())
    context = context.on(resolved.lane)
    usual = deadlines.usual_api_time(context.ledger, resolved.workflow)
    stats = RequestStats()
    primer = priming_plan.begin(
        resolved,
        now=context.clock.now(),
        usual=usual,
        stop=stop_of(context.ledger, resolved.workflow),
    )
    key = f"tb_{context.ledger.new_id(_KEY_LENGTH)}"
    created = (context.ledger.actor, context.ledger.now_text())
    stored, is_new = store(
        context,
        checked_lines(requests, resolved, context.limits, stats=stats),
        new_submission(resolved, key, *created),
        rules,
        stats=stats,
        primer=primer if isinstance(primer, Primer) else None,
    )
    if not is_new:
        return SubmitResult(
            submission=stored,
            repeated=True,
            problem=None,
            warnings=_other_lane(stored.lane, resolved.lane),
        )
    warnings = warnings_for(
        stats,
        resolved,
        now=context.clock.now(),
        usual=usual,
        priced=rules.prices_of(resolved.lane),
    )
    warnings = (*warnings, *priming_plan.lines(primer))
    problem = _send(context, stored)
    return SubmitResult(submission=stored, repeated=False, problem=problem, warnings=warnings)


def _other_lane(lane: str, asked: str) -> tuple[str, ...]:
    """Say that the requests of an earlier call stay on their lane."""
    if lane == asked:
        return ()
    return (f"the requests of this call are on lane {lane} already; lane {asked} was not used.",)


def checked_lines(
    requests: Iterable[object],
    resolved: ResolvedOptions,
    limits: Limits,
    *,
    stats: RequestStats | None = None,
) -> Iterator[Line]:
    """Each request as the line to store; `stats` count those that the API would reject.

    Raises PayloadError, also where there is no request, and with `strict` for these too.
    """
    seen, rules = SeenIds(), Rules(resolved.betas, also_known=("custom_id",))
    model, betas, cache, output = resolved.model, resolved.betas, resolved.cache, resolved.output
    for position, request in enumerate(requests, 1):
        try:
            line = to_line(request, position, model, betas, limits, cache, output)
            if earlier := seen.add(line.custom_id, position):
                raise _duplicate(line.custom_id, earlier, position)
            problems = () if line.is_plain else rules.problems(_params(request), line.model)
            if problems and resolved.strict:
                raise refusal(line.custom_id, problems[0])
        except PayloadError as error:
            error.position = position
            raise
        if problems and stats is not None:
            stats.add_problems(line.custom_id, problems)
        yield line
    if not seen:
        raise PayloadError("The list of requests is empty.", code="no_requests")


def _params(request: object) -> dict[str, object]:
    """The params of a valid request, in either form."""
    fields = cast("dict[str, object]", request)
    return cast("dict[str, object]", fields.get("params", fields))


def _duplicate(custom_id: str, earlier: int, position: int) -> PayloadError:
    message = f"Duplicate custom_id {custom_id!r} in requests {earlier} and {position}."
    return PayloadError(message, code="duplicate_custom_id")


def new_submission(
    resolved: ResolvedOptions, key: str, created_by: str, created_ts: str
) -> NewSubmission:
    """The submission as `store` takes it; its bodies go into a spool file named after the key."""
    return NewSubmission(
        key=key,
        tag=resolved.tag,
        workflow=resolved.workflow,
        job=resolved.job,
        model=resolved.model,
        work_date=resolved.work_date,
        deadline_ts=resolved.deadline_ts,
        on_failure=resolved.on_failure,
        created_by=created_by,
        created_ts=created_ts,
        spool_file=f"{key}.jsonl",
        follow_ups=resolved.follow_ups,
        lane=resolved.lane,
    )


def store(
    context: Context,
    lines: Iterable[Line],
    new: NewSubmission,
    rules: TitanToml,
    *,
    stats: RequestStats | None = None,
    primer: Primer | None = None,
    answered: Collection[str] = (),
    after: Callable[[Transaction, Submission, bool], None] | None = None,
) -> tuple[Submission, bool]:
    """Write the bodies to the spool, then submission and batches in one transaction; no send.

    Returns the submission and whether it is new: the same call made again is the same submission.
    A `primer` finds the requests to send first, `answered` ones are in no batch, and `after` runs
    inside the transaction (import of fallback files). Budgets are checked unless something is
    already paid.
    """
    new = replace(new, host=rules.host_of(new.job))
    budget_admission.estimate_sent(context)
    cap = rules.unbounded_nano(new.job)
    sums = CostSums.begin(context.prices, context.clock.now(), unbounded_nano=cap)
    spool = SpoolWriter(
        context.folder.spool,
        new.spool_file,
        context.ledger.files,
        crash_point=context.ledger.crash_point,
    )
    try:
        spooled = _spooled(context, lines, spool, answered, sums, stats, primer)
        with submissions.staged(context.ledger, spooled) as staged:
            if rules.lanes or new.lane != DEFAULT_LANE:
                spool.write(lane_line(new.lane))
            spool.finish()

            def before_commit(tx: Transaction, submission: Submission, is_new: bool) -> None:
                if submission.key != new.key:
                    # A kill after the commit would leave it to a rebuild as another submission.
                    spool.discard()
                if after is not None:
                    after(tx, submission, is_new)

            return submissions.store(
                context.ledger,
                staged,
                new,
                wire_overhead=wire_overhead(),
                check_budgets=lambda: None if answered else _admit(context, rules, new, sums),
                priming=primer.priming() if primer else None,
                after=before_commit,
            )
    except (Exception, KeyboardInterrupt) as error:
        if not _is_stored(context.ledger, new.key, error):
            spool.discard()
        raise


def _is_stored(ledger: Ledger, key: str, error: BaseException) -> bool:
    """Whether the ledger may refer to the spool file: a Ctrl-C may come after the commit."""
    if isinstance(error, LedgerError) and error.code == COMMIT_UNKNOWN:
        return True
    try:
        return submissions.is_known(ledger, key)
    except LedgerError:
        # A damaged ledger cannot say; its own errors come before the commit.
        return not isinstance(error, LedgerError)


def _spooled(
    context: Context,
    lines: Iterable[Line],
    spool: SpoolWriter,
    answered: Collection[str],
    sums: CostSums,
    stats: RequestStats | None,
    primer: Primer | None,
) -> Iterator[SpooledRequest]:
    """Write each line to the spool, count it, and assign it to a batch."""
    schemas = SchemaColumns()
    splitter = BatchSplitter(context.limits, extra=MARK_BYTES if primer else 0)
    for position, line in enumerate(lines, 1):
        if stats is not None:
            stats.add(line)
        if primer is not None:
            primer.finder.add(line)
        offset, is_paid = spool.write(line.body), line.custom_id in answered
        part = submissions.NO_PART if is_paid else splitter.assign(line)
        betas = ",".join(line.betas) if line.betas else ""
        at_most = sums.add(as_marked(line) if primer else line, is_paid=is_paid)
        schema = schemas.of(line.schema) if line.schema else _NO_SCHEMA
        columns = (line.custom_id, offset, len(line.body), line.digest, part, betas)
        yield SpooledRequest._make((*columns, *at_most, line.model, *schema))
        if position % 1000 == 0:
            context.progress("checking", position, 0)


def _admit(context: Context, rules: TitanToml, new: NewSubmission, sums: CostSums) -> None:
    """Raise OverBudget. Runs in the transaction, so that two submissions cannot use the same rest.

    Raises SettingsError while titan.toml has a problem that may hide a limit.
    """
    check_configuration(rules)
    wanted = [sums.wanted(new.workflow, new.tag)]
    # An imported fallback file may have a reservation for a run that did not take place.
    admit(context.ledger, context.folder, rules.budgets, wanted, but_for=new.key)


def _send(context: Context, submission: Submission) -> str | None:
    """Send the new batches; returns why some are still queued.

    With on_failure="sync", requests that the API definitely did not accept run now instead.
    """
    try:
        paused = pauses.pause_of(context.ledger, submission.workflow)
        if paused is not None:
            return (
                f"Workflow {paused.workflow} is paused since {paused.since_ts}: its requests stay"
                " queued until `titan-console resume`."
            )
        queued = sending.queued_of(context.ledger, submission)
        problems: list[str] = []
        with context.lane_errors():
            # The last one says what became of the batch.
            problem = send_queued(context, queued, problems) or next(reversed(problems), None)
        if problem and submission.on_failure == OnFailure.SYNC:
            return run_synchronously(context, submission, problem)
    except (SettingsError, ApiError, LedgerError) as error:
        # The submission is stored; the next poll continues.
        return str(error)
    return problem
