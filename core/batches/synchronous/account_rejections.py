"""Decides whether rejected synchronous calls are about their requests or the account. Pure.

An account problem with an unknown message looks like an invalid request, but it names no part of
one, and every call gets the same. Such calls are not errored until another call has an answer.
"""

import re

from msgspec import Struct

from core.errors import ApiError

_FIELDS = (
    "messages|model|system|tools|thinking|temperature|metadata|stream|container|betas|fallbacks"
    "|speed|params"
)
# A name with an underscore is a field wherever it stands; the others are words of English too.
_ABOUT_THE_REQUEST = re.compile(
    rf"(?:^|: )(?:{_FIELDS})(?:[.\[][^ :]*)?: |[`'\"](?:{_FIELDS})\b[^ ]*[`'\"]"
    rf"|\b(?:{_FIELDS})[.\[]\w+"
    r"|\b(?:max_tokens|top_[pk]|tool_\w+|stop_sequences|cache_control|budget_tokens|service_tier"
    r"|output_\w+|context_management|mcp_servers|inference_geo|custom_id)\b"
    r"|\bprompt is too long|\bcould not process|\bcontent filtering|\bprefill\b|\bjson\b"
    r"|\bextra inputs\b|\banthropic-(?:beta|version)\b",
    re.IGNORECASE,
)
_OWN_WORDS = ("request_too_large",)
# Ids, times and amounts differ between responses that say the same.
_VARIABLE = re.compile(r"\S*\d\S*")


class Rejection(Struct, frozen=True):
    """A rejected call."""

    custom_id: str
    error: ApiError


class Rejections:
    """The rejected calls of one run. `account_problem` is set once they are about the account."""

    def __init__(self, most: int) -> None:
        """So many equal rejections without an answer between them stop the run."""
        self.account_problem: ApiError | None = None
        self._most = most
        self._waiting: list[Rejection] = []
        self._is_answered = False

    @property
    def undecided(self) -> int:
        """The number of rejected calls of a run in which no call has an answer yet."""
        return 0 if self._is_answered else len(self._waiting)

    def add(self, rejections: list[Rejection], *, is_answered: bool) -> list[Rejection]:
        """Take calls that ended together; returns the rejected ones that are about the request.

        `is_answered`: one of them has an answer, so the account works.
        """
        about = [one for one in rejections if is_about_the_request(one.error)]
        self._waiting += [one for one in rejections if not is_about_the_request(one.error)]
        self._is_answered |= is_answered
        if is_answered or len({_gist(one.error) for one in self._waiting}) > 1:
            about += self._waiting
            self._waiting = []
        elif len(self._waiting) >= self._most:
            self.account_problem = self._waiting[0].error
        return about

    def at_the_end(self) -> list[Rejection]:
        """Those left that are about the request; none if the run had no answer at all."""
        if self._waiting and not self._is_answered:
            self.account_problem = self._waiting[0].error
        return [] if self.account_problem else self._waiting


def is_about_the_request(error: ApiError) -> bool:
    """Whether the rejection names a part of the request, or its size."""
    return error.error_type in _OWN_WORDS or bool(_ABOUT_THE_REQUEST.search(str(error)))


def _gist(error: ApiError) -> tuple[int | None, str]:
    return error.status, _VARIABLE.sub("#", str(error))
