"""The plan of a submission against the ledger and the budgets, without a write."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from core.config import titan_file
from core.intake.dry_run import Earlier, Plan, plan
from core.intake.options import SubmitOptions
from core.money.budgets import Used, check, used_in
from core.money.cost_history import history_since
from core.money.estimate import Estimate, mean_costs
from core.money.pricing import PriceBook
from state.batches.priming_records import stop_of
from state.batches.submissions import read_existing
from state.db.opening import reader_if_any
from state.db.reader import Reader
from state.files.folder import Folder
from state.operations.deadlines import usual_api_time
from state.queries.mean_costs import answer_costs


def make_plan(
    folder: Folder,
    requests: Iterable[object],
    options: SubmitOptions,
    *,
    now: datetime,
    are_new: bool = False,
) -> Plan:
    """The plan of a submission; `are_new`: the ledger is known to have none of the requests.

    A server of the ledger has a time of its own, by which it submits: it replaces `now`.
    Raises PayloadError, NeverBatched, OverBudget, AlreadySubmitted.
    """
    rules = titan_file.read(folder)
    prices = PriceBook.with_cache(folder, rules)
    with reader_if_any(folder) as reader:
        now = (reader and reader.server_now()) or now
        found = plan(
            requests,
            options,
            rules=rules,
            limits=rules.limits.limits(),
            estimate=Estimate.begin(prices, now),
            earlier=_earlier(reader, now, are_new=are_new) if reader else Earlier(),
        )
        if not found.existing:
            check(
                rules.budgets,
                [found.sums.wanted(found.options.workflow, found.options.tag)],
                used_in(reader, folder) if reader else lambda _scope: Used(0),
                day=now.date().isoformat(),
            )
    return found


def _earlier(reader: Reader, now: datetime, *, are_new: bool) -> Earlier:
    return Earlier(
        usual=lambda workflow: usual_api_time(reader, workflow),
        stop=lambda workflow: stop_of(reader, workflow),
        history=lambda workflow, prices: mean_costs(
            answer_costs(reader, workflow, since_day=history_since(now)), prices, now
        ),
        submission=None if are_new else partial(read_existing, reader),
    )
