"""The poller as a scheduled task of an agent: a SKILL.md."""

import shlex
from datetime import datetime

from core.config.job import DEFAULT_MODEL
from core.money.pricing import PriceBook, dollars_text
from state.model.records import BatchKind
from state.model.usage import Usage
from titan_console.schedule.poller import MINUTES, Poller

INTERVAL = (
    "SKILL.md says what to run; the app that runs your scheduled tasks keeps the interval: set it"
    f" to {MINUTES} minutes there."
)
_SESSIONS_A_DAY = 24 * 60 // MINUTES
_DAYS_A_MONTH = 30
# An assumption, which the text states: read the task, run the command, say what came of it. The
# cache of five minutes does not outlive the interval, so that each session writes its own.
_TURNS, _PROMPT_TOKENS, _OUTPUT_TOKENS = 3, 20_000, 500
_SESSION = Usage(
    cache_write_5m_tokens=_PROMPT_TOKENS,
    cache_read_tokens=(_TURNS - 1) * _PROMPT_TOKENS,
    output_tokens=_OUTPUT_TOKENS,
)


def cost(prices: PriceBook, at: datetime) -> str:
    """What the sessions of an agent that only polls cost, and what polls without one."""
    charge = prices.charge(DEFAULT_MODEL, _SESSION, at=at, kind=BatchKind.SYNC)
    day = _SESSIONS_A_DAY * (charge.cost_nano or 0)
    return (
        f"{_SESSIONS_A_DAY} agent sessions a day cost about {dollars_text(day)} a day,"
        f" {dollars_text(day * _DAYS_A_MONTH)} a month (assumed: {_TURNS} turns over"
        f" {_PROMPT_TOKENS:,} tokens of instructions and tools, {_OUTPUT_TOKENS} tokens of output,"
        f" on {DEFAULT_MODEL}). cron, systemd and the Windows Task Scheduler poll at no cost."
    )


def markdown(poller: Poller, *, for_windows: bool) -> str:
    """The command, its interval and the meaning of its exit codes."""
    return f"""\
---
name: {poller.name}
description: Runs the Titan batch poller once. Run it every {MINUTES} minutes.
{poller.mark}
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
