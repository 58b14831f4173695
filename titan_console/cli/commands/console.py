"""`titan-console` without a command: opens the console."""

import gc
import sys
from pathlib import Path

from core.config.settings import forget_key, from_environment, is_served
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import is_terminal
from titan_console.cli.stderr import print_stderr
from titan_console.session import terminal_watch
from titan_console.session.poll_helper import PollHelper


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
    home, helper = _hand_over(read_only=read_only)
    from titan_console.tui.app import run as run_app  # noqa: PLC0415 - loads Textual

    try:
        return run_app(home, read_only=helper is None, poll_runner=helper, ascii_only=ascii_only)
    finally:
        if helper is not None:
            helper.close()


def _hand_over(*, read_only: bool) -> tuple[Path, PollHelper | None]:
    """TITAN_HOME, and the poll helper that holds the key; None for a read-only console."""
    settings = from_environment()
    helper = None if read_only or settings.read_only else PollHelper(settings)
    forget_key()
    return settings.home, helper
