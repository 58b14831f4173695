"""A page with questions of its own about the ledger, answered off the thread that draws."""

from collections.abc import Callable
from typing import Any, TypeVar

from state.db.reader import Source
from titan_console.session.console_state import ConsoleState
from titan_console.session.query_worker import LiveQuery, QueryWorker, Work
from titan_console.tui.pages.page import Page

Answer = TypeVar("Answer")


class QueryPage(Page):
    """Keeps its questions answered while it is seen and the ledger changes."""

    def __init__(self, state: ConsoleState) -> None:
        """`state` is what the app knows of the ledger."""
        super().__init__(state)
        self._workers: list[QueryWorker] = []
        self._answers: list[LiveQuery[Any]] = []

    def add_query(
        self, question: Callable[[Source], Answer], take: Callable[[Answer], None]
    ) -> LiveQuery[Answer]:
        """Ask whenever the ledger has changed; `take` gets each answer, and a new one is drawn."""
        drawn: tuple[int, Answer] | None = None

        def taken(answer: Answer) -> None:
            nonlocal drawn
            take(answer)
            self.show_problem("")
            if drawn != (answers.number, answer):
                drawn = (answers.number, answer)
                self.show()

        worker = QueryWorker(self.state.path)
        worker.note = self.state.metrics.record_query
        answers = LiveQuery(worker, question, taken, self.show_problem, self._start)
        self._workers.append(worker)
        self._answers.append(answers)
        return answers

    def ledger_changed(self) -> None:
        """Ask again."""
        for answers in self._answers:
            answers.changed()

    def on_unmount(self) -> None:
        """Let go of the ledger."""
        for worker in self._workers:
            worker.close()

    def _start(self, work: Work) -> None:
        self.run_worker(work, exit_on_error=True)
