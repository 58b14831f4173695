"""The arguments of each tool; their JSON Schemas are made from these records."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from core.errors import InputError
from state.model.records import REVIEW_REASONS, Outcome
from state.queries.spending import BY

_Text = Annotated[str, Meta(min_length=1)]
_Name = Annotated[str, Meta(min_length=1, description="A tag, a submission, or a batch.")]
_Limit = Annotated[int, Meta(ge=1, le=100, description="The most rows of this page.")]
_MOST = 1 << 53


def _one_of(values: Sequence[str]) -> Meta:
    return Meta(pattern=f"^({'|'.join(values)})\\Z", extra_json_schema={"enum": list(values)})


_StopReason = Annotated[str, _one_of(REVIEW_REASONS)]
_A = TypeVar("_A", bound="Arguments")


class Arguments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No arguments."""


class Submission(Arguments, frozen=True, kw_only=True):
    """Requests to plan or to submit."""

    tag: Annotated[str, Meta(min_length=1, description="Your name of this submission.")]
    file: Annotated[
        str | None,
        Meta(
            description="Path of a file of requests, one JSON object a line:"
            ' {"custom_id", "max_tokens", "messages", ...}. Costs fewer tokens than `requests`.'
        ),
    ] = None
    requests: Annotated[
        list[dict[str, Any]] | None, Meta(description="The requests themselves, instead of a file.")
    ] = None
    workflow: Annotated[
        str | None, Meta(description="What costs are grouped by. Default: from the custom_ids.")
    ] = None
    job: Annotated[str | None, Meta(description="A job in titan.toml, for its defaults.")] = None
    model: Annotated[str | None, Meta(description="For requests that name none.")] = None
    deadline: Annotated[
        str | None,
        Meta(description="When answers are needed, with a zone, as in 2026-05-02T06:00+02:00."),
    ] = None
    schema: Annotated[dict[str, Any] | None, Meta(description="JSON Schema of every answer.")] = (
        None
    )


class Status(Arguments, frozen=True, kw_only=True):
    """The whole ledger, or what a name stands for."""

    name: _Name | None = None


class Wait(Arguments, frozen=True, kw_only=True):
    """What to wait for, and how long."""

    name: _Name
    minutes: Annotated[
        float, Meta(ge=0, le=60, description="At most; less if your client ends calls earlier.")
    ] = 10.0


class Results(Arguments, frozen=True, kw_only=True):
    """A page of results."""

    name: _Name
    offset: Annotated[
        int, Meta(ge=0, le=_MOST, description="`next_offset` of the page before.")
    ] = 0
    limit: _Limit = 20
    max_chars: Annotated[
        int, Meta(ge=0, le=20_000, description="Longer texts are cut to so many characters.")
    ] = 2_000


class Errors(Arguments, frozen=True, kw_only=True):
    """A page of errors, or groups of equal ones."""

    groups: Annotated[
        bool, Meta(description="Group equal messages, with a suggested next step each.")
    ] = False
    cursor: Annotated[
        Annotated[int, Meta(ge=1, le=_MOST)] | None,
        Meta(description="`next_cursor` of the page before."),
    ] = None
    limit: _Limit = 20


class Selection(Arguments, frozen=True, kw_only=True):
    """Requests to replay, by names and filters that all must match, and their edits."""

    names: Annotated[
        list[_Text], Meta(description="Keys, tags, custom_ids or TAG/CUSTOM_ID.", max_length=1_000)
    ] = []
    workflow: _Text | None = None
    outcome: Outcome | None = None
    error_type: _Text | None = None
    stop_reason: Annotated[
        _StopReason | None, Meta(description="Only answers to review with it.")
    ] = None
    since: Annotated[str | None, Meta(description="1h, today, 30d or a UTC date.")] = None
    changes: Annotated[
        dict[str, Any], Meta(description='Parameters to change in each: {"max_tokens": 4096}.')
    ] = {}
    force: Annotated[
        bool, Meta(description="Also requests that would fail again or were acknowledged.")
    ] = False
    canary: Annotated[bool, Meta(description="One request first, the rest if it succeeds.")] = False


class Replay(Selection, frozen=True, kw_only=True):
    """The same, and why."""

    reason: Annotated[str, Meta(description="Stored in the event log.")] = ""


class Savings(Arguments, frozen=True, kw_only=True):
    """A period, and what to group by."""

    since: Annotated[str, Meta(description="1h, today, 30d or a UTC date.")] = "30d"
    by: Annotated[str, _one_of(BY)] = "workflow"


class Forecast(Arguments, frozen=True, kw_only=True):
    """The volume to assume."""

    scale: Annotated[float, Meta(ge=0, le=1_000_000, description="5: five times the volume.")] = 1.0


def parse(kind: type[_A], given: object) -> _A:
    """The arguments of a call. Raises InputError."""
    try:
        return msgspec.convert(given, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        said = str(error).replace(" - at `$", " - at `arguments")
        raise InputError(f"{said}.", code="invalid_arguments") from None


def schema(kind: type[Arguments]) -> dict[str, Any]:
    """The JSON Schema of the arguments, an object at its root, as MCP requires it."""
    (reference,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    root = parts.pop(reference["$ref"].rpartition("/")[2])
    return {**root, "$defs": parts} if parts else root
