"""What can go wrong outside the ledger. The message of each is a line for a person.

TitanError                (state.model.errors)
 +- PayloadError          a request is bad; the message names it
 |   +- Denylisted        it belongs to a job that is never batched
 |   +- OverBudget        it would cost more than titan.toml allows
 +- InputError            a file or an option that was given cannot be used
 |   +- CatalogueError    titan.toml is wrong; the message names the line and the key
 +- SettingsError         something is not set, or set wrongly
 +- ApiError             the way to the model
     +- Unreachable       nothing left this machine
     +- NoResponse        it was sent, and no usable answer came: it may have been taken in
     +- RateLimited         429: later
     +- SpendCapReached   no more money until a person or the month changes that
     +- Rejected           the API says no
         +- Unauthorized  this key may not
         +- NotFound      no such thing, or not yet, or no more
"""

from state.model.errors import TitanError

__all__ = [
    "ApiError",
    "CatalogueError",
    "Denylisted",
    "InputError",
    "NoResponse",
    "NotFound",
    "OverBudget",
    "PayloadError",
    "RateLimited",
    "Rejected",
    "SettingsError",
    "SpendCapReached",
    "TitanError",
    "Unauthorized",
    "Unreachable",
]


class PayloadError(TitanError, ValueError):
    """A request cannot be sent as it is."""

    default_code = "invalid_request"


class Denylisted(PayloadError):
    """The job is on the never-batch list."""

    default_code = "denylisted"


class OverBudget(PayloadError):
    """It may cost more than a budget has left."""

    default_code = "over_budget"


class InputError(TitanError, ValueError):
    """A file or an option that was given cannot be used."""

    default_code = "invalid_input"


class CatalogueError(InputError):
    """titan.toml is wrong."""

    default_code = "invalid_configuration"


class SettingsError(TitanError):
    """Something is not set, or set wrongly."""

    default_code = "invalid_settings"


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
        """HTTP's status, the API's word for the error, and its wish when to come again."""
        super().__init__(message, code=code)
        self.status = status
        self.error_type = error_type
        self.retry_after_s = retry_after_s


class Unreachable(ApiError):
    """Nothing left this machine: no name, no route, no TLS, no free connection."""

    default_code = "api_unreachable"


class NoResponse(ApiError):
    """It was sent and no usable answer came: a time-out, a broken line, 408, 409, 5xx, garbage."""

    default_code = "api_no_response"


class RateLimited(ApiError):
    """429: the API wants it later."""

    default_code = "rate_limited"


class SpendCapReached(ApiError):
    """The organisation's or the workspace's money is spent; waiting alone does not help."""

    default_code = "spend_limit"


class Rejected(ApiError):
    """The API looked at it and says no."""

    default_code = "api_rejected"


class Unauthorized(Rejected):
    """401 or 403: this key may not."""

    default_code = "unauthorized"


class NotFound(Rejected):
    """404: there is no such thing, or not yet, or no more."""

    default_code = "api_not_found"
