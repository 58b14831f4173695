"""Asks which part of the record that is seen is meant."""

from collections.abc import Callable

from titan_console.tui.actions import subject
from titan_console.tui.actions.record_parts import Piece, pieces
from titan_console.tui.screens.menu import Entry, Menu
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.screens.page import Page


async def pick(
    page: Page, title: str, *, fits: Callable[[Piece], bool] = lambda _: True, none: str
) -> Piece | None:
    """The part that was chosen of those that fit; where there are none, a notice says `none`."""
    target, ledger = subject.target_of(page), page.view.path
    found = await subject.asked(page, lambda source: pieces(source, ledger, target))
    if found is None:
        return None
    offered = [piece for piece in found if fits(piece)]
    if not offered:
        subject.tell(page, none)
        return None
    entries = [Entry(piece.letter, piece.name, piece.glimpse) for piece in offered]
    letter = await app_of(page).push_screen_wait(Menu(title, entries))
    return next((piece for piece in offered if piece.letter == letter), None)
