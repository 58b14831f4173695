"""Decides how a request goes on after an answer that is invalid, paused or cut off. Pure."""

from collections.abc import Mapping
from typing import Any, cast

from core.requests.model_limits import max_tokens_limit
from state.model.records import FollowUps, OnMaxTokens
from state.operations.follow_ups import IncompleteAnswer

# Each doubles the most that the answer can cost.
_MOST_RAISES = 2
_REASK = (
    "Your answer does not match the required JSON schema: {error}. Answer again, with nothing but"
    " JSON that matches the schema."
)
Params = dict[str, Any]


def is_due(answer: IncompleteAnswer) -> bool:
    """Whether its submission wants it to be asked for once more."""
    return answer.tries < _most(answer.reason, answer.wanted)


def _most(reason: str, wanted: FollowUps) -> int:
    match reason:
        case "invalid":
            return wanted.reask
        case "pause_turn":
            return wanted.continue_turns
        case "max_tokens" if wanted.on_max_tokens == OnMaxTokens.RAISE:
            return _MOST_RAISES
        case _:
            return 0


def next_params(
    answer: IncompleteAnswer,
    params: Mapping[str, Any],
    message: Mapping[str, Any],
    betas: tuple[str, ...],
) -> Params | None:
    """The parameters to ask with next; None where there is nothing more to try.

    `params` are those that got `message`. An invalid answer is continued by its error, a paused one
    as it is, and one that was cut off is asked for again with twice the max_tokens.
    """
    if answer.reason == "max_tokens":
        return _raised(params, betas)
    messages = _with_answer(params["messages"], message.get("content"))
    if answer.is_invalid:
        error = (answer.invalid or "").rstrip(".")
        messages.append({"role": "user", "content": _REASK.format(error=error)})
    elif len(messages) == len(params["messages"]) and messages == params["messages"]:
        # A pause without content would only be asked the same again.
        return None
    return {**params, "messages": messages, **_container(params, message)}


def _raised(params: Mapping[str, Any], betas: tuple[str, ...]) -> Params | None:
    now: int = params["max_tokens"]
    limit = max_tokens_limit(params["model"], betas)
    raised = 2 * now if limit is None else min(2 * now, limit)
    return {**params, "max_tokens": raised} if raised > now else None


def _with_answer(messages: list[Any], content: object) -> list[Any]:
    """The conversation with the answer; one that continues a turn is part of that turn."""
    blocks = cast("list[Any]", content) if isinstance(content, list) else []
    if not blocks:
        return [*messages]
    last = messages[-1]
    if last["role"] != "assistant":
        return [*messages, {"role": "assistant", "content": blocks}]
    before = last["content"]
    if isinstance(before, str):
        before = [{"type": "text", "text": before}]
    return [*messages[:-1], {**last, "content": [*before, *blocks]}]


def _container(params: Mapping[str, Any], message: Mapping[str, Any]) -> Params:
    """The container of the answer's tools, in which its turn goes on."""
    found = message.get("container")
    number = cast("Mapping[str, Any]", found).get("id") if isinstance(found, Mapping) else None
    if number is None:
        return {}
    known = params.get("container")
    is_object = isinstance(known, Mapping)
    others = dict(cast("Mapping[str, Any]", known)) if is_object else {}
    return {"container": {**others, "id": number} if is_object else number}
