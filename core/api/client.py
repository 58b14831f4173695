"""The only module that speaks to Anthropic: the Message Batches API's calls in our words.

It speaks HTTP itself, since each call here is one request, sent once and read as bytes. Only a long
synchronous answer comes through the SDK, which puts its pieces together; that takes two seconds of
CPU to load (ADR 11). Import this module where a call is due: the HTTP library takes its time, too.
"""

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
import msgspec

from core.api.batch_schema import batch_of, page_of
from core.api.error_mapping import body_of, to_api_error
from core.api.gzip_stream import ACCEPTED, unpacked
from core.api.http_clients import TIMEOUT, Clients
from core.api.protocol import Body, Created, Page
from core.errors import ApiError, NoResponse, Unreachable
from core.gc_pause import gc_paused
from core.text import pluralize, sanitize
from state.batches.sending import RemoteState
from state.model.errors import TitanError

if TYPE_CHECKING:
    from anthropic import Anthropic

# The version that the SDK speaks which the tests compare with.
API_VERSION = "2026-10-21"
_BATCHES = "/v1/messages/batches"
_MESSAGES = "/v1/messages"
_HEADERS = {
    "accept": "application/json",
    "anthropic-version": API_VERSION,
    "user-agent": "titan-console",
}
_JSON = {"content-type": "application/json"}
# From here on an answer comes as a stream: it may take longer than a silent line stays open.
_LONGEST_UNSTREAMED = 21_333
# What a key looks like, whoever's it is.
_SECRET = re.compile(r"sk-ant-[\w-]+|(?<=Bearer )\S+", re.IGNORECASE)
_OF_THE_WIRE = (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL)
# Of these the API has surely not seen a byte.
_NEVER_LEFT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
)


class AnthropicApi:
    """The Message Batches API; nothing is ever sent a second time here."""

    def __init__(
        self, *, api_key: str, base_url: str, http_client: httpx2.Client | None = None
    ) -> None:
        """Speak to that server only; `http_client` is for the sandbox in process.

        Raises SettingsError where the environment names a proxy or certificates of no use.
        """
        self._key = api_key
        self._base_url = base_url.rstrip("/")
        self._headers = _HEADERS | {"authorization": f"Bearer {api_key}"}
        self._loading = Lock()
        self._clients = Clients(http_client)

    def close(self) -> None:
        """Let go of the connections."""
        self._clients.close()

    def create(self, body: Body) -> Created:
        """Send the batch, once, streamed as it is made."""
        headers = _JSON | {"content-length": str(body.length)} | _betas(body.betas)
        with self._errors():
            answer = self._ask("POST", _BATCHES, headers=headers, content=body.pieces())
            remote = batch_of(answer.content)
        if remote.counts.total() != body.request_count:
            raise NoResponse(
                f"The API answered with a batch of {pluralize(remote.counts.total(), 'request')}"
                f" to one of {body.request_count:,}."
            )
        return Created(remote=remote, account=_account(answer.headers))

    def list_page(self, *, after_id: str | None = None, limit: int = 1000) -> Page:
        """One page of batches, newest first, from behind `after_id` on."""
        cursor = {"after_id": after_id} if after_id else {}
        with self._errors():
            answer = self._ask("GET", _BATCHES, params={"limit": str(limit)} | cursor)
            batches, has_more, last_id = page_of(answer.content)
        return Page(
            batches=batches, has_more=has_more, last_id=last_id, account=_account(answer.headers)
        )

    def retrieve(self, remote_id: str) -> RemoteState:
        """What the API says of one batch."""
        with self._errors():
            return batch_of(self._ask("GET", _path_of(remote_id)).content)

    def cancel(self, remote_id: str) -> RemoteState:
        """Ask for the batch to end early."""
        with self._errors():
            return batch_of(self._ask("POST", f"{_path_of(remote_id)}/cancel").content)

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        """Answer one request now, at the full price: the message as JSON."""
        max_tokens = params.get("max_tokens")
        with self._errors():
            if isinstance(max_tokens, int) and max_tokens > _LONGEST_UNSTREAMED:
                return self._run_streamed(params, betas)
            body = msgspec.json.encode(params)
            return self._ask("POST", _MESSAGES, headers=_JSON | _betas(betas), content=body).content

    def _run_streamed(self, params: Mapping[str, object], betas: tuple[str, ...]) -> bytes:
        """A long answer comes in pieces: no line stays silent for as long as it takes."""
        asked: dict[str, Any] = dict(params)
        required = {name: asked.pop(name) for name in ("model", "messages", "max_tokens")}
        with self._loading, gc_paused():
            sdk = self._sdk
        with (
            self._errors_of_the_sdk(),
            sdk.messages.stream(
                **required, extra_body=asked, extra_headers=_betas(betas)
            ) as stream,
        ):
            message = stream.get_final_message()
        if message.stop_reason is None:
            raise NoResponse("The API's answer broke off.")
        return message.to_json(indent=None).encode()

    @cached_property
    def _sdk(self) -> "Anthropic":
        from anthropic import Anthropic  # noqa: PLC0415 - 2 s, and seldom needed

        return Anthropic(
            api_key=self._key,
            base_url=self._base_url,
            max_retries=0,
            timeout=TIMEOUT,
            http_client=self._clients.first,
        )

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        """The raw bytes of the results.

        The address is made from the configured one and the id: `results_url` could name any host,
        and it would get the key. A compression is undone on the way.
        """
        with self._errors():
            answer = self._ask(
                "GET",
                f"{_path_of(remote_id)}/results",
                headers={"accept": "application/binary", "accept-encoding": ACCEPTED},
                stream=True,
            )
            if answer.status_code != HTTPStatus.OK:
                answer.close()
                raise NoResponse(f"The API answers {answer.status_code}, which is no results.")
        try:
            yield self._pieces(answer)
        finally:
            answer.close()

    def _pieces(self, answer: httpx2.Response) -> Iterator[bytes]:
        with self._errors():
            # In the sizes that they come: what came before the line breaks is kept.
            yield from unpacked(answer.iter_raw(), answer.headers.get("content-encoding", ""))

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: Iterable[bytes] | bytes | None = None,
        stream: bool = False,
    ) -> httpx2.Response:
        """One request and its answer, with `stream` before its body is read.

        Raises ApiError where the API says no, and what the HTTP library raises.
        """
        with self._clients.one() as http:
            request = http.build_request(
                method,
                f"{self._base_url}{path}",
                headers={**self._headers, **(headers or {})},
                params=params,
                content=content,
            )
            answer = http.send(request, stream=True, follow_redirects=False)
            if stream and answer.is_success:
                return answer
            try:
                answer.read()
            finally:
                answer.close()
        if not answer.is_success:
            body = body_of(answer.content)
            raise to_api_error(answer.status_code, body, answer.headers, hide=self._without_key)
        return answer

    @contextmanager
    def _errors(self) -> Generator[None, None, None]:
        """Whatever goes wrong from the first byte on as one of ours; it may have been taken in."""
        try:
            yield
        except ApiError:
            raise
        except _NEVER_LEFT as error:
            raise Unreachable(f"The API cannot be reached: {self._said(error)}") from error
        except httpx2.TimeoutException as error:
            raise NoResponse("The API did not answer in time.") from error
        except (*_OF_THE_WIRE, OSError, TitanError) as error:
            raise NoResponse(f"The connection to the API broke: {self._said(error)}") from error
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise NoResponse("The API's answer cannot be read.") from error

    @contextmanager
    def _errors_of_the_sdk(self) -> Generator[None, None, None]:
        """The SDK's exceptions as what they tell of: an answer, or a failure of the wire."""
        import anthropic  # noqa: PLC0415 - loaded by now

        try:
            yield
        except anthropic.APIStatusError as error:
            raise to_api_error(
                error.status_code, error.body, error.response.headers, hide=self._without_key
            ) from error
        except anthropic.AnthropicError as error:
            if isinstance(error.__cause__, httpx2.HTTPError):
                raise error.__cause__ from error
            raise NoResponse(f"The connection to the API broke: {self._said(error)}") from error
        except AssertionError as error:
            # The SDK's word for a stream that ended before it began.
            raise NoResponse("The API's answer broke off.") from error

    def _said(self, error: Exception) -> str:
        """What an exception says, cut short once the key is out of it."""
        return " ".join(sanitize(self._without_key(str(error))).split())[:200]

    def _without_key(self, text: str) -> str:
        """Some servers and proxies echo what they were sent."""
        return _SECRET.sub("(key)", text.replace(self._key, "(key)"))


def _path_of(remote_id: str) -> str:
    return f"{_BATCHES}/{quote(remote_id, safe='')}"


def _betas(betas: tuple[str, ...]) -> dict[str, str]:
    return {"anthropic-beta": ",".join(betas)} if betas else {}


def _account(headers: Mapping[str, str]) -> str | None:
    """Whose batches these are: organisation and workspace, as the answer names them."""
    organisation = headers.get("anthropic-organization-id")
    workspace = headers.get("anthropic-workspace-id")
    return "/".join(part for part in (organisation, workspace) if part) or None
