"""Ten thousand requests of which a thousand failed: each is answered once."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import a_bench
from support.lifecycle import billed_nano, our_bill, poll_until_done, requests

from core.commands import planner
from core.commands.command_request import CommandRequest
from state.model.records import RequestStatus
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import ledger_status
from titan_console.sandbox.model.timing import Plan

COUNT, FAILED = 10_000, 1_000


@pytest.mark.slow
def test_a_thousand_of_ten_thousand_are_replayed_without_duplicate_charges(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        # Every tenth custom_id ends in 0; on the wire eight signs and a dash follow.
        bench.faults.add("row:overloaded:id=*0-????????")
        key = bench.submit(COUNT).submission.key
        poll_until_done(bench)
        assert requests(bench) == {
            RequestStatus.SUCCEEDED: COUNT - FAILED,
            RequestStatus.ERRORED: FAILED,
        }
        bench.faults.clear()
        context = bench.engine.context
        planned = planner.plan(
            context, CommandRequest(action=Action.REPLAY, wanted=Filter(names=(key,)))
        )
        assert planned.preview.count == FAILED
        planner.submit(context, planned, delay=timedelta())
        bench.poll_after(1)
        poll_until_done(bench)

        assert requests(bench) == {RequestStatus.SUCCEEDED: COUNT}
        posts = [len(post.custom_ids) for post in bench.sandbox.billing_log().posts]
        assert posts == [COUNT, FAILED]
        billed = Counter(row.custom_id.rpartition("-")[0] for row in our_bill(bench))
        assert (len(billed), set(billed.values())) == (COUNT, {1})
        totals = ledger_status.totals(context.ledger)
        assert (totals.cost_nano, totals.duplicate_nano) == (billed_nano(bench), 0)
        outcomes = Counter(result["outcome"] for result in bench.engine.results(key))
        assert outcomes == {"succeeded": COUNT}
