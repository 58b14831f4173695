"""[lanes] of titan.toml: what a lane is, which account and server it has, and what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.error_codes import code_is

from core.api.platform import Platform
from core.bootstrap import open_api
from core.config.lane_access import Target, can_call, target_of
from core.config.settings import Settings, child_environment, forget_key, from_environment
from core.config.titan_tables import parse
from core.errors import SettingsError
from core.redaction import redact
from core.requests.payload import Limits

KEY = "sk-ant-api03-abcdefgh"
BASE = {"ANTHROPIC_API_KEY": KEY}


def target(text: str, environment: Mapping[str, str] = BASE) -> Target:
    found = parse(f"[lanes.x]\n{text}")
    assert found.problems == ()
    return target_of(from_environment(environment), found.lanes["x"])


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (
            "kind = 'bedrock'",
            "platform_without_batches",
            "Amazon Bedrock offers no Message Batches",
        ),
        ("kind = 'vertex'", "platform_without_batches", 'kind = "google-cloud"'),
        ("kind = 'foundry'", "platform_without_batches", "an account of Anthropic"),
        ("kind = 'azure'", "unknown_platform", '"anthropic", "aws", "google-cloud"'),
        (f"key = '{KEY}'", "not_a_variable", "ANTHROPIC_API_KEY_TEAM_B"),
        ("key = 'OPENAI_API_KEY'", "not_a_variable", "holds no secrets"),
        (f"api_key = '{KEY}'", "unknown_key", "unknown key"),
        ("kind = 'aws'\nkey = 'ANTHROPIC_API_KEY_B'", "conflicting_keys", "no meaning"),
        ("region = 'eu'", "conflicting_keys", "no meaning"),
        ("key = 'ANTHROPIC_API_KEY_B'\nprofile = 'p'", "conflicting_keys", "not both"),
        ("kind = 'aws'\nregion = 'evil.example/x?'", "invalid_name", "a-z, 0-9 and -"),
        ("kind = 'google-cloud'\nproject = 'a/b'", "invalid_name", "lanes.x.project"),
        ('workspace = "a\\nb"', "invalid_name", "lanes.x.workspace"),
        (f"base_url = '{KEY}'", "base_url_malformed", "https://HOST[:PORT][/PATH]"),
        (f"base_url = 'https://user:{KEY}@gateway'", "base_url_malformed", "lanes.x.base_url"),
        ("base_url = 'https://gateway:port'", "base_url_malformed", "not a server URL"),
        (f"max_bytes = '{KEY}'", "invalid_value", "must be an integer"),
        (f"same_server = '{KEY}'", "invalid_value", "must be a list"),
        (f"[lanes]\ny = '{KEY}'", "invalid_value", "must be a table"),
        (f"[[lanes.y]]\nkey = '{KEY}'", "invalid_value", "must be a table"),
        ("[lanes.Upper]", "invalid_lane_name", "a-z"),
        ("[lanes.anthropic]", "invalid_lane_name", "environment's account"),
        ("[lanes.recorded]", "invalid_lane_name", "another name"),
        (
            "[workloads.w]\n[jobs.j]\nworkload = 'w'\nschedule = 'daily'\nlane = 'y'",
            "unknown_lane",
            "known lanes: anthropic, x",
        ),
    ],
)
def test_a_mistake_is_one_line_without_a_secret(text: str, code: str, words: str) -> None:
    (problem,) = parse(f"[lanes.x]\n{text}").problems
    assert (problem.code, words in str(problem)) == (code, True)
    assert KEY not in str(problem)


def test_a_lane_with_a_mistake_is_never_opened_as_another(tmp_path: Path) -> None:
    """A key with a mistake has its default, which is the account of the environment."""
    (tmp_path / "titan.toml").write_text("[lanes.x]\nkind = 'aws'\nregion = 5\n")
    settings = from_environment({**BASE, "TITAN_HOME": str(tmp_path)})
    with pytest.raises(SettingsError, match=r"lanes\.x\.region"):
        open_api(settings, lane="x")
    with pytest.raises(SettingsError, check=code_is("lane_missing")):
        open_api(settings, lane="y")


@pytest.mark.parametrize(
    ("text", "environment", "server"),
    [
        ("", {}, "api.anthropic.com"),
        ("base_url = 'https://eu.corp/api/'", {}, "eu.corp/api"),
        ("base_url = 'https://eu.corp/api/v1/messages/'", {}, "eu.corp/api"),
        ("kind='aws'\nregion='eu-1'\nworkspace='w'", {}, "aws-external-anthropic.eu-1.api.aws"),
        (
            "kind='aws'",
            {"AWS_DEFAULT_REGION": "us-9", "ANTHROPIC_AWS_WORKSPACE_ID": "w"},
            "aws-external-anthropic.us-9.api.aws",
        ),
        (
            "kind='google-cloud'\nproject='p'\nworkspace='w'",
            {},
            "claude.googleapis.com/v1/projects/p/locations/global/workspaces/w/invoke",
        ),
        ("kind='google-cloud'\nworkspace='w'", {}, ""),
    ],
)
def test_the_server_of_a_lane_is_that_of_its_platform(
    text: str, environment: dict[str, str], server: str
) -> None:
    assert target(text, BASE | environment).server == server


@pytest.mark.parametrize(
    ("kind", "environment", "code"),
    [
        ("aws", {"AWS_REGION": "evil.example/x?"}, "invalid_name"),
        ("aws", {"ANTHROPIC_AWS_WORKSPACE_ID": "w\nx: y"}, "invalid_name"),
        ("aws", {"ANTHROPIC_AWS_BASE_URL": "http://gateway"}, "base_url_insecure"),
        ("google-cloud", {"ANTHROPIC_GOOGLE_CLOUD_LOCATION": "eu/x"}, "invalid_name"),
        ("google-cloud", {"GOOGLE_CLOUD_PROJECT": "p/../q"}, "invalid_name"),
        ("google-cloud", {"ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID": "w/x"}, "invalid_name"),
        ("google-cloud", {"ANTHROPIC_GOOGLE_CLOUD_BASE_URL": "http://g"}, "base_url_insecure"),
    ],
)
def test_a_variable_that_would_name_another_server_is_refused(
    kind: str, environment: dict[str, str], code: str
) -> None:
    usual = {"AWS_REGION": "r", "GOOGLE_CLOUD_PROJECT": "p"} | {
        f"ANTHROPIC_{name}_WORKSPACE_ID": "w" for name in ("AWS", "GOOGLE_CLOUD")
    }
    target(f"kind='{kind}'", BASE | usual)
    with pytest.raises(SettingsError, check=code_is(code)):
        target(f"kind='{kind}'", BASE | usual | environment)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("kind='aws'\nworkspace='w'", "lane_incomplete"),
        ("kind='aws'\nregion='r'", "lane_incomplete"),
        ("kind='google-cloud'\nproject='p'", "lane_incomplete"),
        ("key='ANTHROPIC_API_KEY_B'", "api_key_missing"),
        ("base_url='http://litellm:4000'", "base_url_insecure"),
    ],
)
def test_the_message_names_what_a_lane_lacks(text: str, code: str) -> None:
    with pytest.raises(SettingsError, check=code_is(code)):
        target(text)


def test_a_lane_has_a_key_of_its_own_and_a_workspace() -> None:
    other = {"ANTHROPIC_API_KEY_B": "sk-other-12345678", "ANTHROPIC_AUTH_TOKEN_C": "token-12345678"}
    found = target("key='ANTHROPIC_API_KEY_B'\nworkspace='wrkspc_1'", BASE | other)
    assert found.credentials is not None
    assert (found.credentials.api_key, found.workspace) == ("sk-other-12345678", "wrkspc_1")
    token = target("key='ANTHROPIC_AUTH_TOKEN_C'", BASE | other).credentials
    assert token is not None
    assert (token.api_key, token.auth_token) == (None, "token-12345678")


def test_an_environment_without_a_key_has_the_profile_of_the_sdk(tmp_path: Path) -> None:
    folder = {"ANTHROPIC_CONFIG_DIR": str(tmp_path)}
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "work.json").write_text(json.dumps({"base_url": "https://eu.test"}))
    (tmp_path / "active_config").write_text("work\n")
    found = target_of(from_environment(folder))
    assert (found.server, found.credentials) == ("eu.test", None)
    assert found.sdk is not None
    assert found.sdk.platform is Platform.ANTHROPIC
    named = target("profile='other'", BASE | folder)
    assert named.sdk is not None
    assert (named.sdk.profile, named.server) == ("other", "api.anthropic.com")
    given = {**folder, "ANTHROPIC_BASE_URL": "https://gateway.test"}
    assert target_of(from_environment(given)).server == "gateway.test"
    assert target_of(from_environment(BASE | folder)).sdk is None


def test_workload_identity_needs_all_its_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    whole = {
        "ANTHROPIC_FEDERATION_RULE_ID": "r",
        "ANTHROPIC_ORGANIZATION_ID": "o",
        "ANTHROPIC_IDENTITY_TOKEN": "jwt-12345678",
    }
    assert target_of(from_environment(whole)).sdk is not None
    assert can_call(from_environment(whole), {})
    for name in whole:
        part = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(SettingsError, check=code_is("api_key_missing")):
            target_of(from_environment(part))


def test_a_signed_batch_is_small_enough_for_the_memory() -> None:
    lanes = parse(
        "[lanes.a]\nkind='aws'\n[lanes.b]\nkind='aws'\nmax_bytes=100_000_000\n"
        "[lanes.c]\nmax_bytes=20_000\n[lanes.d]"
    ).lanes
    usual = Limits(max_bytes=200_000_000)
    limits = {name: lane.limits(usual).max_bytes for name, lane in lanes.items()}
    assert limits == {"a": 60_000_000, "b": 60_000_000, "c": 20_000, "d": 200_000_000}


def test_the_credentials_of_lanes_are_as_secret_as_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "ANTHROPIC_API_KEY_TEAM_B": "sk-of-team-b",
        "AWS_SECRET_ACCESS_KEY": "secret-of-aws",
        "AWS_SESSION_TOKEN": "session-of-aws",
        "ANTHROPIC_AWS_API_KEY": "key-of-aws",
        "ANTHROPIC_IDENTITY_TOKEN": "token-of-identity",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    settings = from_environment()
    shown = f"{settings!r} " + redact(" ".join(secrets.values()))
    assert not any(value in shown for value in secrets.values())
    forget_key()
    left = child_environment(Settings(home=settings.home))
    assert not secrets.keys() & left.keys()
    restored = child_environment(settings)
    assert {name: restored[name] for name in secrets} == secrets


def test_prices_of_a_lane_come_before_those_of_all() -> None:
    row = "from = 2026-01-01\ninput = {}\noutput = 1\n"
    rules = parse(
        "[[prices.m]]\n" + row.format(1) + "[lanes.x]\n[[lanes.x.prices.m]]\n" + row.format(2)
    )
    assert rules.problems == ()
    assert rules.prices_of("x")["m"] != rules.prices["m"]
    assert rules.prices_of("anthropic") == rules.prices
