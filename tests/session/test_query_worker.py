import gc
from pathlib import Path

from support.console.console_builders import LedgerBuilder

from state.files.folder import Folder
from titan_console.session.query_worker import LiveQuery, QueryWorker, Work


def test_a_plan_that_is_not_started_leaves_nothing_behind(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    worker = QueryWorker(Folder(made.path.parent))
    begun: list[Work] = []
    answers = LiveQuery(
        worker, lambda source: len(source.rows("SELECT 1")), print, print, begun.append
    )
    answers.changed()
    assert len(begun) == 1
    begun.clear()
    # A coroutine that was never awaited would be said here, and fail the test.
    gc.collect()
    worker.close()
    made.close()
