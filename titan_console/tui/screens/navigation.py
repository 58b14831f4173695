"""Opens links: a numbered screen, or a page on top of the current one."""

from typing import TYPE_CHECKING, cast

from titan_console.text.filters import quoted
from titan_console.text.links import Destination, ToBatch, ToRequest, ToScreen, parse
from titan_console.tui.pages.detail_page import DetailPage
from titan_console.tui.pages.list_page import FilteredPage
from titan_console.tui.pages.page import Page
from titan_console.tui.screens.batch_detail import BatchDetail
from titan_console.tui.screens.request_detail import RequestDetail
from titan_console.tui.widgets.record_table import RecordTable

if TYPE_CHECKING:
    from textual.app import App


def open_link(page: Page, link: str, table: RecordTable | None = None) -> None:
    """Open a link; `n` and `N` move along the rows of `table`."""
    destination = parse(link, page.state.tabs)
    if destination is not None:
        open_destination(page, destination, table)


def open_destination(
    page: Page, destination: Destination, table: RecordTable | None = None
) -> None:
    """Open it, unless it is the current page."""
    app = app_of(page)
    if isinstance(destination, ToScreen):
        app.call_later(app.run_action, f"go_list('{destination.mode}')")
        return
    made = detail_of(page, destination, table)
    if made is not None and not (isinstance(page, DetailPage) and page.destination == destination):
        app.push_screen(made)


def detail_of(page: Page, destination: Destination, table: RecordTable | None) -> DetailPage | None:
    """The page of a destination; None where there is none."""
    match destination:
        case ToBatch():
            return BatchDetail(page.state, destination, table)
        case ToRequest():
            return RequestDetail(page.state, destination, table)
        case _:
            return None


def app_of(page: Page) -> "App[None]":
    """The app of the page."""
    return cast("App[None]", page.app)  # pyright: ignore[reportUnknownMemberType]


async def open_tag(app: "App[None]", tag: str) -> None:
    """The Requests screen, filtered by a tag."""
    await app.run_action("go_list('requests')")
    screen = app.screen
    if isinstance(screen, FilteredPage):
        screen.call_after_refresh(screen.set_filter, f"tag:{quoted(tag, whole=True)}")
