"""What goes over the wire: once, to the configured host only, and as it is."""

import contextlib
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.api.mock_transport import BASE_URL, KEY, a_batch, a_body, an_api, answering, streamed
from support.builders import a_bench

from core.api.client import AnthropicApi
from core.errors import ApiError, Blocked, NoResponse, NotFound
from state.model.records import BatchStatus, Counts
from titan_console.sandbox.faults.profile import kind_names


def seen_by(
    call: Callable[[AnthropicApi], object], answer: object
) -> tuple[list[httpx2.Request], Any]:
    """The requests that the call makes, and what it returns."""
    requests: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        request.read()
        requests.append(request)
        return httpx2.Response(
            200,
            json=answer,
            headers={"anthropic-organization-id": "org", "anthropic-workspace-id": "wrkspc_1"},
        )

    return requests, call(an_api(handler))


def test_a_create_is_one_post_of_exactly_the_bytes_that_were_announced() -> None:
    body = a_body(betas=("output-300k-2026-03-24", "another"))
    (request,), created = seen_by(lambda api: api.create(body), a_batch())
    assert (request.method, str(request.url)) == ("POST", f"{BASE_URL}/v1/messages/batches")
    assert request.content == b"".join(body.pieces())
    assert request.headers["content-length"] == str(body.length)
    assert "transfer-encoding" not in request.headers
    assert request.headers["content-type"] == "application/json"
    assert request.headers["anthropic-beta"] == "output-300k-2026-03-24,another"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert created.account == "org/wrkspc_1"
    assert created.remote.counts == Counts(processing=1)
    assert created.remote.created_ts == "2026-08-19T14:49:30.044Z"


def test_a_create_without_betas_sends_no_header_for_them() -> None:
    (request,), _ = seen_by(lambda api: api.create(a_body()), a_batch())
    assert "anthropic-beta" not in request.headers


def test_a_page_of_the_list_is_one_call_with_its_cursor() -> None:
    answer = {"data": [a_batch()], "has_more": True, "first_id": "x", "last_id": "msgbatch_01AbC"}
    (request,), page = seen_by(lambda api: api.list_page(after_id="m_1", limit=7), answer)
    assert dict(request.url.params) == {"limit": "7", "after_id": "m_1"}
    assert (page.has_more, page.last_id, page.account) == (True, "msgbatch_01AbC", "org/wrkspc_1")
    (request,), _ = seen_by(lambda api: api.list_page(), answer)
    assert dict(request.url.params) == {"limit": "1000"}


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("in_progress", BatchStatus.IN_PROGRESS),
        ("canceling", BatchStatus.CANCELING),
        ("ended", BatchStatus.ENDED),
        ("a_new_word", BatchStatus.IN_PROGRESS),
    ],
)
def test_an_unknown_status_means_not_ended(word: str, status: BatchStatus) -> None:
    _, found = seen_by(lambda api: api.retrieve("m"), a_batch(processing_status=word))
    assert found.status == status


def test_a_cancel_is_one_post_and_gives_the_times() -> None:
    answer = a_batch(
        processing_status="ended",
        cancel_initiated_at="2026-08-19T15:00:00Z",
        ended_at="2026-08-19T15:00:25.5Z",
        archived_at="2026-09-17T14:49:30Z",
    )
    (request,), found = seen_by(lambda api: api.cancel("msgbatch_1"), answer)
    assert (request.method, request.url.path) == ("POST", "/v1/messages/batches/msgbatch_1/cancel")
    assert found.cancel_ts == "2026-08-19T15:00:00.000Z"
    assert found.ended_ts == "2026-08-19T15:00:25.500Z"


def test_results_are_the_raw_bytes_whatever_they_are() -> None:
    raw = b'\xef\xbb\xbf{"a":"\xe2\x80\xa8"}\r\n\n\xff<html>' + b"x" * 600_000
    api = an_api(answering(content=raw))
    with api.results("msgbatch_1") as pieces:
        assert b"".join(pieces) == raw


def test_results_are_requested_in_one_call_at_the_configured_address() -> None:
    asked: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        assert request.headers["accept-encoding"] == "gzip"
        return streamed(200, b"")

    api = an_api(handler, base_url="https://proxy.example/anthropic")
    with api.results("msgbatch_1") as pieces:
        assert list(pieces) == []
    assert asked == ["https://proxy.example/anthropic/v1/messages/batches/msgbatch_1/results"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["create", "list_page", "retrieve", "cancel", "results"])
def test_a_redirect_is_not_followed(status: int, name: str) -> None:
    hosts: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        request.read()
        hosts.append(request.url.host)
        return httpx2.Response(status, headers={"location": "https://evil.example/"})

    api = an_api(handler)
    with pytest.raises(Blocked, match=str(status)):
        call(api, name)
    assert hosts == ["api.anthropic.com"]


def call(api: AnthropicApi, name: str) -> object:
    """That call, to its end."""
    if name == "create":
        return api.create(a_body())
    if name == "list_page":
        return api.list_page()
    if name == "results":
        with api.results("msgbatch_1") as pieces:
            return b"".join(pieces)
    return getattr(api, name)("msgbatch_1")


def test_another_token_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "another")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://evil.example")
    (request,), _ = seen_by(lambda api: api.retrieve("m"), a_batch())
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "x-api-key" not in request.headers
    assert request.url.host == "api.anthropic.com"


@pytest.mark.parametrize("fault", kind_names("create"))
def test_whatever_happens_to_a_create_it_is_one_post(tmp_path: Path, fault: str) -> None:
    with a_bench(tmp_path) as bench:
        bench.faults.add(f"create:{fault}")
        calls = bench.sandbox._calls
        with contextlib.suppress(ApiError):
            bench.api().create(a_body())
        assert bench.sandbox._calls == calls + 1
        assert bench.sandbox.billing_log().creates <= 1


def counts(succeeded: int) -> dict[str, int]:
    return {"processing": 0, "succeeded": succeeded, "errored": 0, "canceled": 0, "expired": 0}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"<html>hello</html>", id="HTML"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="no fields"),
        pytest.param(json.dumps(a_batch(id=None)).encode(), id="no id"),
        pytest.param(json.dumps(a_batch(id="../../x")).encode(), id="a path as id"),
        pytest.param(json.dumps(a_batch(request_counts=None)).encode(), id="no counts"),
        pytest.param(json.dumps(a_batch(created_at="yesterday")).encode(), id="no time"),
        pytest.param(json.dumps(a_batch(expires_at=None)).encode(), id="no end"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(json.dumps(a_batch(created_at="0001-01-01T00:00:00Z")).encode(), id="year 1"),
        pytest.param(
            json.dumps(a_batch(expires_at="9999-12-31T23:59:59-01:00")).encode(), id="year 10000"
        ),
        pytest.param(json.dumps(a_batch(request_counts=counts(2**70))).encode(), id="2**70"),
        pytest.param(json.dumps(a_batch(request_counts=counts(-1))).encode(), id="negative"),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
def test_a_2xx_without_a_usable_body_is_no_response(answer: bytes, content_type: str) -> None:
    api = an_api(answering(content=answer, headers={"content-type": content_type}))
    for name in ("create", "retrieve", "cancel"):
        with pytest.raises(NoResponse) as caught:
            call(api, name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "page", [{"data": []}, {"data": [], "has_more": None}, {"has_more": False}]
)
def test_a_list_that_does_not_say_whether_it_ends_is_none(page: dict[str, object]) -> None:
    with pytest.raises(NoResponse):
        an_api(answering(body=page)).list_page()


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_only_a_200_brings_results(status: int) -> None:
    with (
        pytest.raises(NoResponse, match=f"{status} instead of results"),
        an_api(answering(status, content=b"")).results("msgbatch_1"),
    ):
        pass


LINES = b"".join(b"line %d\n" % number for number in range(1000))


def packed(content: bytes, encoding: str) -> AnthropicApi:
    """A client whose results come so, in small pieces."""
    pieces = [content[at : at + 100] for at in range(0, len(content), 100)]
    headers = {"content-encoding": encoding}
    return an_api(lambda _: httpx2.Response(200, content=iter(pieces), headers=headers))


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "utf-8"])
def test_results_that_are_packed_in_another_way_are_none(encoding: str) -> None:
    with (
        packed(b"\x0b\x02\x80packed", encoding).results("msgbatch_1") as pieces,
        pytest.raises(NoResponse, match="unexpected content-encoding"),
    ):
        list(pieces)


@pytest.mark.parametrize("encoding", ["gzip", " GZIP ", "x-gzip"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(LINES), id="one member"),
        pytest.param(gzip.compress(LINES[:500]) + gzip.compress(LINES[500:]), id="two members"),
        pytest.param(gzip.compress(LINES) + bytes(2000), id="filled up"),
    ],
)
def test_results_are_decompressed(encoding: str, content: bytes) -> None:
    with packed(content, encoding).results("msgbatch_1") as pieces:
        assert b"".join(pieces) == LINES


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_results_that_are_not_packed_come_as_they_are(encoding: str) -> None:
    with packed(LINES, encoding).results("msgbatch_1") as pieces:
        assert b"".join(pieces) == LINES


@pytest.mark.parametrize("kept", [0, 5, 200, -9, -1])
def test_packed_results_that_end_early_broke_off(kept: int) -> None:
    came: list[bytes] = []
    with (
        packed(gzip.compress(LINES)[:kept], "gzip").results("m_1") as pieces,
        pytest.raises(NoResponse, match="truncated"),
    ):
        came.extend(pieces)
    assert LINES.startswith(b"".join(came))


def test_packed_results_that_are_damaged_broke_off() -> None:
    content = bytearray(gzip.compress(LINES))
    content[-6] ^= 1
    with (
        packed(bytes(content), "gzip").results("m_1") as pieces,
        pytest.raises(NoResponse, match="cannot be decompressed"),
    ):
        list(pieces)


def test_what_came_before_the_results_broke_off_is_kept() -> None:
    class Broken(httpx2.SyncByteStream):
        def __iter__(self):  # noqa: ANN204 - an iterator of bytes that breaks
            yield b"one line\n"
            raise httpx2.ReadError("broke")

    api = an_api(lambda _request: httpx2.Response(200, stream=Broken()))
    kept: list[bytes] = []
    with api.results("msgbatch_1") as pieces, pytest.raises(NoResponse):
        kept.extend(pieces)
    assert kept == [b"one line\n"]


def test_a_2xx_with_another_request_count_is_no_response() -> None:
    api = an_api(answering(body=a_batch()))
    with pytest.raises(NoResponse, match="a batch of 1 request instead of 3"):
        api.create(a_body(3))


def test_a_results_call_that_finds_nothing_says_so_on_entering() -> None:
    error = {"type": "error", "error": {"type": "not_found_error", "message": "Not yet."}}
    api = an_api(answering(404, body=error))
    with pytest.raises(NotFound, match="Not yet"), api.results("msgbatch_1"):
        pass
