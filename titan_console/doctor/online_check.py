"""The check of `doctor --online`: one cheap call that needs the credentials."""

from collections.abc import Iterator
from contextlib import closing

from core.bootstrap import open_api, server_of
from core.clock import SystemClock
from core.config import titan_file
from core.config.lane_access import can_call
from core.config.settings import Settings, client_variables
from core.config.variables import BASE_URL, CERTIFICATES, NO_PROXY, PROXIES
from core.errors import (
    ApiError,
    Blocked,
    NoResponse,
    NotFound,
    SettingsError,
    Unauthorized,
    Unreachable,
)
from state.model.records import DEFAULT_LANE
from titan_console.doctor.finding import Finding, Health

_WAYS = {*PROXIES, NO_PROXY, *CERTIFICATES}


def findings(settings: Settings) -> Iterator[Finding]:
    """List one batch of the environment's account and of each lane, which costs nothing."""
    lanes = titan_file.read(settings.folder).lanes
    has_own = can_call(settings, {})
    for lane in (*([DEFAULT_LANE] if has_own or not lanes else []), *lanes):
        name = "online" if lane == DEFAULT_LANE else f"online, lane {lane}"
        try:
            yield _finding(settings, lane, name)
        except SettingsError as error:
            yield Finding(Health.BAD, name, str(error))


def _finding(settings: Settings, lane: str, name: str) -> Finding:
    clock = SystemClock()
    with closing(open_api(settings, lane=lane)) as api:
        began = clock.monotonic()
        try:
            page = api.list_page(limit=1)
        except ApiError as error:
            return Finding(Health.BAD, name, f"{error}{_advice(error, settings)}")
    took_s = clock.monotonic() - began
    account = f", account {page.account}" if page.account else ", which names no account"
    server = server_of(settings, lane) or "the API"
    return Finding(Health.OK, name, f"{server} accepted the credentials in {took_s:.1f}s{account}")


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
