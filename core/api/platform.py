"""The platforms that serve Message Batches, and those that do not."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Platform(StrEnum):
    """Who serves the API."""

    ANTHROPIC = "anthropic"
    AWS = "aws"
    GOOGLE_CLOUD = "google-cloud"


# The module that a platform needs, and the extra that installs it.
EXTRAS: Mapping[Platform, tuple[str, str]] = {
    Platform.AWS: ("boto3", "aws"),
    Platform.GOOGLE_CLOUD: ("google.auth", "gcp"),
}
_INSTEAD = (
    'use Claude Platform on AWS (kind = "aws"), Anthropic on Google Cloud'
    ' (kind = "google-cloud") or an account of Anthropic'
)
# Other platforms of Claude -> why they cannot be used.
WITHOUT_BATCHES: Mapping[str, str] = {
    name: f"{title} offers no Message Batches: {_INSTEAD}."
    for name, title in (
        ("bedrock", "Amazon Bedrock"),
        ("vertex", "Google Vertex AI"),
        ("foundry", "Microsoft Foundry"),
    )
}


class SdkAccount(Struct, frozen=True, kw_only=True):
    """What the SDK's client is given; what is None it takes from its own variables and files."""

    platform: Platform = Platform.ANTHROPIC
    base_url: str | None = None
    workspace: str | None = None
    profile: str | None = None
    region: str | None = None
    project: str | None = None
