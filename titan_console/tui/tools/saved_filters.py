"""`*`: applies, saves or deletes a filter of the screen."""

from titan_console.text.safe_text import clean
from titan_console.tui.pages.dialog import Entry, Menu
from titan_console.tui.pages.list_page import FilteredPage
from titan_console.tui.pages.page import Page
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.tools import current_record

_SAVE, _DELETE = "s", "x"
_WIDEST = 48


def start(page: Page) -> None:
    """Offer the saved filters, and to save the current one."""
    if isinstance(page, FilteredPage):
        page.run_worker(_ask(page), exit_on_error=True)
    else:
        current_record.notify(page, "This screen has no filter.")


async def _ask(page: FilteredPage) -> None:
    preferences, current = page.state.preferences, page.filter_text
    saved = dict(zip("123456789", preferences.filters_of(page.NAME), strict=False))
    entries = [Entry(digit, clean(text, _WIDEST)) for digit, text in saved.items()]
    if current and current not in saved.values():
        entries.append(Entry(_SAVE, "save the filter", clean(current, _WIDEST)))
    if current in saved.values():
        entries.append(Entry(_DELETE, "delete the filter", clean(current, _WIDEST)))
    if not entries:
        current_record.notify(page, "No saved filter; type one with / and save it with *.")
        return
    letter = await app_of(page).push_screen_wait(Menu("Filters", entries))
    if letter == _SAVE:
        preferences.save_filter(page.NAME, current)
    elif letter == _DELETE:
        preferences.drop_filter(page.NAME, current)
    elif letter in saved:
        page.set_filter(saved[letter])
        return
    else:
        return
    page.save_preferences()
