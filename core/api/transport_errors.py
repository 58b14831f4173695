"""Maps what the HTTP library and the SDK raise to our errors."""

from collections.abc import Generator
from contextlib import contextmanager

import httpx2

from core.api.error_mapping import to_api_error
from core.errors import ApiError, NoResponse, Unreachable
from core.redaction import redact
from core.text import sanitize, sentence
from state.model.errors import TitanError

_HTTP_ERRORS = (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL)
# With these, the API has not received a byte.
_NOT_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
)


@contextmanager
def api_errors() -> Generator[None, None, None]:
    """Map every error to an ApiError; NoResponse where the API may have accepted the call."""
    try:
        yield
    except ApiError:
        raise
    except _NOT_CONNECTED as error:
        raise Unreachable(f"Cannot connect to the API: {_text_of(error)}{_hint(error)}") from error
    except httpx2.TimeoutException as error:
        raise NoResponse("The API did not respond in time.") from error
    except (*_HTTP_ERRORS, OSError, TitanError) as error:
        raise NoResponse(f"The connection to the API failed: {_text_of(error)}") from error
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise NoResponse("The API's response cannot be parsed.") from error


@contextmanager
def sdk_errors() -> Generator[None, None, None]:
    """Map the SDK's exceptions to ours, or to the HTTP library's."""
    import anthropic  # noqa: PLC0415 - loaded by now

    try:
        yield
    except anthropic.APIStatusError as error:
        raise to_api_error(error.status_code, error.body, error.response.headers) from error
    except anthropic.AnthropicError as error:
        if isinstance(error.__cause__, httpx2.HTTPError):
            raise error.__cause__ from error
        raise NoResponse(f"The connection to the API failed: {_text_of(error)}") from error
    except AssertionError as error:
        # The SDK raises it for a stream that ends before its first event.
        raise NoResponse("The API's response ended early.") from error


def _hint(error: Exception) -> str:
    """What helps where the certificate is of an authority that Python does not know."""
    if "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return ""
    return " For a private certificate, set SSL_CERT_FILE to the file of its authority."


def _text_of(error: Exception) -> str:
    """The exception's message as a sentence, truncated after the key is removed."""
    return sentence(" ".join(sanitize(redact(str(error))).split())[:200])
