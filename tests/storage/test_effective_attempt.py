"""Console filter, `--error-type`, lists and exports agree on the attempt of a request."""

from support.console.console_builders import Failure, LedgerBuilder
from support.ledgers.ledger_views import ids

from state.operations import selection
from state.operations.command_effects import requeue
from state.operations.selection import Filter
from state.queries import request_detail, request_list, result_rows
from state.queries.request_list import STATES, Query
from titan_console.text.filters import Vocabulary, parse

ALL = Vocabulary(request_list.FIELDS, STATES)


def test_while_failed_requests_are_replayed_all_say_how_they_failed(made: LedgerBuilder) -> None:
    made.collected("feed-1", ["a", "b", "c"], [Failure("overloaded_error", "busy")] * 3)
    failed = list(ids(made.ledger, "feed-1").values())
    for replayed in (False, True):
        if replayed:
            assert requeue(made.ledger, 0, failed) == 3
            made.plan()
        query = Query(parse("err:overloaded_error", ALL).terms)
        assert sorted(request_list.ids(made.ledger, query, made.clock.now())) == failed
        wanted = Filter(names=("feed-1",), error_type="overloaded_error")
        assert [row.request_id for row in selection.requests(made.ledger, wanted)] == failed
        rows = request_list.rows(made.ledger, failed).values()
        assert {row.error_type for row in rows} == {"overloaded_error"}
        exported = list(result_rows.export_rows(made.ledger, failed))
        assert {row.error_type for row in exported} == {"overloaded_error"}
        record = request_detail.request(made.ledger, "feed-1", "a")
        assert record is not None
        assert record.effective is not None
        assert record.effective.error_type == "overloaded_error"
        assert {row.attempts for row in exported} == {1 + replayed}
