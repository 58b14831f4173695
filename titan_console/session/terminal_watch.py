"""Ends the console after its terminal closes, even if the hang-up signal is ignored.

Textual would go on: reading from a terminal that is gone returns at once, and a frame that cannot
be written blocks. The ledger needs no farewell: commands are in it, and a running poll ends by
itself.
"""

import os
import select
import signal
import sys
import threading

_STDIN = 0


def start() -> None:
    """Watch the terminal until the process ends; on Windows the console ends with its window."""
    if sys.platform != "win32":
        threading.Thread(target=_wait, name="titan-terminal", daemon=True).start()


def _wait() -> None:
    poll = select.poll()
    # Only a hang-up or an error is waited for, not input.
    poll.register(_STDIN, 0)
    while not (found := poll.poll()):
        pass
    if found[0][1] & select.POLLHUP:
        os._exit(128 + signal.SIGHUP)
