"""The poller as a scheduled task of an agent: a SKILL.md."""

import shlex

from titan_console.schedule.poller import MINUTES, Poller


def markdown(poller: Poller, *, for_windows: bool) -> str:
    """The command, its interval and the meaning of its exit codes."""
    return f"""\
---
name: {poller.name}
description: Runs the Titan batch poller once. Run it every {MINUTES} minutes.
---

# {poller.name}

Every {MINUTES} minutes (`*/{MINUTES} * * * *`), run this one command and nothing else:

```{"powershell" if for_windows else "sh"}
{_powershell(poller) if for_windows else _sh(poller)}
```

It checks the status of open batches, sends queued ones, downloads results, delivers files to
`staging/`, and exits. It is safe to run concurrently; the next run finishes an interrupted one.

The API key is not stored here: the command reads ANTHROPIC_API_KEY from its environment, or from
poller.env in that folder.

| exit code | meaning | action |
|---|---|---|
| 0 | success | none |
| 1 | completed, but needs attention | report the lines on standard error |
| 3 | configuration, API key or ledger unusable | run `titan-console doctor` and report its output |

Do not send, replay or cancel anything on your own.
"""


def _sh(poller: Poller) -> str:
    return shlex.join((poller.python, *poller.arguments))


def _powershell(poller: Poller) -> str:
    *arguments, home = poller.arguments
    python, home = (path.replace("'", "''") for path in (poller.python, home))
    return f"& '{python}' {' '.join(arguments)} '{home}'"
