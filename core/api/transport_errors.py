"""Maps what the HTTP library and the SDK raise to our errors."""

import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager

import httpx2

from core.api.error_mapping import to_api_error
from core.errors import ApiError, NoResponse, Unauthorized, Unreachable
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
_SERVER_ERRORS = 500
_LONGEST_PATH = 200
_FILE_ERRORS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


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
def sdk_errors(was_sent: Callable[[], bool] = lambda: True) -> Generator[None, None, None]:
    """Map the SDK's exceptions to ours, or to the HTTP library's.

    Before a call `was_sent`, what it raises is about its credentials or the way to them.
    """
    try:
        yield
    except TitanError:
        raise
    except Exception as error:
        mapped = _of_the_sdk(error, was_sent=was_sent())
        if mapped is error:
            raise
        raise mapped from error


def _of_the_sdk(error: Exception, *, was_sent: bool) -> Exception:
    import anthropic  # noqa: PLC0415 - loaded by now

    if isinstance(error, anthropic.APIStatusError):
        return to_api_error(error.status_code, error.body, error.response.headers)
    cause = error.__cause__
    is_of_the_connection = isinstance(error, anthropic.APIConnectionError)
    if is_of_the_connection and isinstance(cause, httpx2.HTTPError):
        return cause
    if not was_sent:
        # From boto3, google-auth, or the SDK's own checks.
        return _without_credentials(cause if is_of_the_connection and cause else error)
    if isinstance(error, anthropic.AnthropicError):
        return NoResponse(f"The connection to the API failed: {_text_of(error)}")
    if isinstance(error, AssertionError):
        # The SDK raises it for a stream that ends before its first event.
        return NoResponse("The API's response ended early.")
    return error


def _without_credentials(error: BaseException) -> ApiError:
    """Nothing was sent: where the credentials come from is away, or has none."""
    status = getattr(error, "status_code", None)
    cause = error.__cause__
    is_away = (
        isinstance(cause, httpx2.HTTPError | OSError) and not isinstance(cause, _FILE_ERRORS)
    ) or (isinstance(status, int) and status >= _SERVER_ERRORS)
    if is_away:
        return Unreachable(f"Cannot get credentials for the API: {_text_of(error)}")
    return Unauthorized(f"The credentials cannot be used: {_text_of(error)}")


def _hint(error: Exception) -> str:
    """What helps where the certificate is of an authority that Python does not know."""
    if "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return ""
    paths = ssl.get_default_verify_paths()
    # Set in the environment, to a file that exists.
    if paths.cafile and paths.cafile != paths.openssl_cafile:
        file = sanitize(paths.cafile)[:_LONGEST_PATH]
        return (
            f" The file in SSL_CERT_FILE, {file}, does not contain the authority of this"
            " certificate: add it there."
        )
    return " For a private certificate, set SSL_CERT_FILE to the file of its authority."


def _text_of(error: BaseException) -> str:
    """The exception's message as a sentence, truncated after the key is removed."""
    return sentence(" ".join(sanitize(redact(str(error))).split())[:200])
