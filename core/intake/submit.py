"""Takes one call of `submit` in: checked, on disk, in the ledger, and only then sent."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from core.batches.context import Context
from core.batches.send import send_intents
from core.batches.sync_fallback import answer
from core.commands import pausing
from core.config.budget_limits import Budgets
from core.config.catalogue import Catalogue
from core.config.titan_file import read
from core.errors import ApiError, PayloadError, SettingsError
from core.intake.options import Order, Terms, settle
from core.intake.warnings import Seen, cautions
from core.money.budgets import check
from core.money.estimate import Estimate
from core.requests.batch_splitter import Cutter
from core.requests.payload import Line, to_line, wire_overhead
from state.batches import budget_reservations, sending, submissions
from state.files.spool import SpoolWriter
from state.model.errors import LedgerError
from state.model.records import NewSubmission, OnFailure, SpooledRequest, Submission
from state.operations import deadlines, pauses

__all__ = ["Order", "Submitted", "admit", "begin_estimate", "book", "submit"]

_KEY_LENGTH = 10


class Submitted(Struct, frozen=True, kw_only=True):
    """What became of a call: `repeated` when it was known already, `trouble` when it waits.

    `warnings` are lines on what was taken in all the same.
    """

    submission: Submission
    repeated: bool
    trouble: str | None
    warnings: tuple[str, ...] = ()


def submit(context: Context, requests: Iterable[object], order: Order) -> Submitted:
    """Take the requests in and send them; what cannot be sent now stays queued.

    Raises PayloadError (NeverBatched and OverBudget among them) or AlreadySubmitted, and then
    nothing was taken in; LedgerError when it could not be written down.
    """
    rules = read(context.folder)
    terms, requests = settle(order, requests, rules, now=context.clock.now())
    reading = _Reading(
        seen=Seen(),
        estimate=begin_estimate(context, rules),
    )
    usual = deadlines.usual_turnaround(context.ledger, terms.workflow)
    taken, is_new = _take_in(context, requests, terms, rules, reading)
    if not is_new:
        return Submitted(submission=taken, repeated=True, trouble=None)
    warnings = cautions(
        reading.seen,
        terms,
        now=context.clock.now(),
        usual=usual,
        priced=rules.prices,
    )
    trouble = _send(context, taken)
    return Submitted(submission=taken, repeated=False, trouble=trouble, warnings=warnings)


def begin_estimate(context: Context, rules: Catalogue) -> Estimate | None:
    """An estimate where a budget asks for one."""
    if rules.budgets == Budgets():
        return None
    return Estimate.begin(context.prices, context.clock.now())


class _Reading(Struct, frozen=True, kw_only=True):
    """What is added up while the requests go by; an estimate only where a budget asks for it."""

    seen: Seen
    estimate: Estimate | None

    def add(self, line: Line) -> None:
        self.seen.add(line)
        if self.estimate is not None:
            self.estimate.add(line)


def _take_in(
    context: Context,
    requests: Iterable[object],
    terms: Terms,
    rules: Catalogue,
    reading: _Reading,
) -> tuple[Submission, bool]:
    key = f"tb_{context.ledger.word(_KEY_LENGTH)}"
    spool = SpoolWriter(context.folder.spool, f"{key}.jsonl", step=context.ledger.step)
    try:
        submissions.stage(context.ledger, _spooled(context, requests, terms, spool, reading))
        spool.finish()
        _refuse_nothing(reading.seen)
        new = _new_submission(context, terms, key, spool.path.name)
        taken, is_new = submissions.take_in(
            context.ledger,
            new,
            wire_overhead=wire_overhead(),
            admit=lambda: admit(context, rules, new, reading.estimate),
            book=lambda taken: book(context, taken, reading.estimate),
        )
    except (Exception, KeyboardInterrupt):
        # A Ctrl-C may come after the commit, and then the ledger points at the file.
        if not submissions.is_taken_in(context.ledger, key):
            spool.discard()
        raise
    if not is_new:
        spool.discard()
    return taken, is_new


def _refuse_nothing(seen: Seen) -> None:
    if not seen.requests:
        raise PayloadError("There is nothing to submit: the list of requests is empty.")


def _spooled(
    context: Context,
    requests: Iterable[object],
    terms: Terms,
    spool: SpoolWriter,
    reading: _Reading,
) -> Iterator[SpooledRequest]:
    """Check and write each request; cut them into batches as they come."""
    seen: dict[str, int] = {}
    cutter = Cutter(context.limits)
    for position, line in enumerate(_lines(context, requests, terms), 1):
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
            line.custom_id, offset, len(line.body), line.digest, cutter.place(line), betas
        )
        if position % 1000 == 0:
            context.progress("checking", position, 0)


def _lines(context: Context, requests: Iterable[object], terms: Terms) -> Iterator[Line]:
    for position, request in enumerate(requests, 1):
        yield to_line(
            request,
            position=position,
            model=terms.model,
            betas=terms.betas,
            limits=context.limits,
            cache=terms.cache,
        )


def _new_submission(context: Context, terms: Terms, key: str, spool_file: str) -> NewSubmission:
    return NewSubmission(
        key=key,
        tag=terms.tag,
        workflow=terms.workflow,
        job=terms.job,
        model=terms.model,
        work_date=terms.work_date,
        deadline_ts=terms.deadline_ts,
        on_failure=terms.on_failure,
        created_by=context.ledger.actor,
        created_ts=context.ledger.now_text(),
        spool_file=spool_file,
    )


def admit(
    context: Context, rules: Catalogue, new: NewSubmission, estimate: Estimate | None
) -> None:
    """Raises OverBudget, inside the transaction, so that two at once cannot both have the rest."""
    if estimate is not None:
        today = context.ledger.now_text()[:10]
        limits = rules.budgets.limits_of(day=today, workflow=new.workflow, tag=new.tag)
        check(limits, estimate, lambda scope: budget_reservations.committed(context.ledger, scope))


def book(context: Context, taken: Submission, estimate: Estimate | None) -> None:
    """Inside the transaction: what it may cost counts from now on."""
    if estimate is not None:
        budget_reservations.add(context.ledger, taken, estimate.batch_nano)


def _send(context: Context, submission: Submission) -> str | None:
    """Send the new intents; in words, what keeps them waiting.

    Where the job wants it so, what surely was not taken in is answered at once instead.
    """
    paused = pauses.pause_of(context.ledger, submission.workflow)
    if paused is not None:
        return pausing.describe(paused)
    intents = sending.intents_of(context.ledger, submission)
    try:
        trouble = send_intents(context, intents)
        if trouble and submission.on_failure == OnFailure.SYNC:
            return answer(context, submission, trouble)
    except (SettingsError, ApiError, LedgerError) as error:
        # It is in the ledger for good, and the next pass goes on with it.
        return str(error)
    return trouble
