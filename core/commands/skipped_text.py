"""What a command skips, as sentences. Pure."""

from collections.abc import Mapping

from core.text import pluralize
from state.operations.failures import INVALID_REQUEST

# Reason, as in `--json` -> the sentence for one request and for several, after the number.
_SENTENCES = {
    "already succeeded (a replay needs an edit and --force)": (
        "request already succeeded. To replay it, edit it (--set) and pass --force.",
        "requests already succeeded. To replay them, edit them (--set) and pass --force.",
    ),
    "to review (a replay needs an edit)": (
        "request has an answer to review. To replay it, edit it (--set).",
        "requests have answers to review. To replay them, edit them (--set).",
    ),
    "already acknowledged; --force replays it": (
        "request is already acknowledged. To replay it, pass --force.",
        "requests are already acknowledged. To replay them, pass --force.",
    ),
    f"with {INVALID_REQUEST}: needs an edit, or --force replays it unchanged": (
        (
            f"request with {INVALID_REQUEST} needs an edit (--set). To replay it unchanged, pass"
            " --force."
        ),
        (
            f"requests with {INVALID_REQUEST} need an edit (--set). To replay them unchanged, pass"
            " --force."
        ),
    ),
    "adopted without a request body; pass it with --edits": (
        "request was adopted without its body. Pass the body with --edits.",
        "requests were adopted without their bodies. Pass the bodies with --edits.",
    ),
    "pruned: the body was deleted; submit it again under another tag": (
        ("request was pruned: its body was deleted. To run it again, submit it under another tag."),
        (
            "requests were pruned: their bodies were deleted. To run them again, submit them under"
            " another tag."
        ),
    ),
    "still queued or in flight": (
        "request is still queued or in progress.",
        "requests are still queued or in progress.",
    ),
    "already succeeded": ("request already succeeded.", "requests already succeeded."),
    "already acknowledged": (
        "request is already acknowledged.",
        "requests are already acknowledged.",
    ),
    "larger than the 32 MB of a synchronous call": (
        "request is larger than the 32 MB of a synchronous call.",
        "requests are larger than the 32 MB of a synchronous call.",
    ),
    "above the output limit of a synchronous call": (
        "request is above the output limit of a synchronous call.",
        "requests are above the output limit of a synchronous call.",
    ),
}


def sentence(reason: str, count: int) -> str:
    """The number and why, such as "1 request is still queued"."""
    if reason in _SENTENCES:
        one, many = _SENTENCES[reason]
        return f"{count:,} {one if count == 1 else many}"
    # Those of workflows.
    state = reason.removeprefix("is ")
    return f"{pluralize(count, 'workflow is', 'workflows are')} {state}."


def sentences(skipped: Mapping[str, int]) -> list[str]:
    """One for each reason."""
    return [sentence(reason, count) for reason, count in skipped.items()]
