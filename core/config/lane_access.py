"""Which account, platform and server a lane has, by titan.toml and the environment."""

import json
from collections.abc import Mapping
from pathlib import Path
from sys import platform as operating_system
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from core.api.credentials import Credentials
from core.api.platform import Platform, SdkAccount
from core.config.base_url import check_base_url, server_of, without_api_path
from core.config.lanes import Lane, malformed
from core.config.settings import DEFAULT_BASE_URL, Settings
from core.config.variables import ALLOW_HTTP
from core.errors import SettingsError

_AWS_HOST = "https://aws-external-anthropic.{region}.api.aws"
_GOOGLE_URL = (
    "https://claude.googleapis.com/v1/projects/{project}/locations/{location}"
    "/workspaces/{workspace}/invoke"
)
_FEDERATION = ("ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID")
_IDENTITY = ("ANTHROPIC_IDENTITY_TOKEN_FILE", "ANTHROPIC_IDENTITY_TOKEN")


class Target(Struct, frozen=True, kw_only=True):
    """Where calls of a lane go: `sdk` through the SDK, else directly with these credentials.

    `server` is "" where only the SDK finds it out.
    """

    server: str
    base_url: str = DEFAULT_BASE_URL
    credentials: Credentials | None = None
    workspace: str | None = None
    sdk: SdkAccount | None = None


def target_of(settings: Settings, lane: Lane | None = None) -> Target:
    """The target of a lane; without one, of the environment's own account. Raises SettingsError."""
    if lane is None:
        return _anthropic(settings, Lane())
    if lane.base_url:
        allowed = settings.variables.get(ALLOW_HTTP, "")
        check_base_url(lane.base_url, allowed, f"base_url of [lanes.{lane.name}]")
        lane = replace(lane, base_url=without_api_path(lane.base_url))
    match lane.platform:
        case Platform.ANTHROPIC:
            return _anthropic(settings, lane)
        case Platform.AWS:
            return _aws(settings, lane)
        case Platform.GOOGLE_CLOUD:
            return _google(settings, lane)


def can_call(settings: Settings, lanes: Mapping[str, Lane]) -> bool:
    """Whether the environment has credentials, or a lane can be used. Raises where malformed."""
    for lane in (None, *lanes.values()):
        try:
            target_of(settings, lane)
        except SettingsError as error:
            if lane is None and error.code != "api_key_missing":
                raise
        else:
            return True
    return False


def sdk_account_of(values: Mapping[str, str]) -> str:
    """What the SDK would use without a key and a token: "profile", "federation", or ""."""
    if values.get("ANTHROPIC_PROFILE"):
        return "profile"
    if all(map(values.get, _FEDERATION)) and any(map(values.get, _IDENTITY)):
        return "federation"
    return "profile" if _profile_file(values, _active(values)).is_file() else ""


def _anthropic(settings: Settings, lane: Lane) -> Target:
    base_url = lane.base_url or settings.base_url
    credentials = None
    if lane.key is not None:
        credentials = settings.key_of(lane.key)
    elif lane.profile is None:
        try:
            credentials = settings.credentials()
        except SettingsError as error:
            if error.code != "api_key_missing" or not sdk_account_of(settings.variables):
                raise
    if credentials is not None:
        return Target(
            server=server_of(base_url),
            base_url=base_url,
            credentials=credentials,
            workspace=lane.workspace,
        )
    given = base_url if lane.base_url or settings.is_base_url_given else None
    used = given or _profile_base_url(settings.variables, lane.profile) or DEFAULT_BASE_URL
    check_base_url(used, settings.variables.get(ALLOW_HTTP, ""), "base_url of the profile")
    return Target(
        server=server_of(used),
        sdk=SdkAccount(base_url=given, profile=lane.profile, workspace=lane.workspace),
    )


def _aws(settings: Settings, lane: Lane) -> Target:
    values = settings.variables
    region = lane.region or values.get("AWS_REGION") or values.get("AWS_DEFAULT_REGION") or None
    given = _base_url(settings, lane, "ANTHROPIC_AWS_BASE_URL")
    if region is None:
        raise _incomplete(lane, "region", "AWS_REGION")
    _check(lane, "region", region)
    base_url = given or _AWS_HOST.format(region=region)
    account = SdkAccount(
        platform=Platform.AWS,
        base_url=base_url,
        workspace=_workspace(settings, lane, "ANTHROPIC_AWS_WORKSPACE_ID"),
        profile=lane.profile,
        region=region,
    )
    return Target(server=server_of(base_url), sdk=account)


def _google(settings: Settings, lane: Lane) -> Target:
    values = settings.variables
    base_url = _base_url(settings, lane, "ANTHROPIC_GOOGLE_CLOUD_BASE_URL")
    own = values.get("ANTHROPIC_GOOGLE_CLOUD_PROJECT")
    project = lane.project or own or values.get("GOOGLE_CLOUD_PROJECT") or None
    location = lane.region or values.get("ANTHROPIC_GOOGLE_CLOUD_LOCATION") or "global"
    workspace = _workspace(settings, lane, "ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID")
    _check(lane, "project", project)
    _check(lane, "region", location)
    derived = _GOOGLE_URL.format(project=project or "", location=location, workspace=workspace)
    account = SdkAccount(
        platform=Platform.GOOGLE_CLOUD,
        base_url=base_url,
        workspace=workspace,
        project=project,
        region=location,
    )
    # Otherwise the project is that of the credentials.
    is_known = base_url or project
    return Target(server=server_of(base_url or derived) if is_known else "", sdk=account)


def _workspace(settings: Settings, lane: Lane, variable: str) -> str:
    found = lane.workspace or settings.variables.get(variable)
    if not found:
        raise _incomplete(lane, "workspace", variable)
    _check(lane, "workspace", found)
    return found


def _base_url(settings: Settings, lane: Lane, variable: str) -> str | None:
    """The server of titan.toml, or of the variable."""
    given = settings.variables.get(variable) or None
    if given and not lane.base_url:
        check_base_url(given, settings.variables.get(ALLOW_HTTP, ""), variable)
    return lane.base_url or given


def _check(lane: Lane, part: str, value: str | None) -> None:
    if said := malformed(part, value):
        raise SettingsError(f"The {part} of [lanes.{lane.name}] {said}", code="invalid_name")


def _incomplete(lane: Lane, key: str, variable: str) -> SettingsError:
    return SettingsError(
        f"[lanes.{lane.name}] of titan.toml needs {key}, or the variable {variable}.",
        code="lane_incomplete",
    )


def _active(values: Mapping[str, str]) -> str:
    """The name of the profile that the SDK would use."""
    try:
        pointer = (_folder(values) / "active_config").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        pointer = ""
    return values.get("ANTHROPIC_PROFILE") or pointer or "default"


def _profile_base_url(values: Mapping[str, str], profile: str | None) -> str | None:
    """The base URL in the file of the profile; the SDK names the problem of a damaged one."""
    try:
        found: object = json.loads(
            _profile_file(values, profile or _active(values)).read_text("utf-8")
        )
    except (OSError, ValueError):
        return None
    url = cast("dict[str, object]", found).get("base_url") if isinstance(found, dict) else None
    return url.rstrip("/") if isinstance(url, str) else None


def _profile_file(values: Mapping[str, str], profile: str) -> Path:
    return _folder(values) / "configs" / f"{profile}.json"


def _folder(values: Mapping[str, str]) -> Path:
    """Where the SDK keeps its profiles."""
    if given := values.get("ANTHROPIC_CONFIG_DIR"):
        return Path(given)
    if operating_system == "win32":
        data = values.get("APPDATA")
        return (Path(data) if data else Path.home() / "AppData" / "Roaming") / "Anthropic"
    return Path.home() / ".config" / "anthropic"
