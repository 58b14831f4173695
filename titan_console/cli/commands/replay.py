"""`titan-console replay`: ask failed requests again."""

from typing import IO, Any

import click
import msgspec

from core.commands.body_edits import Params, parse_changes
from core.errors import InputError, PayloadError
from core.requests.models import unknown
from state.operations.commands import Action
from titan_console.cli import command_flow
from titan_console.cli.diagnostics import say


@click.command
@command_flow.options
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Change a parameter.")
@click.option("--model", help="Ask another model.")
@click.option("--edits", type=click.File("rb"), help="JSONL with whole new requests.")
@click.option(
    "--force",
    is_flag=True,
    help="Also what would fail again or was acknowledged; with an edit, what was answered well.",
)
@click.option("--canary", is_flag=True, help="Send one first, the others when it succeeded.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    settings: tuple[str, ...],
    model: str | None,
    edits: IO[bytes] | None,
    force: bool,
    canary: bool,
    **given: Any,  # noqa: ANN401 - the shared options
) -> None:
    """Ask failed requests again in a new batch, under the same custom_ids.

    An invalid_request_error is asked again only with an edit, or by --force.
    """
    if model is not None and not model.strip():
        raise InputError("--model is empty: name a model, or leave it out.")
    changes = parse_changes(settings) | ({"model": model} if model else {})
    for warning in unknown(filter(None, [str(changes.get("model") or "")])):
        say(f"titan-console: {warning}")
    ctx.exit(
        command_flow.run(
            Action.REPLAY,
            given,
            changes=changes,
            bodies=_bodies(edits) if edits else {},
            force=force,
            canary=canary,
        )
    )


def _bodies(file: IO[bytes]) -> dict[str, Params]:
    """Each line's params by custom_id, from our form or the API's."""
    bodies: dict[str, Params] = {}
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            fields: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise PayloadError(f"Line {number} of the edits is not JSON: {error}.") from error
        custom_id = fields.pop("custom_id", None)
        if not isinstance(custom_id, str):
            raise PayloadError(f"Line {number} of the edits has no custom_id.")
        bodies[custom_id] = fields.get("params", fields)
    return bodies
