"""The check of `doctor --online`: one cheap call that needs the credentials."""

from collections.abc import Iterator
from contextlib import closing

from core.bootstrap import open_api
from core.clock import SystemClock
from core.config.settings import Settings, client_variables
from core.config.variables import BASE_URL, CERTIFICATES, NO_PROXY, PROXIES
from core.errors import ApiError, Blocked, NoResponse, NotFound, Unauthorized, Unreachable
from titan_console.doctor.finding import Finding, Health

_WAYS = {*PROXIES, NO_PROXY, *CERTIFICATES}


def findings(settings: Settings) -> Iterator[Finding]:
    """List one batch, which costs nothing."""
    clock = SystemClock()
    with closing(open_api(settings)) as api:
        began = clock.monotonic()
        try:
            page = api.list_page(limit=1)
        except ApiError as error:
            yield Finding(Health.BAD, "online", f"{error}{_advice(error, settings)}")
            return
    took_s = clock.monotonic() - began
    account = f", account {page.account}" if page.account else ", which names no account"
    yield Finding(
        Health.OK,
        "online",
        f"{settings.server} accepted the credentials in {took_s:.1f} s{account}",
    )


def _advice(error: ApiError, settings: Settings) -> str:
    """Where to look, by what went wrong."""
    if isinstance(error, Unauthorized):
        return " Check the credentials: `environment` above lists which are set and used."
    if isinstance(error, Unreachable | NoResponse | Blocked):
        used = [v.name for v in client_variables(settings) if v.is_used and v.name.upper() in _WAYS]
        return f" The call went by {', '.join(used)}." if used else ""
    if isinstance(error, NotFound):
        return f" Check the path of {BASE_URL}."
    return ""
