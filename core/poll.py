"""One poll: recover, send what waits, look, collect, deliver, mirror. Then it is over.

Each step survives a kill at any point, and a second poll finishes what the first began. What a
poll has no work for it does not load: most polls find nothing to do.
"""

from datetime import timedelta

from msgspec import Struct, field
from msgspec.structs import asdict

from core.batches import account, unconfirmed_creates
from core.batches.context import Context
from core.batches.expiry import is_past_retention
from core.batches.listing import Listing, take
from core.batches.retry import is_due, next_poll_at, with_retries
from core.commands import auto_retry, deadline_guard, executor
from core.errors import (
    ApiError,
    NoResponse,
    NotFound,
    RateLimited,
    SettingsError,
    Unauthorized,
    Unreachable,
)
from core.reporting import notifier
from core.requests.payload import wire_overhead
from state.batches import leases, remote_status, sending, stale_files, submissions, sync_runs
from state.batches.finished_results import name_the_finished
from state.db import poll_lock
from state.files import fallback_file
from state.model.records import Batch, BatchStatus
from state.operations import delivery, hook_runs
from state.queries import batch_list, ledger_status, mirrors

# The name that earlier versions use: theirs and ours must exclude each other during an upgrade.
POLL_LEASE = "pass"
_LEASE = timedelta(minutes=15)


class PollSummary(Struct, kw_only=True):
    """What one poll did. `problems` need a person, or at least another poll.

    One that did not run says in `busy` which other one has the ledger, and until when at most.
    """

    ran: bool = True
    busy: str = ""
    sent: int = 0
    open: int = 0
    ended: int = 0
    collected: int = 0
    results: int = 0
    failed: int = 0
    commands: list[str] = field(default_factory=list[str])
    delivered: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])

    def as_json(self) -> dict[str, object]:
        """For `--json`; `orders` and `troubles` are the old keys, kept for one release."""
        return {**asdict(self), "orders": self.commands, "troubles": self.problems}


def poll_once(context: Context) -> PollSummary:
    """Do whatever is due; return at once when another poll is at it."""
    with poll_lock.try_lock(context.folder.poll_lock) as is_free:
        until = context.clock.now() + _LEASE
        if not leases.acquire(
            context.ledger, POLL_LEASE, context.holder, until=until, is_left=is_free
        ):
            return PollSummary(ran=False, busy=_who_is_at_it(context))
        return _poll(context)


def _poll(context: Context) -> PollSummary:
    poll_id = leases.begin_poll(context.ledger)
    summary = PollSummary()
    try:
        _steps(context, summary)
    finally:
        leases.end_poll(context.ledger, poll_id, asdict(summary))
        leases.release(context.ledger, POLL_LEASE, context.holder)
    return summary


def _who_is_at_it(context: Context) -> str:
    poller = ledger_status.poller(context.ledger)
    if poller.lease_holder is None:
        return "Another poll was at it"
    who, _, _ = poller.lease_holder.rpartition("/")
    return (
        f"Another poll is at it ({who}); should it hang, it is waited for until"
        f" {poller.lease_expires_ts}"
    )


def _steps(context: Context, summary: PollSummary) -> None:
    """What is done without the API is done, also where there is no key for it."""
    unset: SettingsError | None = None
    for step in _STEPS:
        _renew(context)
        try:
            step(context, summary)
        except SettingsError as error:
            unset = error
        except ApiError as error:
            summary.problems.append(str(error))
    summary.problems += notifier.update_and_notify(context)
    summary.open = batch_list.count_open(context.ledger)
    mirrors.update(context.ledger, context.folder)
    context.ledger.checkpoint()
    if unset is not None:
        summary.problems.append(str(unset))
        raise unset


def _renew(context: Context) -> None:
    leases.acquire(context.ledger, POLL_LEASE, context.holder, until=context.clock.now() + _LEASE)


def _recover_and_look(context: Context, summary: PollSummary) -> None:
    """One reading of the list serves the open batches and the unanswered creates."""
    unconfirmed_creates.expire_senders(context)
    open_batches = remote_status.at_the_api(context.ledger)
    rows = unconfirmed_creates.unresolved(context)
    if not open_batches and not rows and not unconfirmed_creates.has_suspects(context):
        return
    wanted = {batch.remote_id for batch in open_batches}

    def is_enough(listing: Listing) -> bool:
        # A twin of an open batch, which something on the way made, may stand behind it.
        return wanted.issubset(listing.batches) and all(
            unconfirmed_creates.reaches_back_to(listing, row) for row in [*rows, *open_batches]
        )

    listing = take(context, is_enough=is_enough)
    if isinstance(listing.trouble, Unauthorized):
        raise SettingsError(f"The key is not accepted. {listing.trouble}") from listing.trouble
    account.check(context, listing.account)
    if listing.trouble is not None:
        summary.problems.append(str(listing.trouble))
    # What was sent while the list was read may be in it, so the rows are read anew.
    unconfirmed_creates.resolve(context, listing, unconfirmed_creates.unresolved(context))
    # What has just been found to be ours is looked at like the rest.
    for batch in remote_status.at_the_api(context.ledger):
        summary.ended += _look(context, batch, listing)


def _look(context: Context, batch: Batch, listing: Listing) -> bool:
    """Take in what the API says of one batch; whether it has ended."""
    remote = listing.batches.get(batch.remote_id or "")
    if remote is None:
        if _is_away(listing.trouble) or not is_due(batch, context.clock.now()):
            return False
        try:
            remote = with_retries(context, lambda: context.api().retrieve(batch.remote_id or ""))
        except ApiError as error:
            _look_failed(context, batch, error)
            return False
    return remote_status.record_status(context.ledger, batch, remote).status == BatchStatus.ENDED


def _is_away(trouble: ApiError | None) -> bool:
    """Whether the API is out of reach or wants to be left alone.

    A list that merely cannot be read is no reason not to ask for the batch itself.
    """
    return isinstance(trouble, Unreachable | RateLimited) or (
        isinstance(trouble, NoResponse) and trouble.status is not None
    )


def _look_failed(context: Context, batch: Batch, error: ApiError) -> None:
    """A 404 for a batch that we know is a passing one, until the API has thrown it away."""
    now = context.clock.now()
    if isinstance(error, NotFound) and is_past_retention(batch, now):
        remote_status.mark_deleted(context.ledger, batch, str(error))
        return
    again = next_poll_at(now, failures=batch.failures, retry_after_s=error.retry_after_s)
    remote_status.record_poll_failure(context.ledger, batch, str(error), next_poll=again)


def _import_fallback_files(context: Context, summary: PollSummary) -> None:
    """Import fallback files, and finish synchronous runs whose process died."""
    if fallback_file.pending(context.folder):
        from core.intake import fallback

        summary.problems += fallback.import_all(context)
    if sync_runs.unfinished(context.ledger):
        from core.batches.sync_fallback import finish_abandoned

        summary.problems += finish_abandoned(context)


def _send_waiting(context: Context, summary: PollSummary) -> None:
    submissions.plan_waiting(
        context.ledger,
        max_requests=context.limits.max_requests,
        max_bytes=context.limits.max_bytes,
        wire_overhead=wire_overhead(),
    )
    intents = sending.queued(context.ledger)
    if not intents:
        return
    from core.batches.send import send_intents

    trouble = send_intents(context, intents)
    summary.sent = sending.count_accepted(context.ledger, intents)
    if trouble:
        summary.problems.append(trouble)


def _collect(context: Context, summary: PollSummary) -> None:
    name_the_finished(context.ledger, context.folder.results)
    if not remote_status.to_collect(context.ledger):
        return
    from core.batches.collect import collect_all

    for batch, collected in collect_all(context):
        if collected is None:
            summary.problems.append(f"{batch.key}: its results are not to be had now.")
            continue
        summary.results += collected.new
        if collected.complete:
            summary.collected += 1
            summary.failed += remote_status.failures_of(context.ledger, batch)
        else:
            summary.problems.append(
                f"{batch.key}: {collected.missing:,} results are missing; the next poll asks again."
            )


def _deliver(context: Context, summary: PollSummary) -> None:
    if not delivery.due(context.ledger):
        return
    from core.delivery.deliver import deliver_finished

    summary.delivered, problems = deliver_finished(context)
    summary.problems += problems


def _follow_up(context: Context, summary: PollSummary) -> None:
    """What a job wants run when its file is there; a poll within a job leaves it to the poller."""
    if not context.runs_commands or not hook_runs.is_any_open(context.ledger):
        return
    from core.delivery.delivery_hooks import run_due

    for trouble in run_due(context):
        _renew(context)
        if trouble:
            summary.problems.append(trouble)


def _tidy(context: Context, _summary: PollSummary) -> None:
    stale_files.sweep(context.ledger, context.folder.spool, context.clock.now())


def _carry_out(context: Context, summary: PollSummary) -> None:
    summary.commands += deadline_guard.check_deadlines(context)
    summary.commands += auto_retry.retry_failed(context)
    summary.commands += executor.run_due(context)


# Orders come before what waits is sent, and again when what they waited for has been collected.
_STEPS = (
    _recover_and_look,
    _import_fallback_files,
    _carry_out,
    _send_waiting,
    _collect,
    _carry_out,
    _deliver,
    _follow_up,
    _tidy,
)
