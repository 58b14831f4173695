"""The transports of the API, for the conformance suite in tests/api/test_transports.py.

To add one, write how it is opened, and which calls it serves: each test of the suite that needs no
other call then runs on it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.api import cloud_auth

from core.api.client import AnthropicApi
from core.api.platform import Platform, SdkAccount
from core.api.protocol import BatchApi, Body
from core.api.sdk_transport import SdkTransport

MODEL = "claude-haiku-4-5"
BATCHES = frozenset(("create", "list_page", "retrieve", "results", "cancel"))
# The keys of the suite; profiles of AWS and of the SDK have their names.
KEY, WRONG_KEY = "sk-ant-of-the-suite", "sk-ant-of-another"


@dataclass(frozen=True)
class Surroundings:
    """Where a transport may put files, and how it sets a variable."""

    folder: Path
    setenv: Callable[[str, str], None]


@dataclass(frozen=True)
class Transport:
    """How calls reach the API: `opened` takes a base URL, a key and where credentials go."""

    name: str
    opened: Callable[[str, str, Surroundings], BatchApi]
    # With so many tokens at most, the product sends a synchronous call over it.
    max_tokens: int = 64
    calls: frozenset[str] = BATCHES | {"run_one"}
    # What the server demands.
    accepts: str = cloud_auth.BEARER

    def __str__(self) -> str:
        return self.name


def _direct(base_url: str, key: str, _around: Surroundings) -> BatchApi:
    return AnthropicApi(base_url=base_url, api_key=key)


def _sdk(base_url: str, **account: Any) -> BatchApi:
    return AnthropicApi(transport=SdkTransport(SdkAccount(base_url=base_url, **account)))


def _profile(base_url: str, key: str, around: Surroundings) -> BatchApi:
    around.setenv("ANTHROPIC_CONFIG_DIR", str(around.folder))
    cloud_auth.sdk_profile(around.folder, key, key)
    return _sdk(base_url, profile=key)


def _federated(base_url: str, key: str, around: Surroundings) -> BatchApi:
    around.setenv("ANTHROPIC_IDENTITY_TOKEN", key)
    around.setenv("ANTHROPIC_FEDERATION_RULE_ID", "rule-1")
    around.setenv("ANTHROPIC_ORGANIZATION_ID", "organization-1")
    return _sdk(base_url)


def _aws(base_url: str, key: str, around: Surroundings) -> BatchApi:
    file = around.folder / "aws"
    cloud_auth.aws_profiles(file, KEY, WRONG_KEY)
    around.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    return _sdk(
        base_url,
        platform=Platform.AWS,
        region=cloud_auth.REGION,
        workspace=cloud_auth.WORKSPACE,
        profile=key,
    )


def _google(base_url: str, key: str, around: Surroundings) -> BatchApi:
    file = around.folder / "google.json"
    cloud_auth.google_account(file, base_url, key)
    around.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return _sdk(base_url, platform=Platform.GOOGLE_CLOUD, workspace=cloud_auth.WORKSPACE)


TRANSPORTS = (
    Transport("direct", _direct),
    # The client sends a long synchronous call through the SDK, and nothing else.
    Transport("sdk", _direct, max_tokens=30_000, calls=frozenset(("run_one",))),
    Transport("profile", _profile),
    Transport("federation", _federated, accepts=cloud_auth.FEDERATED),
    Transport("aws", _aws, accepts=cloud_auth.AWS),
    Transport("aws, long", _aws, 30_000, frozenset(("run_one",)), cloud_auth.AWS),
    Transport("google", _google, accepts=cloud_auth.GOOGLE),
    Transport("google, long", _google, 30_000, frozenset(("run_one",)), cloud_auth.GOOGLE),
)


def params(**changes: Any) -> dict[str, Any]:
    """The parameters of a request that the sandbox answers."""
    messages = [{"role": "user", "content": 'Tell me about harbours: Ü " \u2028'}]
    return {"model": MODEL, "max_tokens": 64, "messages": messages, **changes}


def body_of(*custom_ids: str, betas: tuple[str, ...] = (), **changes: Any) -> Body:
    """The body of a create, in small pieces."""
    rows = [{"custom_id": name, "params": params(**changes)} for name in custom_ids]
    raw = json.dumps({"requests": rows}).encode()
    pieces = [raw[start : start + 99] for start in range(0, len(raw), 99)]
    return Body(
        length=len(raw), pieces=lambda: iter(pieces), request_count=len(custom_ids), betas=betas
    )


def texts_in(results: bytes) -> Mapping[str, str]:
    """The texts of the answers, by custom_id."""
    lines = [json.loads(line) for line in results.splitlines()]
    return {line["custom_id"]: line["result"]["message"]["content"][0]["text"] for line in lines}
