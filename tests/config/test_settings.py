"""Settings: the API key is shown nowhere and never sent unencrypted."""

import os
from pathlib import Path

import pytest
from support.error_codes import code_is

from core.config.settings import (
    DEFAULT_BASE_URL,
    Settings,
    child_environment,
    from_environment,
    served_environment,
)
from core.config.variables import SECRETS
from core.errors import SettingsError

SECRET = "sk-ant-very-secret"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("", DEFAULT_BASE_URL),
        ("   ", DEFAULT_BASE_URL),
        ("https://api.anthropic.com/", "https://api.anthropic.com"),
        ("https://proxy.example/anthropic/", "https://proxy.example/anthropic"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("http://localhost:8787/", "http://localhost:8787"),
        ("http://[::1]:8787", "http://[::1]:8787"),
    ],
)
def test_a_base_url_is_https_or_on_this_machine(given: str, used: str) -> None:
    settings = from_environment({"ANTHROPIC_BASE_URL": given, "TITAN_HOME": "/x"})
    assert settings.base_url == used


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("http://api.anthropic.com", "base_url_insecure"),
        ("http://localhost.evil.example", "base_url_insecure"),
        ("http://127.0.0.1@evil.example", "base_url_malformed"),
        ("http://127.0.0.1.evil.example", "base_url_insecure"),
        ("ftp://api.anthropic.com", "base_url_malformed"),
        ("file:///etc/passwd", "base_url_malformed"),
        ("api.anthropic.com", "base_url_malformed"),
        ("https://", "base_url_malformed"),
        ("http://[::1", "base_url_malformed"),
        ("javascript:alert(1)", "base_url_malformed"),
    ],
)
def test_any_other_base_url_is_rejected_in_one_line(given: str, code: str) -> None:
    with pytest.raises(SettingsError, check=code_is(code)) as caught:
        from_environment({"ANTHROPIC_BASE_URL": given, "ANTHROPIC_API_KEY": SECRET})
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("allowed", ["litellm", "10.0.0.5, LiteLLM "])
def test_plain_http_needs_the_name_of_the_host(allowed: str) -> None:
    given = {"ANTHROPIC_BASE_URL": "http://litellm:4000/x", "TITAN_ALLOW_HTTP": allowed}
    assert from_environment(given).base_url == "http://litellm:4000/x"
    with pytest.raises(SettingsError, check=code_is("base_url_insecure")) as caught:
        from_environment(given | {"ANTHROPIC_BASE_URL": "http://litellm.evil:4000"})
    assert "TITAN_ALLOW_HTTP=litellm.evil" in str(caught.value)


@pytest.mark.parametrize(
    "given",
    ["/v1", "/v1/", "/v1/messages", "/v1/messages/batches", "/v1/messages/batches/", "/v1//"],
)
def test_the_path_of_the_api_is_taken_off_the_base_url_with_a_warning(given: str) -> None:
    settings = from_environment({"ANTHROPIC_BASE_URL": f"https://gw.example/corp{given}"})
    assert settings.base_url == "https://gw.example/corp"
    (warning,) = settings.warnings
    assert "/v1" in warning
    assert "'https://gw.example/corp'" in warning


@pytest.mark.parametrize("path", ["", "/corp", "/v1/account/gateway/anthropic", "/xv1", "/v1beta"])
def test_any_other_path_stays(path: str) -> None:
    settings = from_environment({"ANTHROPIC_BASE_URL": f"https://gw.example{path}"})
    assert (settings.base_url, settings.warnings) == (f"https://gw.example{path}", ())


def test_the_key_is_in_no_representation() -> None:
    settings = from_environment({"ANTHROPIC_API_KEY": f" {SECRET}\n", "TITAN_HOME": "/x"})
    assert settings.credentials().api_key == SECRET
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET not in f"{settings}"


def test_without_a_key_the_error_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="ANTHROPIC_API_KEY") as caught:
        Settings(home=Path("x")).credentials()
    assert caught.value.code == "api_key_missing"


@pytest.mark.parametrize(
    "given",
    ["https://me:secret@h.example", "https://h.example/?x=1", "https://h:abc", "https://h:99999"],
)
def test_a_malformed_base_url_is_rejected_and_its_password_not_shown(given: str) -> None:
    with pytest.raises(SettingsError, check=code_is("base_url_malformed")) as caught:
        from_environment({"ANTHROPIC_BASE_URL": given})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-ant-schlüssel", "sk-ant-a\nb", "sk ant", "sk-ant-\x7f"])
def test_a_malformed_key_is_rejected_and_not_shown(key: str) -> None:
    with pytest.raises(SettingsError, check=code_is("api_key_malformed")) as caught:
        from_environment({"ANTHROPIC_API_KEY": key}).credentials()
    assert key not in str(caught.value)


def test_the_home_is_the_one_given_and_has_a_default() -> None:
    assert from_environment({"TITAN_HOME": "~/titan"}).home == Path.home() / "titan"
    assert from_environment({}).home.name == "titan-console"


def test_a_child_process_has_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING_ELSE", "kept")
    settings = Settings(
        home=Path("/x"),
        base_url="https://a.example",
        api_key=SECRET,
        auth_token="token-1",
        custom_headers="x-a: 1\nx-b: 2",
    )
    values = child_environment(settings)
    assert from_environment(values) == settings
    assert values["SOMETHING_ELSE"] == "kept"
    served = served_environment(settings, with_key=False)
    assert not set(SECRETS) & set(served)
    assert "ANTHROPIC_API_KEY" not in os.environ  # noqa: TID251 - that nothing leaks is the point
