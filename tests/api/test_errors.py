"""Every way in which the API, the HTTP library and the SDK can fail is one of ours."""

import json

import anthropic
import httpx2
import pytest
from anthropic._error_classes import ERROR_CLASSES
from support.api.mock_transport import a_body, an_api, answering

from core.api.client import AnthropicApi
from core.errors import (
    ApiError,
    Blocked,
    NoResponse,
    NotFound,
    RateLimited,
    Rejected,
    SpendCapReached,
    Unauthorized,
    Unreachable,
)

BY_STATUS: dict[int, type[ApiError]] = {
    301: Blocked,
    302: Blocked,
    307: Blocked,
    400: Rejected,
    401: Unauthorized,
    402: Blocked,
    403: Blocked,
    404: NotFound,
    408: NoResponse,
    409: NoResponse,
    412: Blocked,
    413: Rejected,
    422: Rejected,
    429: RateLimited,
    431: Rejected,
    499: Rejected,
    500: NoResponse,
    501: NoResponse,
    503: NoResponse,
    504: NoResponse,
    529: NoResponse,
    599: NoResponse,
}
# Made with a status by the SDK; the class tells no more than the status does.
WITHOUT_STATUS = {
    "APIError",
    "APIConnectionError",
    "APITimeoutError",
    "APIResponseValidationError",
    "APIWebhookValidationError",
    "AnthropicError",
    "CredentialsError",
    "IdentityTokenFileError",
    "RetryableError",
    "WorkloadIdentityError",
}
ABOUT_THE_ACCOUNT = {
    "claude_code_key_creator_not_member",
    "cmek_key_disabled",
    "organization_on_hold",
}


def exceptions_of(module: object) -> list[type[Exception]]:
    found = {
        value
        for name in dir(module)
        if isinstance(value := getattr(module, name), type) and issubclass(value, Exception)
    }
    return sorted(found, key=lambda kind: kind.__name__)


def status_errors() -> list[type[anthropic.APIStatusError]]:
    return [kind for kind in exceptions_of(anthropic) if issubclass(kind, anthropic.APIStatusError)]


def an_error(message: str = "No.", **fields: object) -> dict[str, object]:
    return {"type": "error", "error": {"type": "x_error", "message": message, **fields}}


def caught(status: int, body: object, headers: dict[str, str] | None = None) -> ApiError:
    api = an_api(answering(status, body=body, headers=headers))
    with pytest.raises(ApiError) as error:
        api.create(a_body())
    return error.value


@pytest.mark.parametrize(("status", "kind"), BY_STATUS.items())
def test_each_status_is_one_of_ours(status: int, kind: type[ApiError]) -> None:
    error = caught(status, an_error())
    assert type(error) is kind
    assert (error.status, error.retry_after_s) == (status, None)
    assert str(status) in str(error)


@pytest.mark.parametrize(("status", "code"), ERROR_CLASSES)
def test_every_error_code_of_the_sdk_is_mapped(status: int, code: str | None) -> None:
    error = caught(status, an_error(details={"error_code": code}))
    if "spend_limit_reached" in (code or ""):
        assert type(error) is SpendCapReached
    elif code in ABOUT_THE_ACCOUNT:
        assert type(error) is Blocked
    else:
        assert type(error) is BY_STATUS[status], "a new status: decide what it means"


def test_every_status_class_of_the_sdk_has_a_status_that_is_mapped() -> None:
    statuses = {status for status, _ in ERROR_CLASSES}
    assert statuses <= set(BY_STATUS)
    by_code = set(ERROR_CLASSES.values())
    general = {anthropic.APIStatusError, anthropic.InternalServerError}
    assert set(status_errors()) <= by_code | general


def test_every_exception_of_the_sdk_is_mapped() -> None:
    others = {
        kind.__name__
        for kind in exceptions_of(anthropic)
        if not issubclass(kind, anthropic.APIStatusError)
    }
    assert others <= WITHOUT_STATUS


LONG: dict[str, object] = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 64_000,
    "messages": [{"role": "user", "content": "Tell me all."}],
}


def caught_amid_a_long_answer(api: AnthropicApi) -> ApiError:
    """What a synchronous answer raises that comes through the SDK."""
    with pytest.raises(ApiError) as error:
        api.run_one(LONG)
    return error.value


@pytest.mark.parametrize(("status", "kind"), BY_STATUS.items())
def test_each_status_means_the_same_for_a_long_answer(status: int, kind: type[ApiError]) -> None:
    answer = answering(status, body=an_error(), headers={"retry-after": "7"})
    error = caught_amid_a_long_answer(an_api(answer))
    assert type(error) is kind
    assert (error.status, error.retry_after_s) == (status, 7.0)
    assert str(error) == f"The API returned {status}: No."


def test_an_error_within_a_long_answer_is_reported() -> None:
    said = an_error("Overloaded")
    stream = b"event: error\ndata: " + json.dumps(said).encode() + b"\n\n"
    api = an_api(answering(content=stream, headers={"content-type": "text/event-stream"}))
    error = caught_amid_a_long_answer(api)
    assert type(error) is NoResponse
    assert "Overloaded" in str(error)


BEGUN = (
    b"event: message_start\ndata: "
    + json.dumps(
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-4-6",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 5, "output_tokens": 1},
            },
        }
    ).encode()
    + b"\n\n"
)


@pytest.mark.parametrize(
    "content", [b"", b"data: {\n\n", b"<html>", b"event: message_stop\n\n", BEGUN]
)
def test_a_long_answer_that_breaks_off_is_none(content: bytes) -> None:
    api = an_api(answering(content=content, headers={"content-type": "text/event-stream"}))
    assert type(caught_amid_a_long_answer(api)) is NoResponse


NEVER_LEFT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}


def transport_errors() -> list[type[httpx2.TransportError]]:
    return [kind for kind in exceptions_of(httpx2) if issubclass(kind, httpx2.TransportError)]


@pytest.mark.parametrize("kind", transport_errors())
def test_every_failure_of_the_wire_is_one_of_ours(kind: type[httpx2.TransportError]) -> None:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise kind("Something\nbroke", request=request)

    api = an_api(fail)
    with pytest.raises(ApiError) as error:
        api.create(a_body())
    expected = Unreachable if kind.__name__ in NEVER_LEFT else NoResponse
    assert type(error.value) is expected
    assert error.value.status is None
    assert type(caught_amid_a_long_answer(api)) is expected


@pytest.mark.parametrize("kind", transport_errors())
def test_every_failure_amid_the_results_is_one_of_ours(kind: type[httpx2.TransportError]) -> None:
    class Broken(httpx2.SyncByteStream):
        def __iter__(self):  # noqa: ANN204 - an iterator of bytes that breaks
            yield b"half a li"
            raise kind("broke")

    api = an_api(lambda _request: httpx2.Response(200, stream=Broken()))
    with api.results("msgbatch_1") as pieces, pytest.raises(ApiError):
        list(pieces)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, an_error(details={"error_code": "enforced_spend_limit_reached"})),
        (400, an_error("You have reached your specified API usage limits. You will regain")),
        (400, an_error("You have reached your specified workspace API usage limits.")),
    ],
)
def test_a_spend_limit_differs_from_a_full_queue(status: int, body: object) -> None:
    assert type(caught(status, body)) is SpendCapReached


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, an_error("Your credit balance is too low to access the Anthropic API.")),
        (400, an_error("This organization has been disabled.")),
        (403, an_error("Your account has been disabled.")),
        (
            400,
            {"error": {"type": "budget_exceeded", "message": "Budget has been exceeded! 10 > 9"}},
        ),
        (429, {"error": {"type": "budget_exceeded", "message": "No."}}),
        (402, "<html>Pay</html>"),
        (400, "<html><h1>Bad requests: JSON</h1></html>"),
        (404, "<html>Not Found</html>"),
        (412, {"status": "failure", "message": "policy"}),
        (422, {"detail": "no"}),
        (307, ""),
    ],
)
def test_an_account_problem_differs_from_an_invalid_request(status: int, body: object) -> None:
    assert type(caught(status, body)) is Blocked


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("10", 10.0), ("0.5", 0.5), ("-3", 0.0), ("Wed, 19 Aug 2026 14:49:30 GMT", None), ("", None)],
)
def test_a_numeric_retry_after_is_read(value: str, seconds: float | None) -> None:
    error = caught(429, an_error(), {"retry-after": value})
    assert error.retry_after_s == seconds


@pytest.mark.parametrize("value", ["1e300", "999999999999"])
def test_a_retry_after_is_limited_to_a_week(value: str) -> None:
    assert caught(429, an_error(), {"retry-after": value}).retry_after_s == 7 * 86_400


@pytest.mark.parametrize("value", ["nan", "inf", "1e999"])
def test_a_retry_after_that_is_not_a_time_is_none(value: str) -> None:
    assert caught(429, an_error(), {"retry-after": value}).retry_after_s is None


@pytest.mark.parametrize("status", [403, 413, 429, 502, 503])
def test_a_proxys_page_becomes_one_short_line(status: int) -> None:
    page = b"<html>\r\n<head><title>No</title></head>\r\n" + b"<p>x</p>\n" * 500
    api = an_api(answering(status, content=page, headers={"content-type": "text/html"}))
    with pytest.raises(ApiError) as error:
        api.create(a_body())
    assert type(error.value) is BY_STATUS.get(status, NoResponse)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300
    assert error.value.error_type is None


@pytest.mark.parametrize("body", [None, [], "x", 5, {"error": "x"}, {"error": {"type": 5}}])
def test_an_error_of_any_shape_is_one_line(body: object) -> None:
    error = caught(400, body)
    assert isinstance(error, Rejected)
    assert "\n" not in str(error)
    json.dumps([str(error), error.error_type])


def test_the_key_is_in_no_error() -> None:
    for status in BY_STATUS:
        assert "sk-ant-test" not in str(caught(status, an_error()))


@pytest.mark.parametrize("status", [400, 429, 500])
def test_half_a_character_in_an_error_is_a_question_mark(status: int) -> None:
    said = b'{"type":"error","error":{"type":"x\\ud83d","message":"odd \\ud83d one"}}'
    api = an_api(answering(status, content=said))
    with pytest.raises(ApiError) as error:
        api.create(a_body())
    assert str(error.value).endswith("odd ? one.")
    assert error.value.error_type == "x?"


def test_what_the_sdk_cannot_put_together_is_no_answer() -> None:
    delta = {"type": "text_delta", "text": "x"}
    odd = {"type": "content_block_delta", "index": 7, "delta": delta}
    stream = BEGUN + b"event: content_block_delta\ndata: " + json.dumps(odd).encode() + b"\n\n"
    api = an_api(answering(content=stream, headers={"content-type": "text/event-stream"}))
    assert type(caught_amid_a_long_answer(api)) is NoResponse
