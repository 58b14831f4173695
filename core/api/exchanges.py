"""A recording of `verify-api`: each call as it went over the wire, one JSON line each."""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct, field

# Of the answer's headers: the others name the account, the gateway or the machine.
_KEPT = (
    *("content-type", "content-encoding", "retry-after", "x-should-retry"),
    *("anthropic-organization-id", "anthropic-workspace-id"),
)


class Run(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="run", tag_field="line"):
    """The first line: `nonce` makes the prompts new, amounts are nano-dollars."""

    version: str
    started_ts: str
    model: str
    nonce: str
    limit_nano: int
    max_nano: int
    # The lane of titan.toml, "" for the environment's account.
    lane: str = ""


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sent, but for credentials. `body` is text; `is_cut`: the answer is not waited for."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    betas: tuple[str, ...] = ()
    body: str | None = None
    is_cut: bool = False
    has_wrong_key: bool = False


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer; without a status, `failure` says why there is none."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str = ""
    failure: str = ""

    @property
    def raw(self) -> bytes:
        """The body as bytes."""
        return self.body.encode()


class Exchange(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag="exchange", tag_field="line"
):
    """A call and its answer; `step` is its name in the run, `at` the time of the answer in UTC.

    Without an answer the call was about to be sent, and its process ended.
    """

    step: str
    at: str
    call: Call
    answer: Answer | None = None


class End(Struct, frozen=True, tag="end", tag_field="line"):
    """The last line of a run that was not stopped."""

    at: str


Line = Run | Exchange | End
_decoder = msgspec.json.Decoder(Line)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a fact may depend on."""
    return {name: headers[name] for name in _KEPT if name in headers}


def decode_lines(lines: Iterable[bytes]) -> list[Line]:
    """The lines of a recording, up to one that was cut off. Raises msgspec.MsgspecError."""
    return [_decoder.decode(line) for line in lines if line.endswith(b"\n")]
