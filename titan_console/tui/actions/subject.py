"""What a tool is asked about: the record of a page, or the one under its cursor."""

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
    """The link to what the page, or the row under its cursor, is about; empty where it is none."""
    table = list_of(page)
    if table is not None:
        row = table.current()
        return row.link if row else ""
    return page.link() if isinstance(page, DetailPage) else ""


def destination_of(page: Page) -> Destination | None:
    """What that link leads to."""
    return parse(link_of(page), page.state.tabs)


async def asked(page: Page, question: Callable[[Source], Answer]) -> Answer | None:
    """The answer of the ledger; where there is none, a notice says why."""
    worker = QueryWorker(page.state.path)
    try:
        return await worker.ask(question)
    except Superseded:
        return None
    except (LedgerError, OSError) as error:
        tell(page, str(error), is_problem=True)
        return None
    finally:
        worker.close()


def tell(page: Page, text: str, *, is_problem: bool = False) -> None:
    """One line in a corner of the screen."""
    page.notify(clean(text), severity="warning" if is_problem else "information", markup=False)
