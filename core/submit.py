"""Takes one call of `submit` in: checked, on disk, in the ledger, and only then sent."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from core import pausing
from core.budgets import Budgets, check
from core.catalogue import Catalogue
from core.context import Context
from core.cutting import Cutter
from core.errors import LaneError, NeverBatched, PayloadError, SettingsError
from core.estimate import Estimate
from core.inline import answer
from core.payload import Line, check_name, check_tag, to_line, wire_overhead, workflow_and_date
from core.send import send_intents
from core.titan_file import read
from state import bookings, pauses, submissions
from state.errors import LedgerError
from state.records import NewSubmission, OnFailure, SpooledRequest, Submission
from state.rows import to_batch
from state.spool import SpoolWriter
from state.timestamps import to_text

_KEY_LENGTH = 10
# The parts of titan.toml that say what may be spent.
_BOUNDS = ("budgets", "never_batch", "prices")


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What a job says of its requests."""

    tag: str
    model: str = "claude-sonnet-4-6"
    workflow: str | None = None
    job: str | None = None
    deadline: datetime | None = None
    on_failure: OnFailure = OnFailure.QUEUE
    betas: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise PayloadError where a caller gave what cannot be kept."""
        check_tag(self.tag)
        check_name("model", self.model)
        for what, name in (("workflow", self.workflow), ("job", self.job)):
            if name is not None:
                check_name(what, name)
        for beta in self.betas:
            check_name("beta", beta)
        if self.deadline is not None and not _is_aware(self.deadline):
            raise PayloadError(
                "The deadline must be a datetime with a time zone, such as"
                f" datetime.now(timezone.utc), not {self.deadline!r:.60}."
            )


def _is_aware(moment: object) -> bool:
    return isinstance(moment, datetime) and moment.tzinfo is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Submitted:
    """What became of a call: `repeated` when it was known already, `trouble` when it waits."""

    submission: Submission
    repeated: bool
    trouble: str | None


def submit(context: Context, requests: Iterable[object], order: Order) -> Submitted:
    """Take the requests in and send them; what cannot be sent now stays queued.

    Raises PayloadError (NeverBatched and OverBudget among them) or AlreadySubmitted, and then
    nothing was taken in; LedgerError when it could not be written down.
    """
    taken, is_new = _take_in(context, requests, order)
    return Submitted(
        submission=taken,
        repeated=not is_new,
        trouble=_send(context, taken) if is_new else None,
    )


def _take_in(context: Context, requests: Iterable[object], order: Order) -> tuple[Submission, bool]:
    order.check()
    if order.deadline is not None and order.deadline <= context.clock.now():
        raise PayloadError(f"The deadline {order.deadline.isoformat()} has passed.")
    key = f"tb_{context.ledger.word(_KEY_LENGTH)}"
    first: list[str] = []
    rules = _readable(read(context.folder))
    estimate = (
        Estimate.begin(context.prices, context.clock.now()) if rules.budgets != Budgets() else None
    )
    spool = SpoolWriter(context.folder.spool, f"{key}.jsonl", step=context.ledger.step)
    try:
        spooled = _spooled(context, requests, order, spool, first, estimate)
        submissions.stage(context.ledger, spooled)
        spool.finish()
        new = _new_submission(context, order, key, first, spool.path.name)
        refuse_never_batched(rules, (order.job, new.workflow, first[0], order.tag))
        taken, is_new = submissions.take_in(
            context.ledger,
            new,
            wire_overhead=wire_overhead(),
            admit=lambda: _admit(context, rules, new, estimate),
            book=lambda taken: _book(context, taken, estimate),
        )
    except (Exception, KeyboardInterrupt):
        # A Ctrl-C may come after the commit, and then the ledger points at the file.
        if not submissions.is_taken_in(context.ledger, key):
            spool.discard()
        raise
    if not is_new:
        spool.discard()
    return taken, is_new


def _readable(rules: Catalogue) -> Catalogue:
    """Nothing is spent while a mistake in titan.toml hides what the owner allows."""
    for mistake in rules.mistakes:
        if not mistake.path or mistake.path[0] in _BOUNDS:
            raise SettingsError(f"{mistake} Nothing is submitted until it is mended.")
    return rules


def _spooled(
    context: Context,
    requests: Iterable[object],
    order: Order,
    spool: SpoolWriter,
    first: list[str],
    estimate: Estimate | None,
) -> Iterator[SpooledRequest]:
    """Check and write each request; cut them into batches as they come."""
    seen: dict[str, int] = {}
    cutter = Cutter(context.limits)
    for position, line in enumerate(_lines(context, requests, order), 1):
        if line.custom_id in seen:
            raise PayloadError(
                f"custom_id {line.custom_id!r} comes twice: it is request {seen[line.custom_id]}"
                f" and request {position}."
            )
        seen[line.custom_id] = position
        if not first:
            first.append(line.custom_id)
        if estimate is not None:
            estimate.add(line)
        yield SpooledRequest(
            custom_id=line.custom_id,
            offset=spool.write(line.body),
            length=len(line.body),
            sha256=line.digest,
            part=cutter.place(line),
            betas=",".join(order.betas),
        )
        if position % 1000 == 0:
            context.progress("checking", position, 0)


def _lines(context: Context, requests: Iterable[object], order: Order) -> Iterator[Line]:
    for position, request in enumerate(requests, 1):
        yield to_line(
            request,
            position=position,
            model=order.model,
            betas=order.betas,
            limits=context.limits,
        )


def _new_submission(
    context: Context, order: Order, key: str, first: list[str], spool_file: str
) -> NewSubmission:
    if not first:
        raise PayloadError("There is nothing to submit: the list of requests is empty.")
    now = context.ledger.now_text()
    workflow, date = workflow_and_date(first[0], order.tag, now[:10])
    return NewSubmission(
        key=key,
        tag=order.tag,
        workflow=order.workflow or workflow,
        job=order.job,
        model=order.model,
        work_date=date,
        deadline_ts=to_text(order.deadline) if order.deadline else None,
        on_failure=order.on_failure,
        created_by=context.ledger.actor,
        created_ts=now,
        spool_file=spool_file,
    )


def _admit(
    context: Context, rules: Catalogue, new: NewSubmission, estimate: Estimate | None
) -> None:
    """Raises OverBudget, inside the transaction, so that two at once cannot both have the rest."""
    if estimate is not None:
        limits = rules.budgets.limits_of(
            day=new.created_ts[:10], workflow=new.workflow, tag=new.tag
        )
        check(limits, estimate, lambda scope: bookings.committed(context.ledger, scope))


def _book(context: Context, taken: Submission, estimate: Estimate | None) -> None:
    if estimate is not None:
        bookings.add(context.ledger, taken, estimate.batch_nano)


def refuse_never_batched(rules: Catalogue, names: tuple[str | None, ...]) -> None:
    """Raises NeverBatched, with the reason, where one of the names is on the list."""
    found = rules.never_batch.reason_for(names)
    if found:
        raise NeverBatched(f"{found[0]!r} is never batched: {found[1]}. Call the API directly.")


def _send(context: Context, submission: Submission) -> str | None:
    """Send the new intents; in words, what keeps them waiting.

    Where the job wants it so, what surely was not taken in is answered at once instead.
    """
    paused = pauses.pause_of(context.ledger, submission.workflow)
    if paused is not None:
        return pausing.words(paused)
    intents = [
        to_batch(row)
        for row in context.ledger.rows(
            "SELECT * FROM batches WHERE submission_id = ? AND status = 'intent' ORDER BY id",
            submission.id,
        )
    ]
    try:
        trouble = send_intents(context, intents)
        if trouble and submission.on_failure == OnFailure.SYNC:
            return answer(context, submission, trouble)
    except (SettingsError, LaneError, LedgerError) as error:
        # It is in the ledger for good, and the next pass goes on with it.
        return str(error)
    return trouble
