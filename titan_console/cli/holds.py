"""`resume --holds`: ends the holds that keep requests from being sent, and polls."""

from typing import Any

import click
from msgspec import to_builtins

from core.bootstrap import open_engine
from core.config.settings import from_environment
from core.errors import PayloadError
from state.batches import leases
from state.model.records import Hold
from state.queries import ledger_status
from titan_console.cli.command_flow import ask, poll_once
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import print_fields, print_json
from titan_console.cli.stderr import print_problems, print_stderr
from titan_console.text import format as fmt


def end_holds(given: dict[str, Any]) -> int:
    """Show the holds, confirm, end them and poll once; the exit code."""
    if given["names"] or given["delay"]:
        raise click.UsageError("--holds ends every hold at once: omit workflows and --delay")
    with open_engine(from_environment(), actor="cli", creates=False) as engine:
        ledger = engine.context.ledger
        holds = ledger_status.holds(ledger, now_ts=ledger.now_text())
        if not holds:
            raise PayloadError("Nothing to resume: nothing is on hold.", code="nothing_to_do")
        if not given["dry_run"] and not given["yes"]:
            ask(_fields(holds), as_json=given["as_json"])
        _show(holds, as_json=given["as_json"])
        if given["dry_run"]:
            return Exit.DONE
        for hold in holds:
            reason = given["reason"] or "by an operator"
            leases.end_hold(ledger, hold.name, reason=reason, lane=hold.lane)
        polled = poll_once(engine)
    print_stderr(polled.note or "Nothing was sent.")
    print_problems(polled.problems)
    return Exit.ATTENTION if polled.problems else Exit.DONE


def _show(holds: list[Hold], *, as_json: bool) -> None:
    if not as_json:
        print_fields(_fields(holds))
    for hold in holds if as_json else ():
        print_json(to_builtins(hold))


def _fields(holds: list[Hold]) -> list[tuple[str, str]]:
    return [("on hold", fmt.hold_reason(hold)) for hold in holds]
