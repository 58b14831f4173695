"""Keeps the key that the console gives away, and makes polls for it.

`python -m titan_console.session.poll_helper`: each line on its standard input is one poll, and is
answered with a line of JSON: the exit code, and what the poll printed. It ends with its input, so
it outlives the console only until the poll that it is at has ended.
"""

import json
import os
import subprocess
import sys

_STDOUT = 1


def main() -> None:
    """Make polls until the console is gone."""
    for _line in sys.stdin.buffer:
        answer = json.dumps(run_poll()).encode() + b"\n"
        try:
            while answer:
                answer = answer[os.write(_STDOUT, answer) :]
        except OSError:
            return


def run_poll() -> dict[str, object]:
    """One poll in a process of its own, under this environment."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "titan_console", "--poll", "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return {
        "code": done.returncode,
        "out": done.stdout.decode(errors="replace"),
        "err": done.stderr.decode(errors="replace"),
    }


if __name__ == "__main__":
    main()
