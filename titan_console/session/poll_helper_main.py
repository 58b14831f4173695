"""The poll helper: the child process that keeps the key and runs polls for the console.

`python -m titan_console.session.poll_helper_main` runs one poll for each line on stdin, and answers
with one line of JSON: exit code, stdout and stderr of the poll. It ends with its stdin, after the
poll that is running.
"""

import json
import os
import subprocess
import sys

_STDOUT = 1


def main() -> None:
    """Run polls until the console has ended."""
    for _line in sys.stdin.buffer:
        answer = json.dumps(run_poll()).encode() + b"\n"
        try:
            while answer:
                answer = answer[os.write(_STDOUT, answer) :]
        except OSError:
            return


def run_poll() -> dict[str, object]:
    """Run one poll in a process of its own, under this environment."""
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
