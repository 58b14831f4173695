"""`titan-console` without a command: opens the console."""

import gc
import sys

from msgspec.structs import replace

from core.config import titan_file
from core.config.base_url import is_other_host
from core.config.settings import Settings, forget_key, from_environment, is_served
from state.files.folder import Folder
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import is_terminal
from titan_console.cli.stderr import print_stderr
from titan_console.session import terminal_watch
from titan_console.session.poll_helper import PollHelper
from titan_console.text import access
from titan_console.text.access import Access


def run(*, read_only: bool, ascii_only: bool = False) -> int:
    """Open the console on the ledger under TITAN_HOME."""
    if not is_served():
        if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
            from_environment()
            print_stderr(
                "titan-console: The console needs a terminal; use `titan-console status` instead."
            )
            return Exit.USAGE
        terminal_watch.start()
    # Everything imported now stays alive, so a collection would only delay the first frame. The
    # app enables it again.
    gc.disable()
    folder, helper, access_ = _hand_over(read_only=read_only)
    from titan_console.tui.app import run as run_app  # noqa: PLC0415 - loads Textual

    try:
        return run_app(
            folder.root,
            read_only=helper is None,
            poll_runner=helper,
            ascii_only=ascii_only,
            access=access_,
            ledger_url=folder.ledger_url,
            scheduler=_usual_scheduler,
        )
    finally:
        if helper is not None:
            helper.close()


def _usual_scheduler() -> str:
    from titan_console.schedule.installers import usual  # noqa: PLC0415 - only for the first steps

    return usual()


def _access(settings: Settings) -> Access:
    rules = titan_file.read(settings.folder)
    found = access.of(settings)
    if is_other_host(settings.server, rules.api.only_host):
        found = replace(found, only_host=rules.api.only_host)
    if not rules.lanes:
        return found
    from titan_console.doctor import lane_checks  # noqa: PLC0415 - only where there are lanes

    return replace(found, lanes=tuple(lane_checks.accesses(settings)))


def _hand_over(*, read_only: bool) -> tuple[Folder, PollHelper | None, Access]:
    """The ledger, the poll helper that holds the key, and what it has; read-only, no helper."""
    settings = from_environment()
    found = _access(settings)
    helper = None if read_only or settings.read_only else PollHelper(settings)
    forget_key()
    return settings.folder, helper, found
