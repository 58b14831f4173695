"""What the polls of this console reach the API with: told without the key itself."""

from msgspec import Struct

from core.config.lane_access import sdk_account_of
from core.config.settings import DEFAULT_BASE_URL, Settings
from core.config.variables import HEADERS, KEY, TOKEN
from core.errors import SettingsError

NO_KEY = f"neither {KEY} nor {TOKEN} is set"
# What the SDK takes credentials from without a key and a token.
SDK_ACCOUNTS = {"profile": "profile", "federation": "workload identity"}


class LaneAccess(Struct, frozen=True, kw_only=True):
    """The access of a lane of titan.toml; `problem`: why it cannot be used."""

    name: str
    platform: str = ""
    server: str = ""
    credential: str = ""
    problem: str = ""


class Access(Struct, frozen=True):
    """`credential` names the variable that holds it, empty without one; `problem` why not.

    `only_host` is that of titan.toml where it is not the server's: no API is called then.
    """

    server: str = DEFAULT_BASE_URL
    credential: str = ""
    problem: str = ""
    lanes: tuple[LaneAccess, ...] = ()
    only_host: str = ""


def no_server(server: str, only_host: str) -> str:
    """Why no API is called."""
    return f"API not called: titan.toml allows only the host {only_host}, not {server}"


def of(settings: Settings) -> Access:
    """The access of these settings. Call it before the key leaves the environment."""
    try:
        found = settings.credentials()
    except SettingsError as error:
        if error.code != "api_key_missing":
            return Access(settings.base_url, problem=str(error))
        if account := sdk_account_of(settings.variables):
            return Access(settings.base_url, f"{SDK_ACCOUNTS[account]} of the SDK")
        return Access(settings.base_url, problem=NO_KEY)
    name = KEY if found.api_key else TOKEN if found.auth_token else f"a header of {HEADERS}"
    return Access(settings.base_url, name)
