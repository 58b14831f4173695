"""What a tool is asked about: the record of a page, or the one under its cursor."""

from collections.abc import Callable
from typing import TypeVar

from state.db.reader import Source
from state.model.errors import LedgerError
from titan_console.session.query_worker import Desk, Superseded
from titan_console.text.links import Target, parse
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
    return page.way() if isinstance(page, DetailPage) else ""


def target_of(page: Page) -> Target | None:
    """What that link leads to."""
    return parse(link_of(page), page.view.tabs)


async def asked(page: Page, question: Callable[[Source], Answer]) -> Answer | None:
    """The answer of the ledger; where there is none, a notice says why."""
    desk = Desk(page.view.path)
    try:
        return await desk.ask(question)
    except Superseded:
        return None
    except (LedgerError, OSError) as error:
        tell(page, str(error), is_trouble=True)
        return None
    finally:
        desk.close()


def tell(page: Page, text: str, *, is_trouble: bool = False) -> None:
    """One line in a corner of the screen."""
    page.notify(clean(text), severity="warning" if is_trouble else "information", markup=False)
