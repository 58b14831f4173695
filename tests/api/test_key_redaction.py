"""The key is in no error, whatever a server or a proxy echoes."""

import httpx2
import pytest
from support.error_codes import code_is

from core.api.client import AnthropicApi
from core.errors import ApiError, SettingsError

_KEY = "plain-key-of-a-gateway"


@pytest.mark.parametrize("status", [400, 401, 429, 500])
@pytest.mark.parametrize("echo", [f"bad key Bearer {_KEY}", "other key sk-ant-api03-abc_DEF"])
def test_an_echoed_key_is_taken_out_of_the_message(status: int, echo: str) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        error = {"type": "invalid_request_error", "message": echo}
        return httpx2.Response(status, json={"type": "error", "error": error})

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    api = AnthropicApi(api_key=_KEY, base_url="https://api.anthropic.com", http_client=client)
    with pytest.raises(ApiError) as caught:
        api.retrieve("msgbatch_1")
    assert _KEY not in str(caught.value)
    assert "sk-ant" not in str(caught.value)
    assert "(key)" in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"id": "' + b"m" * 100_000 + b'"}', b'"text"', b"[1]"]
)
def test_an_odd_answer_is_one_of_our_errors(body: bytes) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": "application/json"})

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    api = AnthropicApi(api_key=_KEY, base_url="https://api.anthropic.com", http_client=client)
    with pytest.raises(ApiError):
        api.retrieve("msgbatch_1")
    with pytest.raises(ApiError):
        api.retrieve("m" * 100_000)


def _padded(length: int) -> str:
    return "x" * length + _KEY


@pytest.mark.parametrize("length", [*range(150, 205, 6), *range(470, 505, 6)])
def test_no_piece_of_an_echoed_key_is_left_where_a_text_is_cut(length: int) -> None:
    page = _padded(length)
    error = {"type": "error", "error": {"type": "api_error", "message": page}}

    def a_page(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(502, content=page.encode())

    def an_error(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(400, json=error)

    def break_off(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.RemoteProtocolError(page, request=request)

    for answer in (a_page, an_error, break_off):
        client = httpx2.Client(transport=httpx2.MockTransport(answer))
        api = AnthropicApi(api_key=_KEY, base_url="https://api.anthropic.com", http_client=client)
        with pytest.raises(ApiError) as caught:
            api.retrieve("msgbatch_1")
        assert _KEY[:6] not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "ftp://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://[::bad"),
        ("SSL_CERT_FILE", "/nowhere/at/all.pem"),
    ],
)
def test_invalid_proxy_or_tls_settings_are_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, check=code_is("invalid_proxy_settings")):
        AnthropicApi(api_key=_KEY, base_url="https://api.anthropic.com")
