"""`titan-console` without a command: the console."""

import sys

from core.settings import from_environment, is_served
from titan_console.diagnostics import Exit, say


def run(*, read_only: bool) -> int:
    """Open the console on the ledger under TITAN_HOME."""
    settings = from_environment()
    if not (sys.stdout.isatty() or is_served()):
        say("titan-console: the console needs a terminal. `titan-console status` prints instead.")
        return Exit.USAGE
    from titan_console.app import run as run_app  # noqa: PLC0415 - loads Textual

    return run_app(settings.home, read_only=read_only or settings.read_only)
