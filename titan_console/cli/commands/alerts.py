"""`titan-console alerts`: lists the raised alerts, acknowledges and mutes them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import click

from core.bootstrap import open_engine
from core.config.settings import from_environment
from core.reporting.ledger_time import ledger_now
from core.text import pluralize
from state.db.ledger import Ledger
from state.model.errors import UnknownId
from state.model.timestamps import to_text
from state.operations import alerts
from state.operations.alerts import Alert
from titan_console.cli.output import (
    Number,
    json_lines_option,
    open_reader,
    print_json,
    print_rows,
)
from titan_console.cli.stderr import print_stderr
from titan_console.text import alert_labels
from titan_console.text.format import NOTHING

_DAY_H = 24.0
# A year: longer is an acknowledgment.
_LONGEST_H = 8784.0
_HEADER = ("ALERT", "STATE", "RULE", "SUBJECT", "RAISED", "ACTOR", "MESSAGE")
_names = click.argument("names", nargs=-1, required=True, metavar="ALERT...")


@click.group(invoke_without_command=True)
@json_lines_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List the raised alerts, newest first; acknowledge or mute them.

    A silenced alert is not notified, and `status` and `digest` leave it out. ALERT is the number of
    an alert, or a rule such as `errors`, which stands for all of its alerts.
    """
    if ctx.invoked_subcommand is None:
        with open_reader(from_environment().folder) as reader:
            found, now = alerts.raised(reader), ledger_now(reader)
        _print(found[::-1], now, as_json=as_json)


@command.command("acknowledge")
@_names
@json_lines_option
def acknowledge(*, names: tuple[str, ...], as_json: bool) -> None:
    """Silence alerts until they are cleared."""
    _change(names, lambda ledger, ids, _now: _silence(ledger, ids, None), as_json=as_json)


@command.command("mute")
@_names
@click.option(
    "--hours",
    type=Number(min=0, min_open=True, max=_LONGEST_H),
    default=_DAY_H,
    show_default=True,
    help="For how long.",
)
@json_lines_option
def mute(*, names: tuple[str, ...], hours: float, as_json: bool) -> None:
    """Silence alerts for some hours, whether or not they are cleared meanwhile."""

    def change(ledger: Ledger, ids: Sequence[int], now: datetime) -> str:
        return _silence(ledger, ids, to_text(now + timedelta(hours=hours)))

    _change(names, change, as_json=as_json)


@command.command("unmute")
@_names
@json_lines_option
def unmute(*, names: tuple[str, ...], as_json: bool) -> None:
    """Notify of acknowledged or muted alerts again."""

    def change(ledger: Ledger, ids: Sequence[int], _now: datetime) -> str:
        return f"Notified again: {pluralize(alerts.unsilence(ledger, ids), 'alert')}."

    _change(names, change, as_json=as_json)


def _change(
    names: Sequence[str],
    change: Callable[[Ledger, Sequence[int], datetime], str],
    *,
    as_json: bool,
) -> None:
    with open_engine(from_environment(), actor="cli", creates=False) as engine:
        ledger = engine.context.ledger
        ids = [id_ for name in names for id_ in _ids(alerts.raised(ledger), name)]
        now = engine.context.clock.now()
        done = change(ledger, ids, now)
        changed = [alert for alert in alerts.raised(ledger) if alert.id in ids]
    if as_json:
        _print(changed, now, as_json=True)
    print_stderr(done)


def _silence(ledger: Ledger, ids: Sequence[int], until_ts: str | None) -> str:
    count = alerts.silence(ledger, ids, who=ledger.actor, until_ts=until_ts)
    what = f"Muted until {until_ts}" if until_ts else "Acknowledged"
    return f"{what}: {pluralize(count, 'alert')}."


def _ids(raised: Sequence[Alert], name: str) -> list[int]:
    """The alerts of that number or rule. Raises UnknownId."""
    found = [alert.id for alert in raised if name in (str(alert.id), alert.rule)]
    if not found:
        raise UnknownId(
            f"Alert {name!r} is not raised; `titan-console alerts` lists those that are.",
            code="unknown_alert",
        )
    return found


def _print(found: Sequence[Alert], now: datetime, *, as_json: bool) -> None:
    if as_json:
        for alert in found:
            print_json(alert)
        return
    print_rows(found, _HEADER, lambda alert: _cells(alert, now), empty="No alerts.")


def _cells(alert: Alert, now: datetime) -> tuple[str, ...]:
    state = alert_labels.state(alert, now)
    who, subject = alert.acknowledged_by or "", alert_labels.subject(alert.subject)
    return (
        *(str(alert.id), str(state), alert.rule, subject or NOTHING, alert.raised_ts, who),
        alert.message,
    )
