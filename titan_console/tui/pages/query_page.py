"""A page with questions of its own about the ledger, answered off the thread that draws."""

from collections.abc import Callable
from typing import Any, TypeVar

from state.db.reader import Source
from titan_console.session.console_state import View
from titan_console.session.query_worker import Answered, Desk, Work
from titan_console.tui.pages.page import Page

Answer = TypeVar("Answer")


class AskingPage(Page):
    """Keeps its questions answered while it is seen and the ledger changes."""

    def __init__(self, view: View) -> None:
        """`view` is what the app knows of the ledger."""
        super().__init__(view)
        self._desks: list[Desk] = []
        self._answers: list[Answered[Any]] = []

    def keep_answered(
        self, question: Callable[[Source], Answer], take: Callable[[Answer], None]
    ) -> Answered[Answer]:
        """Ask whenever the ledger has changed; `take` gets each answer, and a new one is drawn."""
        drawn: tuple[int, Answer] | None = None

        def taken(answer: Answer) -> None:
            nonlocal drawn
            take(answer)
            self.say_trouble("")
            if drawn != (answers.number, answer):
                drawn = (answers.number, answer)
                self.show()

        desk = Desk(self.view.path)
        desk.note = self.view.vitals.note_answer
        answers = Answered(desk, question, taken, self.say_trouble, self._start)
        self._desks.append(desk)
        self._answers.append(answers)
        return answers

    def ledger_changed(self) -> None:
        """Ask again."""
        for answers in self._answers:
            answers.changed()

    def on_unmount(self) -> None:
        """Let go of the ledger."""
        for desk in self._desks:
            desk.close()

    def _start(self, work: Work) -> None:
        self.run_worker(work, exit_on_error=True)
