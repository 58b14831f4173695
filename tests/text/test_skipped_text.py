"""What a command skips is said in full sentences, one request or several."""

import ast
from inspect import getsource

import pytest

from core.commands import eligibility, skipped_text
from state.operations.failures import INVALID_REQUEST


def test_the_sentence_agrees_with_the_number() -> None:
    reason = f"with {INVALID_REQUEST}: needs an edit, or --force replays it unchanged"
    assert skipped_text.sentence(reason, 1) == (
        "1 request with invalid_request_error needs an edit (--set). To replay it unchanged,"
        " pass --force."
    )
    assert skipped_text.sentence(reason, 1_200).startswith(
        "1,200 requests with invalid_request_error need an edit (--set). To replay them"
    )
    assert skipped_text.sentence("is not paused", 1) == "1 workflow is not paused."
    assert skipped_text.sentence("is not paused", 2) == "2 workflows are not paused."


def _reasons() -> list[str]:
    """What the functions of `eligibility` return for a request that they skip."""
    returned = [
        one
        for part in ast.walk(ast.parse(getsource(eligibility)))
        if isinstance(part, ast.Return) and part.value
        for one in ast.walk(part.value)
    ]
    texts = (one.value for one in returned if isinstance(one, ast.Constant))
    return [text for text in texts if isinstance(text, str) and " " in text]


@pytest.mark.parametrize("reason", _reasons())
def test_each_reason_has_a_sentence(reason: str) -> None:
    known = [*skipped_text._SENTENCES, "is not paused", "is already paused, since "]
    assert any(reason in one for one in known)
