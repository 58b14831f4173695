"""The effect of a fault on a call: an early rejection, or a damaged response."""

from dataclasses import replace
from http import HTTPStatus

from titan_console.sandbox.faults.changes import CHANGE_CALLS, change
from titan_console.sandbox.faults.profile import Fault
from titan_console.sandbox.model.http_messages import (
    ErrorResponse,
    Failure,
    HttpRequest,
    HttpResponse,
)

FOREIGN_HOST = "https://results.invalid"
_SPEND_CAP = (
    "You have reached the monthly API usage threshold of your organization's tier. Contact sales"
    " to raise it."
)
# Rejections of the account, each a 400 as from the API and from LiteLLM.
_ACCOUNT = {
    "usage-limit": (
        "You have reached your specified API usage limits. You will regain access on the first of"
        " next month at 00:00 UTC."
    ),
    "credit": (
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing"
        " to upgrade or purchase credits."
    ),
    "disabled": "This organization has been disabled.",
    "unnamed": "This credential is only authorized for another product.",
    "budget": "Budget has been exceeded! Current cost: 10.2, Max budget: 10.0",
}
_PAGES = {
    400: "400 Bad Request",
    403: "403 Forbidden",
    404: "404 Not Found",
    413: "413 Request Entity Too Large",
    502: "502 Bad Gateway",
}
_MESSAGES = {
    401: "API key is invalid.",
    402: "Your credit balance is too low to access the Claude API.",
    403: "Your API key does not have permission to use the specified resource.",
    404: "Not found",
    408: "Request timed out",
    409: "The request conflicts with another one",
    412: "The precondition of the gateway failed.",
    413: "Request exceeds the maximum size",
    429: "This request would exceed your organization's rate limit. Please try again later.",
    500: "Internal server error",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Request timed out",
    529: "Overloaded",
}
_FAILURES = {
    "connect": Failure.CONNECT,
    "drop-before": Failure.DROP,
    "timeout-before": Failure.TIMEOUT,
    "drop": Failure.DROP,
    "timeout": Failure.TIMEOUT,
    "late": Failure.TIMEOUT,
}


def early_response(fault: Fault, batch_id: str) -> HttpResponse | ErrorResponse:
    """The response to a call that takes no effect."""
    if fault.what in _FAILURES:
        return no_response(fault)
    if fault.what.startswith("html-"):
        return html_page(int(fault.what.removeprefix("html-")))
    return _account_refusal(fault.what) or status_error(int(fault.what), fault, batch_id)


def _account_refusal(what: str) -> HttpResponse | ErrorResponse | None:
    """A rejection of every call of the account."""
    match what:
        case "spend-cap":
            details = {"error_code": "enforced_spend_limit_reached"}
            return ErrorResponse(429, _SPEND_CAP, details=details)
        case "budget":
            return ErrorResponse(400, _ACCOUNT[what], error_type="budget_exceeded")
        case "redirect":
            location = f"{FOREIGN_HOST}/v1/messages"
            return HttpResponse(status=307, headers={"location": location})
        case _:
            return ErrorResponse(400, _ACCOUNT[what]) if what in _ACCOUNT else None


def no_response(fault: Fault) -> HttpResponse:
    """No response."""
    return HttpResponse(failure=_FAILURES[fault.what])


def status_error(status: int, fault: Fault, batch_id: str = "") -> ErrorResponse:
    """An error envelope with that status."""
    headers = {"retry-after": f"{fault.retry:g}"} if fault.retry >= 0 else {}
    message = _MESSAGES[status]
    if status == HTTPStatus.NOT_FOUND and batch_id:
        message = f"Message Batch {batch_id} not found."
    return ErrorResponse(status, message, headers=headers)


def html_page(status: int) -> HttpResponse:
    """The error page of a proxy in front of the API."""
    title = _PAGES[status]
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    headers = {"content-type": "text/html", "server": "cloudflare"}
    return HttpResponse(status=status, headers=headers, body=page.encode())


def corrupt_response(
    fault: Fault, answer: HttpResponse, request: HttpRequest
) -> HttpResponse | ErrorResponse:
    """The answer of a call that did take effect."""
    if fault.what in CHANGE_CALLS:
        return change(fault.what, request, answer)
    return _spoiled(fault, answer, request)


def _spoiled(
    fault: Fault, answer: HttpResponse, request: HttpRequest
) -> HttpResponse | ErrorResponse:
    """An answer that is lost, late or unusable."""
    if fault.what in _FAILURES:
        return no_response(fault)
    if fault.what == "slow":
        return replace(answer, delay=fault.seconds)
    if fault.what.endswith("-after"):
        return status_error(int(fault.what.removesuffix("-after")), fault)
    if fault.what == "garbage":
        return replace(answer, body=b"\x00\x1f<!-- upstream -->{{{")
    body = answer.read()
    if fault.what == "foreign-url":
        host = f"{request.scheme}://{request.header('host')}"
        return replace(answer, body=body.replace(host.encode(), FOREIGN_HOST.encode()))
    return replace(answer, body=body[: len(body) // 2])
