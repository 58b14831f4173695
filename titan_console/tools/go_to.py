"""`:`: asks where to go, and goes there."""

from titan_console.links import Leave, Named
from titan_console.screens import opening
from titan_console.screens.go_to import GoTo
from titan_console.screens.opening import app_of
from titan_console.screens.page import Page


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
            await opening.open_tag(app, tag)
        case _:
            opening.open_target(page, target)
