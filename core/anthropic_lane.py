"""The only module that speaks to Anthropic: its SDK's calls in our words, its errors as ours.

Import it only where a call is due: the SDK takes about two seconds of CPU to load.
"""

import json
import math
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import anthropic
import httpx2
from anthropic.types.messages import MessageBatch

from core.errors import (
    LaneError,
    NotFound,
    Refused,
    SpendCapReached,
    Throttled,
    Unanswered,
    Unauthorized,
    Unreachable,
)
from core.lane import Body, Created, Page
from core.words import counted
from state.records import BatchStatus, Counts
from state.sending import RemoteState
from state.timestamps import to_text

_PATH = "/v1/messages/batches"
_MESSAGES_PATH = "/v1/messages"
# From here on the SDK wants a stream: an answer may take longer than a line stays open.
_LONGEST_UNSTREAMED = 21_333
# Connecting is quick or not at all; an upload of 256 MB and its answer take their time.
_TIMEOUT = httpx2.Timeout(600.0, connect=10.0)
# A synchronous run asks 50 at once, and each connection costs a handshake.
_CONNECTIONS = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
_PIECE = 1 << 18
# Asks the SDK for the response itself; with "stream", before its body is read.
_RAW = "x-stainless-raw-response"
# A word that is not known yet means: not ended.
_REMOTE_STATUS = {
    "in_progress": BatchStatus.IN_PROGRESS,
    "canceling": BatchStatus.CANCELING,
    "ended": BatchStatus.ENDED,
}
# Of the organisation's tier, its contract, or the organisation that pays for it.
_REMOTE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
# What a key looks like, whoever's it is.
_SECRET = re.compile(r"sk-ant-[\w-]+|(?<=Bearer )\S+", re.IGNORECASE)
_SPEND_CAP_CODE = "spend_limit_reached"
_SPEND_CAP_PHRASE = "api usage limits"
# A 400 that is about the account: no batch of its would be taken, and this one is not bad.
_ACCOUNT_CODES = frozenset(
    {"claude_code_key_creator_not_member", "cmek_key_disabled", "organization_on_hold"}
)
# No wish of the API's is heeded for longer; a later look costs one call.
_LONGEST_WISH_S = 7 * 86_400.0


class AnthropicLane:
    """The Message Batches API through the official SDK, which never retries here."""

    def __init__(
        self, *, api_key: str, base_url: str, http_client: httpx2.Client | None = None
    ) -> None:
        """Speak to that server only; `http_client` is for the sandbox in process."""
        self._key = api_key
        self._client = anthropic.Anthropic(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=_TIMEOUT,
            # A redirect would carry prompts to a host that nobody configured.
            http_client=http_client
            or httpx2.Client(follow_redirects=False, timeout=_TIMEOUT, limits=_CONNECTIONS),
        )

    @contextmanager
    def _errors(self) -> Generator[None, None, None]:
        """Our errors, without the key: some servers and proxies echo what they were sent."""
        try:
            with _our_errors():
                yield
        except LaneError as error:
            error.args = (self._without_key(str(error)),)
            error.error_type = error.error_type and self._without_key(error.error_type)
            raise

    def _without_key(self, text: str) -> str:
        return _SECRET.sub("(key)", text.replace(self._key, "(key)"))

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def create(self, body: Body) -> Created:
        """Send the batch, once, streamed as it is made."""
        headers = {"content-type": "application/json", "content-length": str(body.length)}
        if body.betas:
            headers["anthropic-beta"] = ",".join(body.betas)
        with self._errors():
            response = cast(
                "anthropic.APIResponse[MessageBatch]",
                self._client.post(
                    _PATH,
                    cast_to=MessageBatch,
                    content=body.pieces(),
                    options={"headers": headers | {_RAW: "raw"}},
                ),
            )
            remote = _to_remote(response.parse())
        if remote.counts.total() != body.request_count:
            raise Unanswered(
                f"The API answered with a batch of {counted(remote.counts.total(), 'request')}"
                f" to one of {body.request_count:,}."
            )
        return Created(remote=remote, account=_account(response.headers))

    def list_page(self, *, after_id: str | None = None, limit: int = 1000) -> Page:
        """One page of batches, newest first, from behind `after_id` on."""
        with self._errors():
            response = self._client.messages.batches.with_raw_response.list(
                limit=limit, after_id=after_id or anthropic.omit
            )
            page = response.parse()
            batches = tuple(_to_remote(batch) for batch in page.data)
        return Page(
            batches=batches,
            has_more=bool(page.has_more),
            last_id=page.last_id,
            account=_account(response.headers),
        )

    def retrieve(self, remote_id: str) -> RemoteState:
        """What the API says of one batch."""
        with self._errors():
            return _to_remote(self._client.messages.batches.retrieve(remote_id))

    def cancel(self, remote_id: str) -> RemoteState:
        """Ask for the batch to end early."""
        with self._errors():
            return _to_remote(self._client.messages.batches.cancel(remote_id))

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        """Answer one request now, at the full price: the message as JSON."""
        headers = {"anthropic-beta": ",".join(betas)} if betas else {}
        max_tokens = params.get("max_tokens")
        with self._errors():
            if isinstance(max_tokens, int) and max_tokens > _LONGEST_UNSTREAMED:
                return self._run_streamed(params, headers)
            response = cast(
                "anthropic.APIResponse[httpx2.Response]",
                self._client.post(
                    _MESSAGES_PATH,
                    cast_to=httpx2.Response,
                    body=dict(params),
                    options={"headers": headers | {_RAW: "raw"}},
                ),
            )
            return response.read()

    def _run_streamed(self, params: Mapping[str, object], headers: dict[str, str]) -> bytes:
        """A long answer comes in pieces: no line stays silent for as long as it takes."""
        asked: dict[str, Any] = dict(params)
        required = {name: asked.pop(name) for name in ("model", "messages", "max_tokens")}
        with self._client.messages.stream(
            **required, extra_body=asked, extra_headers=headers
        ) as stream:
            return stream.get_final_message().to_json(indent=None).encode()

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        """The raw bytes of the results.

        The address is made from the configured one and the id: `results_url` could name any host,
        and the SDK would send it the key. `httpx2` undoes a compression on the way.
        """
        with self._errors():
            response = cast(
                "anthropic.APIResponse[httpx2.Response]",
                self._client.get(
                    f"{_PATH}/{remote_id}/results",
                    cast_to=httpx2.Response,
                    options={"headers": {"accept": "application/binary", _RAW: "stream"}},
                    stream=True,
                    stream_cls=anthropic.Stream[object],
                ),
            )
        try:
            yield _pieces(response)
        finally:
            response.close()


def _pieces(response: anthropic.APIResponse[httpx2.Response]) -> Iterator[bytes]:
    with _our_errors():
        yield from response.iter_bytes(_PIECE)


def _to_remote(batch: MessageBatch) -> RemoteState:
    """The SDK builds its models unchecked, so each part is looked at here."""
    try:
        return RemoteState(
            remote_id=_as_id(batch.id),
            status=_REMOTE_STATUS.get(batch.processing_status, BatchStatus.IN_PROGRESS),
            counts=Counts(
                processing=int(batch.request_counts.processing),
                succeeded=int(batch.request_counts.succeeded),
                errored=int(batch.request_counts.errored),
                canceled=int(batch.request_counts.canceled),
                expired=int(batch.request_counts.expired),
            ),
            created_ts=to_text(_as_time(batch.created_at)),
            expires_ts=to_text(_as_time(batch.expires_at)),
            ended_ts=to_text(batch.ended_at) if batch.ended_at else None,
            cancel_ts=to_text(batch.cancel_initiated_at) if batch.cancel_initiated_at else None,
            archived_ts=to_text(batch.archived_at) if batch.archived_at else None,
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise Unanswered("The API's answer is no batch.") from error


def _as_id(value: object) -> str:
    if not isinstance(value, str) or not _REMOTE_ID.fullmatch(value):
        raise ValueError(f"its id is {value!r:.60}")
    return value


def _as_time(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"a time is {value!r:.60}")
    return value


def _account(headers: httpx2.Headers) -> str | None:
    """Whose batches these are: organisation and workspace, as the answer names them."""
    organisation = headers.get("anthropic-organization-id")
    workspace = headers.get("anthropic-workspace-id")
    return "/".join(part for part in (organisation, workspace) if part) or None


@contextmanager
def _our_errors() -> Generator[None, None, None]:
    """Every exception of the SDK, its HTTP library and its decoders as one of ours."""
    try:
        yield
    except LaneError:
        raise
    except (
        anthropic.AnthropicError,
        httpx2.HTTPError,
        httpx2.StreamError,
        httpx2.InvalidURL,
    ) as error:
        raise to_lane_error(error) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Unanswered("The API's answer cannot be read.") from error


def to_lane_error(error: Exception) -> LaneError:
    """The one place where the SDK's exceptions become ours; most specific first."""
    if isinstance(error, anthropic.APIStatusError):
        return _from_status(error)
    cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return Unreachable(f"The API cannot be reached: {cause!s:.200}")
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return Unanswered("The API did not answer in time.")
    return Unanswered(f"The connection to the API broke: {cause or error!s:.200}")


def _from_status(error: anthropic.APIStatusError) -> LaneError:
    status = error.status_code
    message = f"The API answers {status}: {_text(error)}"
    kind = _kind(status, error)
    return kind(
        message,
        status=status,
        error_type=error.type if isinstance(cast("object", error.type), str) else None,
        retry_after_s=_retry_after(error.response.headers),
    )


def _kind(status: int, error: anthropic.APIStatusError) -> type[LaneError]:
    if status in (400, 402, 429) and _is_spend_cap(status, error):
        return SpendCapReached
    if error.error_code in _ACCOUNT_CODES:
        return Unauthorized
    if status in (408, 409) or status >= 500 or status < 400:  # noqa: PLR2004 - HTTP's own numbers
        return Unanswered
    return {401: Unauthorized, 403: Unauthorized, 404: NotFound, 429: Throttled}.get(
        status, Refused
    )


def _is_spend_cap(status: int, error: anthropic.APIStatusError) -> bool:
    text = json.dumps(error.body, default=str).lower()
    return status == 402 or _SPEND_CAP_CODE in text or _SPEND_CAP_PHRASE in text  # noqa: PLR2004


def _text(error: anthropic.APIStatusError) -> str:
    """The API's own sentence; a proxy's page is cut short."""
    if error.type is not None:
        return str(error.api_message or error.message)[:500]
    return " ".join(str(cast("object", error.body) or error.message).split())[:200]


def _retry_after(headers: httpx2.Headers) -> float | None:
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return min(max(0.0, seconds), _LONGEST_WISH_S) if math.isfinite(seconds) else None
