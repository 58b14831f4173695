"""What an operator wants, before anybody knows what it would touch."""

from collections.abc import Mapping

from msgspec import Struct, field

from core.commands.body_edits import Params
from state.operations.commands import Action
from state.operations.selection import Filter


class CommandRequest(Struct, frozen=True, kw_only=True):
    """The verb, on what, and how. For a pause or a resume the filter names workflows.

    `changes` and `bodies` are edits for a replay (see `core.commands.body_edits.build_edits`).
    """

    action: Action
    wanted: Filter
    reason: str = ""
    force: bool = False
    canary: bool = False
    changes: Mapping[str, object] = field(default_factory=dict[str, object])
    bodies: Mapping[str, Params] = field(default_factory=dict[str, Params])
