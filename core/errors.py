"""Errors outside the ledger. Each has a one-line message and a stable `code`.

TitanError                (state.model.errors)
 +- PayloadError          a request is invalid; the message names it
 |   +- NeverBatched        it belongs to a job that is never batched
 |   +- OverBudget        it would cost more than titan.toml allows
 +- InputError            a file or an option is invalid
 |   +- TitanTomlError    titan.toml is invalid; the message names the line and the key
 +- SettingsError         a setting is missing or invalid
 |   +- LaneError         one lane of titan.toml cannot be used; the others can
 +- ApiError              a call to the API failed
     +- Unreachable       nothing was sent
     +- NoResponse        sent, but no usable response: the API may have accepted it
     +- RateLimited       429: try again later
     +- SpendCapReached   nothing can be spent until the limit is raised or the month ends
     +- Rejected          the API rejected the call
         +- Blocked       any call would fail now: the account, a gateway or a redirect
         +- Unauthorized  the key is invalid
         +- NotFound      it does not exist, or not yet, or no longer
"""

from state.model.errors import TitanError


def problems_of(error: TitanError) -> list[str]:
    """Its message, and what else went wrong in the poll that it ended."""
    return [str(error), *getattr(error, "__notes__", [])]


class PayloadError(TitanError, ValueError):
    """A request is invalid. `position` is its number in the call, where it is about one request."""

    default_code = "invalid_request"
    position: int | None = None


class NeverBatched(PayloadError):
    """The job is on the never-batch list."""

    default_code = "never_batched"


class OverBudget(PayloadError):
    """It may cost more than is left of a budget."""

    default_code = "over_budget"


class InputError(TitanError, ValueError):
    """A file or an option is invalid."""

    default_code = "invalid_input"


class TitanTomlError(InputError):
    """titan.toml is invalid."""

    default_code = "invalid_configuration"


class SettingsError(TitanError):
    """A setting is missing or invalid."""

    default_code = "invalid_settings"


class LaneError(SettingsError):
    """One lane of titan.toml cannot be used; the others can."""

    default_code = "lane_unusable"


class ApiError(TitanError):
    """A call to the API failed."""

    default_code = "api_error"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error_type: str | None = None,
        retry_after_s: float | None = None,
        code: str | None = None,
    ) -> None:
        """The HTTP status, the API's error type, and its retry-after, where known."""
        super().__init__(message, code=code)
        self.status = status
        self.error_type = error_type
        self.retry_after_s = retry_after_s


class Unreachable(ApiError):
    """Nothing was sent: no DNS, no route, no TLS, no free connection."""

    default_code = "api_unreachable"


class NoResponse(ApiError):
    """Sent without a usable response: a timeout, a broken connection, 408, 409, 5xx, malformed."""

    default_code = "api_no_response"


class RateLimited(ApiError):
    """429: try again later."""

    default_code = "rate_limited"


class SpendCapReached(ApiError):
    """The spend limit of the organization or workspace is reached; a retry soon does not help."""

    default_code = "spend_limit"


class Rejected(ApiError):
    """The API rejected the call."""

    default_code = "api_rejected"


class Blocked(Rejected):
    """Any call would fail now: no credit, no permission, a gateway's budget, a redirect."""

    default_code = "api_blocked"


class Unauthorized(Rejected):
    """401: the key is invalid."""

    default_code = "unauthorized"


class NotFound(Rejected):
    """404: it does not exist, or not yet, or no longer."""

    default_code = "api_not_found"
