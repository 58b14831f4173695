"""Calls through the SDK: what a gateway sees of them, and the errors where none can be sent."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import anthropic
import pytest
from support.api import cloud_auth
from support.api.compared_calls import differing, make_calls, make_sdk_calls, table
from support.api.recording_gateway import Gateway, a_gateway
from support.api.transports import body_of

from core.api.client import AnthropicApi
from core.api.platform import Platform, SdkAccount
from core.api.sdk_transport import SdkTransport
from core.bootstrap import open_api
from core.clock import SystemClock
from core.config.settings import from_environment
from core.errors import Unauthorized, Unreachable
from titan_console.sandbox.http.server import running

SECRET = "secret-of-the-account"
_LANES = """
[lanes.profile]
profile = "work"
base_url = "{gateway}/corp"
[lanes.workspace]
base_url = "{gateway}/corp"
workspace = "wrkspc_1"
[lanes.aws]
kind = "aws"
region = "us-east-1"
workspace = "wrkspc_of_the_suite"
base_url = "{gateway}/corp"
[lanes.google]
kind = "google-cloud"
workspace = "wrkspc_of_the_suite"
base_url = "{gateway}/corp"
"""
# The SDK's client of each lane, and what it is given.
_CLIENTS: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "profile": (anthropic.Anthropic, {"profile": "work"}),
    "workspace": (
        anthropic.Anthropic,
        {"default_headers": {"anthropic-workspace-id": "wrkspc_1"}},
    ),
    "aws": (
        anthropic.AnthropicAWS,
        {"aws_region": "us-east-1", "workspace_id": "wrkspc_of_the_suite"},
    ),
    "google": (anthropic.AnthropicGoogleCloud, {"workspace_id": "wrkspc_of_the_suite"}),
}
_BODY = body_of("a-1")


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Those of each platform, in the environment and in files."""
    cloud_auth.sdk_profile(tmp_path, "work", SECRET, workspace_id="wrkspc_of_the_profile")
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", cloud_auth.KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("TITAN_HOME", str(tmp_path))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "google.json"))
    return tmp_path


@pytest.mark.parametrize("lane", _CLIENTS)
def test_a_gateway_sees_of_a_lane_what_it_sees_of_the_sdk(credentials: Path, lane: str) -> None:
    gateway = Gateway(prefix="/corp", sandbox=_GoogleTokens(SystemClock()))
    if lane in ("profile", "workspace"):
        gateway.demands = {"authorization": f"Bearer {SECRET}"}
    with a_gateway(gateway):
        cloud_auth.google_account(credentials / "google.json", f"{gateway.address}/corp", "me")
        (credentials / "titan.toml").write_text(_LANES.format(gateway=gateway.address))
        with closing(open_api(from_environment(), lane=lane)) as api:
            make_calls(api)
        ours = _without_tokens(gateway)
        gateway.calls.clear()
        client, given = _CLIENTS[lane]
        with client(base_url=f"{gateway.address}/corp", max_retries=0, **given) as sdk:
            make_sdk_calls(sdk)
        theirs = _without_tokens(gateway)
    assert differing(ours, theirs) == {}


def _without_tokens(gateway: Gateway) -> list[tuple[object, ...]]:
    return table(call for call in gateway.calls if not call.path.endswith("/token"))


class _GoogleTokens(cloud_auth.CheckedSandbox):
    """Gives out the same token each time; the gateway checks it."""

    accepts = cloud_auth.GOOGLE
    secret = "me"

    def _issued(self, number: int) -> str:
        del number
        return "token-of-google"

    def _problem(self, request: Any) -> str:
        del request
        return ""


def _federated(address: str) -> AnthropicApi:
    return AnthropicApi(transport=SdkTransport(SdkAccount(base_url=address)))


def test_a_token_that_was_revoked_is_renewed_and_a_create_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN", SECRET)
    monkeypatch.setenv("ANTHROPIC_FEDERATION_RULE_ID", "rule-1")
    monkeypatch.setenv("ANTHROPIC_ORGANIZATION_ID", "organization-1")
    sandbox = cloud_auth.CheckedSandbox(SystemClock(), keys={SECRET: "default"})
    sandbox.accepts, sandbox.secret = cloud_auth.FEDERATED, SECRET
    with running(sandbox) as address, closing(_federated(address)) as api:
        api.list_page()
        sandbox.tokens += 1
        with pytest.raises(Unauthorized):
            api.create(_BODY)
        assert sandbox.billing_log().creates == 0
        before = sandbox.calls
        api.create(_BODY)
        assert (sandbox.calls - before, sandbox.billing_log().creates) == (1, 1)
        sandbox.tokens += 1
        assert len(api.list_page().batches) == 1


@pytest.mark.parametrize("what", ["a profile", "a damaged profile", "aws", "google"])
def test_credentials_that_are_not_there_leave_no_create_in_doubt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    account = {"workspace": "w", "base_url": "http://127.0.0.1:9"}
    accounts = {
        "a profile": SdkAccount(profile="none"),
        "a damaged profile": SdkAccount(profile="damaged"),
        "aws": SdkAccount(platform=Platform.AWS, region="eu-1", profile="none", **account),
        "google": SdkAccount(platform=Platform.GOOGLE_CLOUD, **account),
    }
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "damaged.json").write_text("{")
    with closing(AnthropicApi(transport=SdkTransport(accounts[what]))) as api:
        with pytest.raises(Unauthorized, match="credentials cannot be used") as caught:
            api.create(_BODY)
        assert "\n" not in str(caught.value)


def test_a_token_server_that_is_away_leaves_no_create_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("IDENTITY_TOKEN", "FEDERATION_RULE_ID", "ORGANIZATION_ID"):
        monkeypatch.setenv(f"ANTHROPIC_{name}", SECRET)
    with closing(_federated("http://127.0.0.1:9")) as api, pytest.raises(Unreachable):
        api.create(_BODY)
