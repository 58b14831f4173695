"""The record that a tool acts on: that of the page, or the one under the cursor."""

from collections.abc import Callable
from typing import TypeVar

from state.db.reader import Source
from state.model.errors import LedgerError
from titan_console.session.query_worker import QueryWorker, Superseded
from titan_console.text.links import Destination, parse
from titan_console.text.safe_text import clean
from titan_console.tui.pages.detail_page import DetailPage
from titan_console.tui.pages.page import Page
from titan_console.tui.widgets.record_table import RecordTable

Answer = TypeVar("Answer")


def list_of(page: Page) -> RecordTable | None:
    """The list in use, if the page shows one."""
    if isinstance(page, DetailPage):
        found = page.list_of(page.sections.current)
        return found if isinstance(found, RecordTable) else None
    return page.list_in_use()


def link_of(page: Page) -> str:
    """The link of the page or of the row under the cursor; empty where there is none."""
    table = list_of(page)
    if table is not None:
        row = table.current()
        return row.link if row else ""
    return page.link() if isinstance(page, DetailPage) else ""


def destination_of(page: Page) -> Destination | None:
    """The destination of that link."""
    return parse(link_of(page), page.state.tabs)


async def query(page: Page, question: Callable[[Source], Answer]) -> Answer | None:
    """The result of a query; None, with a notice, where it fails."""
    worker = QueryWorker(page.state.folder)
    try:
        return await worker.ask(question)
    except Superseded:
        return None
    except (LedgerError, OSError) as error:
        notify(page, str(error), is_problem=True)
        return None
    finally:
        worker.close()


def notify(page: Page, text: str, *, is_problem: bool = False) -> None:
    """Show a notice."""
    page.notify(clean(text), severity="warning" if is_problem else "information", markup=False)
