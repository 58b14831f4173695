import gc
from pathlib import Path

from support.console_builders import LedgerBuilder

from titan_console.session.query_worker import Answered, Desk, Work


def test_a_question_that_nobody_begins_leaves_nothing_half_made(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    desk = Desk(made.path)
    begun: list[Work] = []
    answers = Answered(
        desk, lambda source: len(source.rows("SELECT 1")), print, print, begun.append
    )
    answers.changed()
    assert len(begun) == 1
    begun.clear()
    # A coroutine that was never awaited would be said here, and fail the test.
    gc.collect()
    desk.close()
    made.close()
