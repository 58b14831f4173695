"""`:`: asks where to go, and goes there."""

from titan_console.text.links import Leave, Named
from titan_console.tui.screens import navigation
from titan_console.tui.screens.go_to import GoTo
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.screens.page import Page


def start(page: Page) -> None:
    """Ask."""
    page.run_worker(_go(page), exit_on_error=True)


async def _go(page: Page) -> None:
    app = app_of(page)
    target = await app.push_screen_wait(GoTo(page.view))
    match target:
        case None:
            return
        case Leave():
            app.exit()
        case Named(name=tag):
            await navigation.open_tag(app, tag)
        case _:
            navigation.open_target(page, target)
