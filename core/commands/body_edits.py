"""Edited bodies for replayed requests: validated like new ones, written to the spool first."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from core.batches.budget_admission import at_most
from core.batches.engine_context import Context
from core.config import titan_file
from core.config.titan_tables import TitanToml
from core.errors import PayloadError
from core.requests.payload import to_line
from state.batches.edits import Edit
from state.files.spool import LineReader, SpoolWriter
from state.operations import command_effects
from state.operations.selection import SelectedRequest

_NAME_LENGTH = 10
# The parameters of a batch request. The API would report a mistyped one only after the batch ended.
_PARAMETERS = (
    *("max_tokens", "model", "messages", "system", "thinking", "tools", "tool_choice"),
    *("stop_sequences", "output_config", "output_format", "cache_control", "container"),
    *("context_management", "mcp_servers", "metadata", "service_tier", "inference_geo"),
    *("fallbacks", "diagnostics", "compaction", "user_profile_id"),
)
Params = dict[str, Any]


def build_edits(
    context: Context,
    requests: Iterable[SelectedRequest],
    *,
    changes: Mapping[str, object],
    bodies: Mapping[str, Params],
) -> list[Edit]:
    """An edit for each request: `changes` merged into its params, or its whole body from `bodies`.

    `bodies` is keyed by custom_id. Raises PayloadError, which names the request; then no edited
    body stays on disk.
    """

    def edited() -> Iterator[tuple[SelectedRequest, Params]]:
        with LineReader(context.folder.spool, context.ledger.files) as lines:
            for request in requests:
                params = bodies.get(request.custom_id) or params_of(context, lines, request)
                yield request, {**params, **changes}

    return write_edits(context, edited())


def write_edits(
    context: Context,
    edited: Iterable[tuple[SelectedRequest, Params]],
    skipped: list[str] | None = None,
) -> list[Edit]:
    """An edit for each request with these parameters, its body on disk.

    `skipped` gets why a request has none. Without it the first such reason is raised as
    PayloadError, and then no body stays on disk.
    """
    name = f"edit_{context.ledger.new_id(_NAME_LENGTH)}.jsonl"
    spool = SpoolWriter(
        context.folder.spool,
        name,
        context.ledger.files,
        crash_point=context.ledger.crash_point,
    )
    made: list[Edit] = []
    rules = titan_file.read(context.folder)
    try:
        for position, (request, params) in enumerate(edited, 1):
            try:
                made.append(_edit(context, rules, spool, name, request, params, position))
            except PayloadError as error:
                if skipped is None:
                    raise
                skipped.append(str(error))
        spool.finish()
    except Exception:
        spool.discard()
        raise
    if not made:
        spool.discard()
    return made


def delete_bodies(context: Context, edits: Iterable[Edit]) -> None:
    """Delete the bodies of edits that no command has."""
    for name in {edit.spool_file for edit in edits}:
        (context.folder.spool / name).unlink(missing_ok=True)
        context.ledger.files.discard(context.folder.spool / name)


def params_of(context: Context, lines: LineReader, request: SelectedRequest) -> Params:
    """The parameters of the current body. Raises PayloadError where it is not known."""
    span = command_effects.body_of(context.ledger, request.request_id)
    body: Params | None = msgspec.json.decode(lines.read(*span))["params"]
    if body is None:
        raise PayloadError(
            f"Request {request.custom_id!r} was adopted without its body;"
            " pass the whole request with --edits.",
            code="body_unknown",
        )
    return body


def _edit(
    context: Context,
    rules: TitanToml,
    spool: SpoolWriter,
    name: str,
    request: SelectedRequest,
    params: Params,
    at: int,
) -> Edit:
    line = to_line(
        {
            "custom_id": request.custom_id,
            "params": {k: v for k, v in params.items() if v is not None},
        },
        position=at,
        model=command_effects.model_of(context.ledger, request.request_id),
        betas=command_effects.betas_of(context.ledger, request.request_id),
        limits=context.limits,
    )
    batch, sync = at_most(context, rules, request.request_id, line)
    return Edit(
        request_id=request.request_id,
        spool_file=name,
        offset=spool.write(line.body),
        length=len(line.body),
        sha256=line.digest,
        betas=",".join(line.betas),
        at_most_batch_nano=batch,
        at_most_sync_nano=sync,
        model=line.model,
        schema=line.schema,
    )


def parse_changes(settings: Iterable[str]) -> Params:
    """Parse settings such as `max_tokens=4096`; a value that is not JSON is a string.

    `null` removes the parameter. Raises PayloadError for a setting without a name or a value, and
    for an unknown parameter.
    """
    changes: Params = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not name or not separator:
            raise PayloadError(
                f"Invalid edit {setting!r}; use NAME=VALUE, such as max_tokens=4096.",
                code="invalid_edit",
            )
        try:
            changes[name] = msgspec.json.decode(value.encode())
        except msgspec.DecodeError:
            changes[name] = value
        if changes[name] is not None:
            check_name(name)
    return changes


def check_name(name: str) -> None:
    """Raise PayloadError for an unknown parameter, with similar names."""
    if name not in _PARAMETERS:
        near = get_close_matches(name, _PARAMETERS, n=3)
        hint = f"similar: {', '.join(near)}" if near else f"known: {', '.join(_PARAMETERS)}"
        raise PayloadError(
            f"Unknown parameter {name!r} ({hint}). Pass any other parameter with --edits.",
            code="unknown_parameter",
        )
