"""The poller as a scheduled task of an agent: a SKILL.md."""

import shlex

from titan_console.schedule.poller import ARGUMENTS, MINUTES, Poller


def markdown(poller: Poller, *, for_windows: bool) -> str:
    """What to run, how often, and what its exit codes mean."""
    return f"""\
---
name: {poller.name}
description: Makes one poll of the Titan batch poller. Run it every {MINUTES} minutes.
---

# {poller.name}

Every {MINUTES} minutes (`*/{MINUTES} * * * *`), run this one command and nothing else:

```{"powershell" if for_windows else "sh"}
{_powershell(poller) if for_windows else _sh(poller)}
```

It looks at the open batches, sends what waits, collects what ended, delivers the files under
`staging/`, and ends. Two at once do no harm, and a poll that was cut short is finished by the next.

The API key is not in here: the command reads ANTHROPIC_API_KEY from its environment.

| exit code | means | do |
|---|---|---|
| 0 | done | nothing |
| 1 | done, but something needs a person | report the lines on standard error |
| 3 | configuration or ledger unusable | run `titan-console doctor`, and report what it says |

Do not send, replay or cancel anything by yourself.
"""


def _sh(poller: Poller) -> str:
    run = shlex.join((poller.python, *ARGUMENTS))
    return f"TITAN_HOME={shlex.quote(poller.home)} {run}"


def _powershell(poller: Poller) -> str:
    home, python = (path.replace("'", "''") for path in (poller.home, poller.python))
    return f"$env:TITAN_HOME = '{home}'; & '{python}' {' '.join(ARGUMENTS)}"
