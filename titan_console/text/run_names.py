"""Names of runs and models as lists show them. Pure."""

from collections.abc import Sequence

from state.model.records import BatchKind
from titan_console.text import format as fmt


def run_of(tag: str, workflow: str) -> str:
    """The tag without the workflow that it begins with, as both are shown side by side.

    >>> run_of("daily-feed-2026-05-02", "daily-feed"), run_of("adhoc", "daily-feed")
    ('2026-05-02', 'adhoc')
    """
    rest = tag.removeprefix(workflow)
    return rest if rest == tag else rest.lstrip("-_./: ") or fmt.NOTHING


def marked(name: str, kind: BatchKind, *, is_replay: bool) -> str:
    """A replay or a synchronous run has the name of the batch whose requests it runs again.

    >>> marked("2026-05-02", BatchKind.SYNC, is_replay=False)
    '2026-05-02 (sync)'
    """
    mode = fmt.mode(kind, is_replay=is_replay)
    if mode == BatchKind.BATCH:
        return name
    return mode if name == fmt.NOTHING else f"{name} ({mode})"


def model_names(models: Sequence[str]) -> str:
    """Short names: `sonnet-4-6`, or `sonnet-4-6 +1` of two."""
    first, others = models[0].removeprefix("claude-"), len(models) - 1
    return f"{first} +{others}" if others else first
