"""A page with queries of its own, which run on worker threads."""

from collections.abc import Callable
from typing import Any, TypeVar

from state.db.reader import Source
from titan_console.session.console_state import ConsoleState
from titan_console.session.query_worker import LiveQuery, QueryWorker, Work
from titan_console.tui.pages.page import Page

Answer = TypeVar("Answer")


class QueryPage(Page):
    """Refreshes its queries when the ledger changes while it is shown."""

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._workers: list[QueryWorker] = []
        self._answers: list[LiveQuery[Any]] = []

    def add_query(
        self, question: Callable[[Source], Answer], take: Callable[[Answer], None]
    ) -> LiveQuery[Answer]:
        """Run the query at each change; `take` gets each result, and a new one is drawn."""
        drawn: tuple[int, Answer] | None = None

        def taken(answer: Answer) -> None:
            nonlocal drawn
            take(answer)
            self.show_problem("")
            if drawn != (answers.number, answer):
                drawn = (answers.number, answer)
                self.show()

        worker = QueryWorker(self.state.folder)
        worker.note = self.state.metrics.record_query
        answers = LiveQuery(worker, question, taken, self.show_problem, self._start)
        self._workers.append(worker)
        self._answers.append(answers)
        return answers

    def ledger_changed(self) -> None:
        """Run the queries again."""
        for answers in self._answers:
            answers.changed()

    def on_unmount(self) -> None:
        """Close the ledger."""
        for worker in self._workers:
            worker.close()

    def _start(self, work: Work) -> None:
        self.run_worker(work, exit_on_error=True)
