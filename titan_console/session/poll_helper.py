"""Keeps the key that the console gives away, and makes passes for it.

`python -m titan_console.session.poll_helper`: each line on its standard input is one pass, and is
answered with a line of JSON: the exit code, and what the pass printed. It ends with its input, so
it outlives the console only until the pass that it is at has ended.
"""

import json
import os
import subprocess
import sys

_STDOUT = 1


def main() -> None:
    """Make passes until the console is gone."""
    for _line in sys.stdin.buffer:
        answer = json.dumps(make_pass()).encode() + b"\n"
        try:
            while answer:
                answer = answer[os.write(_STDOUT, answer) :]
        except OSError:
            return


def make_pass() -> dict[str, object]:
    """One pass in a process of its own, under this environment."""
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
