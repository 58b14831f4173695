"""Runs one poll: its lease, its time limit, and each step in turn, whatever stops the others."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta

from msgspec.structs import replace

from core.api.protocol import BatchApi
from core.batches.engine_context import WRONG_API, Context
from core.batches.error_isolation import affects_all_items, reason_of, record
from core.batches.lease_keeper import LeaseKeeper
from core.batches.poll_time_limit import LeftWork, PollTimeLimit, left_by, rotated
from core.errors import ApiError, SettingsError
from core.poll import poll_steps
from core.poll.poll_steps import Step
from core.poll.poll_summary import PollSummary
from core.reporting import notifier
from core.text import pluralize
from state.batches import leases
from state.db import liveness_lock
from state.model.errors import LeaseLost, LedgerBusy, TitanError
from state.queries import batch_list, ledger_status

POLL_LEASE = "poll"
_LEASE = timedelta(minutes=15)


def poll_once(context: Context) -> PollSummary:
    """Do whatever is due. Returns at once where another poll is running.

    Raises SettingsError where the API is needed and the key is missing or rejected; the steps
    that do not need it are done first.
    """
    with liveness_lock.try_lock(context.folder.poll_lock) as is_free:
        until = context.clock.now() + _LEASE
        fence = leases.acquire(
            context.ledger,
            POLL_LEASE,
            context.instance_id,
            until=until,
            lock_id=_lock_id(context) if is_free else "",
        )
        if fence is None:
            summary = PollSummary(ran=False, busy=_other_poll(context))
            if is_free and context.ledger.is_shared:
                _do_own(context, summary)
            return summary
        with context.ledger.fenced(fence), LeaseKeeper(context, fence, _LEASE) as keeper:
            return _poll(context, keeper)


def _lock_id(context: Context) -> str:
    """Of the lock that each poll of this home keeps. The polls of a ledger file have one home."""
    path = context.folder.poll_lock
    return liveness_lock.place_id(path) if context.ledger.is_shared else path.name


def _do_own(context: Context, summary: PollSummary) -> None:
    """What only this host can do: the poll of another host leaves it alone."""
    runner = _StepRunner(context, summary)
    for step in poll_steps.OWN_STEPS:
        runner.run(step)


def _poll(context: Context, keeper: LeaseKeeper) -> PollSummary:
    """One poll that has the lease. Raises LeaseLost once another poll has it; then all is its."""
    left = left_by(ledger_status.poller(context.ledger).last_summary)
    poll_id = leases.begin_poll(context.ledger)
    summary = PollSummary()
    try:
        run_steps(_limited(context, left, keeper), summary, first=_first_step(left))
    except SettingsError as error:
        _add_problems(error, summary)
        raise
    except Exception as error:
        _note_stop(context, summary, error)
        _add_problems(error, summary)
        raise
    except BaseException:
        summary.error = "the process was stopped (Ctrl-C or SIGTERM)"
        raise
    finally:
        with suppress(LeaseLost):
            leases.end_poll(context.ledger, poll_id, summary.as_row(), summary.error)
            leases.release(context.ledger, POLL_LEASE, context.instance_id)
    return summary


def _limited(context: Context, left: LeftWork | None, keeper: LeaseKeeper) -> Context:
    """With the time of this poll, which begins with what the last one left."""
    time = PollTimeLimit(
        context.clock,
        context.poll_max_min * 60.0,
        first={items.step: items.next for items in left.items} if left else {},
        renew_lease=keeper.renew,
    )
    return replace(context, time=time, refused={})


def _first_step(left: LeftWork | None) -> str:
    return left.steps[0] if left and left.steps else ""


def _note_stop(context: Context, summary: PollSummary, error: Exception) -> None:
    """Note why the poll failed, and raise the alert where the ledger still allows it."""
    summary.error = reason_of(error)
    summary.problems.append(f"The poll stopped: {summary.error}")
    if not isinstance(error, LedgerBusy):
        with suppress(TitanError, OSError):
            summary.problems += notifier.update_and_notify(context, summary.error)


def _add_problems(error: Exception, summary: PollSummary) -> None:
    """Add the other problems of the poll to the error as notes: no summary is returned."""
    for problem in summary.problems:
        if summary.error is None or summary.error not in problem:
            error.add_note(problem)


def _other_poll(context: Context) -> str:
    poller = ledger_status.poller(context.ledger)
    if poller.lease_holder is None:
        return "Another poll was running"
    who, _, _ = poller.lease_holder.rpartition("/")
    return f"Another poll is running ({who}); its lease expires at {poller.lease_expires_ts}"


def run_steps(context: Context, summary: PollSummary, *, first: str = "") -> None:
    """Run every step, beginning with that named `first`; after the time limit only the last ones.

    Raises SettingsError after them all, where one had to do without the API.
    """
    runner = _StepRunner(context, summary)
    skipped: list[str] = []
    for name, step in rotated(_named(poll_steps.STEPS), lambda named: named[0] == first):
        if context.time.is_over:
            skipped.append(name)
        else:
            runner.run(step)
    _note_left(context, summary, skipped)
    for step in poll_steps.LAST_STEPS:
        runner.run(step)
    summary.open = batch_list.count_open(context.ledger)
    context.ledger.checkpoint()
    for name, error in context.refused.items():
        summary.error = summary.error or f"Lane {name}: {error}"
    if runner.settings_error is not None:
        summary.problems.append(str(runner.settings_error))
    summary.problems = list(dict.fromkeys(summary.problems))
    if runner.settings_error is not None:
        raise runner.settings_error


class _StepRunner:
    """Runs steps in turn; one that the API or the settings stop does not stop the others."""

    def __init__(self, context: Context, summary: PollSummary) -> None:
        self._context = context
        self._summary = summary
        self.settings_error: SettingsError | None = None

    def run(self, step: Step) -> None:
        """Raises what stops every step: the ledger, a full disk."""
        self._context.time.renew_lease()
        try:
            step(self._context, self._summary)
        except SettingsError as error:
            self.settings_error = self.settings_error or error
            self._summary.error = str(self.settings_error)
            self._context = _without_api(self._context, error)
        except ApiError as error:
            self._summary.problems.append(str(error))
        except Exception as error:
            if affects_all_items(error):
                raise
            what = f"Step '{_name(step)}'"
            record(self._context, what, error, self._summary.problems)
            self._summary.error = self._summary.problems[-1]


def _named(steps: tuple[Step, ...]) -> list[tuple[str, Step]]:
    """Each step with a name of its own: the commands have two turns."""
    seen: Counter[str] = Counter()
    named: list[tuple[str, Step]] = []
    for step in steps:
        seen[_name(step)] += 1
        again = f" ({seen[_name(step)]})" if seen[_name(step)] > 1 else ""
        named.append((f"{_name(step)}{again}", step))
    return named


def _name(step: Step) -> str:
    return step.__name__.strip("_").replace("_", " ")


def _note_left(context: Context, summary: PollSummary, skipped: list[str]) -> None:
    """Note what the time limit left; the skipped steps come first in the next poll."""
    items = list(context.time.left.values())
    if not skipped and not items:
        return
    summary.left = LeftWork(steps=skipped, items=items)
    parts = "; ".join(summary.left.lines())
    limit = pluralize(context.poll_max_min, "minute")
    summary.problems.append(
        f"The poll reached its time limit of {limit} (poll_max_min)."
        f" Left for the next poll: {parts}."
    )


def _without_api(context: Context, error: SettingsError) -> Context:
    """After a refusal of the server or the key, no later step calls the API; local steps go on."""
    if error.code not in WRONG_API:
        return context

    def refuse() -> BatchApi:
        raise error

    return replace(context, api=refuse)
