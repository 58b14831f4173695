"""What `doctor` says of the environment: which variables reach the API's client."""

import pytest

from core.config.variables import examine

HTTPS = "https://api.anthropic.com"
SECRET = "a-secret-value"


def used(*names: str, base_url: str = HTTPS) -> dict[str, bool]:
    return {v.name: v.is_used for v in examine(dict.fromkeys(names, SECRET), base_url)}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"], [True, False]),
        (["ANTHROPIC_AUTH_TOKEN"], [True]),
        (["ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS"], [True, True]),
        (["SSL_CERT_DIR", "SSL_CERT_FILE"], [False, True]),
        (["SSL_CERT_DIR"], [True]),
        (["HTTPS_PROXY", "https_proxy"], [False, True]),
        (["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"], [True, False, True]),
        (["ALL_PROXY", "HTTPS_PROXY"], [False, True]),
        (["ALL_PROXY", "HTTP_PROXY"], [True, False]),
        (["all_proxy"], [True]),
        (["ANTHROPIC_LOG", "REQUESTS_CA_BUNDLE", "TITAN_ALLOW_HTTP"], [False, False, True]),
        (["PATH", "PIP_CERT"], []),
    ],
)
def test_what_counts_is_told_from_what_is_set_in_vain(
    names: list[str], expected: list[bool]
) -> None:
    found = used(*names)
    assert found == dict(zip(sorted(names), expected, strict=True)) if expected else found == {}


def test_a_proxy_for_http_counts_where_the_api_is_called_by_http() -> None:
    found = used("HTTPS_PROXY", "HTTP_PROXY", base_url="http://litellm:4000")
    assert found == {"HTTPS_PROXY": False, "HTTP_PROXY": True}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ANTHROPIC_AWS_WORKSPACE_ID", 'lane of kind "aws"'),
        ("ANTHROPIC_GOOGLE_CLOUD_PROJECT", 'lane of kind "google-cloud"'),
        ("ANTHROPIC_BEDROCK_BASE_URL", "no Message Batches"),
        ("ANTHROPIC_VERTEX_PROJECT_ID", "no Message Batches"),
        ("ANTHROPIC_FOUNDRY_API_KEY", "no Message Batches"),
        ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
    ],
)
def test_what_is_missed_says_what_to_do_instead(name: str, words: str) -> None:
    (found,) = examine({name: SECRET}, HTTPS)
    assert (found.is_used, found.is_missed) == (False, True)
    assert words in found.note
    assert SECRET not in found.note


@pytest.mark.parametrize(
    ("name", "lanes"),
    [
        ("ANTHROPIC_PROFILE", ()),
        ("ANTHROPIC_IDENTITY_TOKEN_FILE", ()),
        ("ANTHROPIC_AWS_WORKSPACE_ID", ("aws",)),
        ("ANTHROPIC_GOOGLE_CLOUD_PROJECT", ("google-cloud",)),
        ("ANTHROPIC_API_KEY_TEAM_B", ("ANTHROPIC_API_KEY_TEAM_B",)),
    ],
)
def test_what_the_sdk_and_lanes_read_is_used(name: str, lanes: tuple[str, ...]) -> None:
    (found,) = examine({name: SECRET}, HTTPS, lanes)
    assert (found.is_used, found.is_missed) == (True, False)
    if not lanes:
        _, beside = examine({name: SECRET, "ANTHROPIC_API_KEY": SECRET}, HTTPS)
        assert (beside.name, beside.is_used) == (name, False)
    else:
        (without,) = examine({name: SECRET}, HTTPS)
        assert not without.is_used


def test_an_empty_variable_is_not_set() -> None:
    assert examine({"ANTHROPIC_API_KEY": "", "HTTPS_PROXY": " "}, HTTPS) == []
