"""[lanes] of titan.toml: further ways to the API, each with an account and a platform. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from msgspec import Meta, field
from msgspec.structs import replace

from core.api.platform import WITHOUT_BATCHES, Platform
from core.config.base_url import malformed_base_url
from core.config.money_settings import PriceRow
from core.config.toml_reader import Problem, Record, Text, TextList
from core.requests.payload import Limits
from state.model.records import DEFAULT_LANE

# Signing on AWS needs the whole body in memory: of 60 MB, a process has 300 MB at most.
SIGNED_BYTES = 60_000_000
# A variable whose value is an API key or a token.
KEY_VARIABLE = re.compile(r"ANTHROPIC_(API_KEY|AUTH_TOKEN)(_[A-Z0-9_]+)?")
# Calls that jobs reported have it.
_TAKEN = (DEFAULT_LANE, "recorded")
# They are parts of host names, paths and headers: with others, another server is called.
_PARTS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "region": (re.compile(r"[a-z0-9-]+"), "a-z, 0-9 and -"),
    "project": (re.compile(r"[a-z0-9.:-]+"), "a-z, 0-9, -, . and :"),
    "workspace": (re.compile(r"[A-Za-z0-9_-]+"), "letters, digits, _ and -"),
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_PLATFORM_KEYS: Mapping[Platform, tuple[str, ...]] = {
    Platform.ANTHROPIC: ("profile", "key"),
    Platform.AWS: ("profile", "region"),
    Platform.GOOGLE_CLOUD: ("region", "project"),
}


class Lane(Record, frozen=True, kw_only=True):
    """`[lanes.NAME]`: where a job with `lane = "NAME"` sends its batches.

    What is absent comes from the variables and files that the official SDK reads. `key` is the name
    of a variable. On AWS `profile` is one of AWS, otherwise one of the SDK.
    """

    name: str = ""
    kind: Text = Platform.ANTHROPIC.value
    base_url: Text | None = None
    workspace: Text | None = None
    profile: Text | None = None
    region: Text | None = None
    project: Text | None = None
    key: Text | None = None
    same_server: TextList = ()
    max_bytes: Annotated[int, Meta(ge=10_000, le=256_000_000)] | None = None
    prices: dict[str, tuple[PriceRow, ...]] = field(default_factory=dict[str, tuple[PriceRow, ...]])

    @property
    def platform(self) -> Platform:
        """Who serves it."""
        return Platform(self.kind)

    def check(self, keys: set[str]) -> Iterator[tuple[str, str, str]]:
        """See `Record.check`. No value is repeated: one may be a secret in the wrong place."""
        if self.kind in WITHOUT_BATCHES:
            yield "kind", "platform_without_batches", WITHOUT_BATCHES[self.kind]
            return
        if self.kind not in [platform.value for platform in Platform]:
            known = ", ".join(f'"{platform}"' for platform in Platform)
            yield "kind", "unknown_platform", f"must be one of {known}."
            return
        fits = _PLATFORM_KEYS[self.platform]
        for name in ("profile", "key", "region", "project"):
            if name in keys and name not in fits:
                yield name, "conflicting_keys", f"has no meaning for kind {self.kind!r}."
        if self.key is not None and not KEY_VARIABLE.fullmatch(self.key):
            yield (
                "key",
                "not_a_variable",
                (
                    "must be the name of a variable that holds the key, such as"
                    " ANTHROPIC_API_KEY_TEAM_B; titan.toml holds no secrets."
                ),
            )
        if {"key", "profile"} <= keys:
            yield "profile", "conflicting_keys", "set either key or profile, not both."
        yield from self._malformed()

    def _malformed(self) -> Iterator[tuple[str, str, str]]:
        for name in _PARTS:
            if said := malformed(name, getattr(self, name)):
                yield name, "invalid_name", said
        if self.base_url is not None and (said := malformed_base_url(self.base_url)):
            yield "base_url", "base_url_malformed", said

    def limits(self, usual: Limits) -> Limits:
        """The most requests and bytes of one of its batches."""
        most = min(self.max_bytes or usual.max_bytes, usual.max_bytes)
        if self.platform is Platform.AWS:
            most = min(most, SIGNED_BYTES)
        return replace(usual, max_bytes=most)


def malformed(part: str, value: str | None) -> str | None:
    """The problem of a region, project or workspace; None if it has none."""
    pattern, allowed = _PARTS[part]
    is_usable = value is None or pattern.fullmatch(value)
    return None if is_usable else f"has a character other than {allowed}."


def in_variables(lanes: Mapping[str, Lane]) -> set[str]:
    """What of the environment the lanes use: see `variables.examine`."""
    return {
        use
        for lane in lanes.values()
        for use in (lane.kind, lane.key, "profile" if lane.kind == "anthropic" else None)
        if use and (use != "profile" or lane.profile)
    }


def name_problems(lanes: Mapping[str, Lane]) -> Iterator[Problem]:
    """Lanes whose name cannot be used."""
    for name in lanes:
        if name in _TAKEN:
            said = "is the lane of the environment's account; give this one another name."
            yield Problem(("lanes", name), said, "invalid_lane_name")
        elif not _NAME.fullmatch(name):
            said = "must be up to 40 of a-z, 0-9, _ and -."
            yield Problem(("lanes", name), said, "invalid_lane_name")
