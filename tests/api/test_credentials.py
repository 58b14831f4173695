"""What arrives at a gateway is what the official SDK sends in the same environment.

Each case is an environment. Each call is made by the product and by the SDK, and what a recording
gateway saw of both is compared.
"""

import json
import shutil
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path

import anthropic
import pytest
from support.api.certificates import Certificates, made_in
from support.api.compared_calls import LONG, differing, make_calls, make_sdk_calls, table
from support.api.recording_gateway import Gateway, a_gateway
from support.api.transports import body_of, params
from support.error_codes import code_is

from core.api.client import AnthropicApi
from core.api.credentials import Credentials
from core.bootstrap import open_api
from core.config.settings import from_environment
from core.errors import ApiError, SettingsError, Unauthorized
from core.redaction import HIDDEN, redact

KEY, TOKEN = "sk-ant-of-the-account", "token-of-the-gateway"
BASE = {"ANTHROPIC_API_KEY": KEY}
# `{gateway}` and `{port}` are those of the gateway.
PLAIN = {"ANTHROPIC_BASE_URL": "{gateway}"}
FAR = {"ANTHROPIC_BASE_URL": "http://api.corp.test:4000", "TITAN_ALLOW_HTTP": "api.corp.test"}
NO_EXCEPTION = {"NO_PROXY": ""}
ENVIRONMENTS: dict[str, Mapping[str, str]] = {
    "a key": PLAIN | BASE,
    "a token": PLAIN | {"ANTHROPIC_AUTH_TOKEN": TOKEN},
    "a key before a token": PLAIN | BASE | {"ANTHROPIC_AUTH_TOKEN": TOKEN},
    "an empty key and a token": PLAIN | {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": TOKEN},
    "headers beside a key": PLAIN
    | BASE
    | {"ANTHROPIC_CUSTOM_HEADERS": "cf-aig-authorization: Bearer cf\nX-Team : blue "},
    "headers with Windows line ends": PLAIN
    | BASE
    | {"ANTHROPIC_CUSTOM_HEADERS": "x-team: blue\r\nno header\r\n"},
    "a header that replaces the key": PLAIN
    | BASE
    | {"ANTHROPIC_CUSTOM_HEADERS": "Authorization: Basic dXNlcjpwYXNz"},
    "x-api-key by a header": PLAIN | {"ANTHROPIC_CUSTOM_HEADERS": "x-api-key: sk-gateway"},
    "authorization by a header": PLAIN
    | {"ANTHROPIC_CUSTOM_HEADERS": "authorization: Bearer of-a-header"},
    "a header twice": PLAIN | BASE | {"ANTHROPIC_CUSTOM_HEADERS": "X-Team: blue\nx-team: red"},
    "a version by a header": PLAIN
    | BASE
    | {"ANTHROPIC_CUSTOM_HEADERS": "anthropic-version: 2023-06-01\nanthropic-beta: mine"},
    "a base URL with a path": BASE | {"ANTHROPIC_BASE_URL": "{gateway}/corp/anthropic"},
    "a base URL with a slash": BASE | {"ANTHROPIC_BASE_URL": "{gateway}/corp/anthropic/"},
    "a proxy": FAR | BASE | NO_EXCEPTION | {"HTTP_PROXY": "{gateway}"},
    "a proxy in lower case": FAR | BASE | NO_EXCEPTION | {"http_proxy": "{gateway}"},
    "a proxy without a scheme": FAR | BASE | NO_EXCEPTION | {"HTTP_PROXY": "127.0.0.1:{port}"},
    "a proxy for everything": FAR | BASE | NO_EXCEPTION | {"ALL_PROXY": "{gateway}"},
    "a proxy with a password": FAR
    | BASE
    | NO_EXCEPTION
    | {"HTTP_PROXY": "http://me:secret@127.0.0.1:{port}"},
    "a proxy that is not for this host": PLAIN
    | BASE
    | {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "example.com, 127.0.0.1"},
    "a proxy for nothing": PLAIN | BASE | {"ALL_PROXY": "http://127.0.0.1:9", "NO_PROXY": "*"},
}


@pytest.fixture(autouse=True)
def _no_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # pyright: ignore[reportUnusedFunction]
    """The SDK looks for one where there is neither a key nor a token."""
    monkeypatch.delenv("ANTHROPIC_CONFIG_DIR", raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))


def _set(patch: pytest.MonkeyPatch, environment: Mapping[str, str], gateway: Gateway) -> None:
    for name, value in environment.items():
        port = gateway.address.rpartition(":")[2]
        patch.setenv(name, value.format(gateway=gateway.address, port=port))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_arrives_is_what_the_sdk_sends(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with a_gateway(Gateway()) as gateway:
        _set(monkeypatch, ENVIRONMENTS[name], gateway)
        product = open_api(from_environment())
        make_calls(product)
        product.close()
        sent = len(gateway.calls)
        with anthropic.Anthropic(max_retries=0) as sdk:
            make_sdk_calls(sdk)
    assert differing(table(gateway.calls[:sent]), table(gateway.calls[sent:])) == {}


@pytest.mark.parametrize(
    ("demands", "environment"),
    [
        ({"authorization": f"Bearer {KEY}"}, BASE),
        ({"authorization": f"Bearer {TOKEN}"}, {"ANTHROPIC_AUTH_TOKEN": TOKEN}),
        ({"x-api-key": KEY}, {"ANTHROPIC_CUSTOM_HEADERS": f"x-api-key: {KEY}"}),
        (
            {"x-portkey-api-key": "pk", "x-portkey-config": "c"},
            BASE | {"ANTHROPIC_CUSTOM_HEADERS": "x-portkey-api-key: pk\nx-portkey-config: c"},
        ),
        (
            {"helicone-auth": "Bearer h", "authorization": f"Bearer {KEY}"},
            BASE | {"ANTHROPIC_CUSTOM_HEADERS": "Helicone-Auth: Bearer h"},
        ),
    ],
)
def test_a_gateway_that_demands_a_credential_gets_it_with_every_call(
    monkeypatch: pytest.MonkeyPatch, demands: Mapping[str, str], environment: Mapping[str, str]
) -> None:
    with a_gateway(Gateway(demands, prefix="/corp")) as gateway:
        _set(monkeypatch, {"ANTHROPIC_BASE_URL": "{gateway}/corp/", **environment}, gateway)
        api = open_api(from_environment())
        made = api.create(body_of("a-1"))
        assert api.list_page().batches[0].remote_id == made.remote.remote_id
        with api.results(made.remote.remote_id) as pieces:
            assert b'"custom_id":"a-1"' in b"".join(pieces).replace(b" ", b"")
        for max_tokens in (64, LONG):
            assert b'"text"' in api.run_one(params(max_tokens=max_tokens))
        api.close()
        monkeypatch.setenv("ANTHROPIC_API_KEY", "another-key")
        monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-other: 1")
        with closing(open_api(from_environment())) as refused, pytest.raises(Unauthorized):
            refused.list_page()


@pytest.mark.parametrize("headers", ["x-team: blue", "", "no header at all"])
def test_headers_that_authenticate_nothing_are_no_credential(
    monkeypatch: pytest.MonkeyPatch, headers: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", headers)
    with pytest.raises(SettingsError, check=code_is("api_key_missing")):
        open_api(from_environment())
    with (
        anthropic.Anthropic(base_url="http://127.0.0.1:9") as sdk,
        pytest.raises(TypeError, match="authentication"),
    ):
        sdk.messages.batches.list()


@pytest.mark.parametrize("headers", ["a b: secret-value", ": secret-value", "x: secret\x1b-value"])
def test_headers_that_http_cannot_carry_are_refused_without_their_values(headers: str) -> None:
    settings = from_environment({**BASE, "ANTHROPIC_CUSTOM_HEADERS": f"x-a: 1\n{headers}"})
    with pytest.raises(SettingsError, check=code_is("custom_headers_malformed")) as caught:
        settings.credentials()
    assert "secret" not in str(caught.value)
    assert "line 2" in str(caught.value)


def test_no_credential_is_in_a_representation_or_a_redacted_text() -> None:
    given = {
        "ANTHROPIC_AUTH_TOKEN": TOKEN,
        "ANTHROPIC_CUSTOM_HEADERS": "helicone-auth: Bearer abcdefgh-1\nx-provider: anthropic",
        "HTTPS_PROXY": "http://me:password-1@proxy:1",
        "http_proxy": "http://me:password-2@proxy:1",
    }
    settings = from_environment(given)
    shown = f"{settings!r} {settings.credentials()!r}"
    for secret in (TOKEN, "abcdefgh-1", "password-1", "password-2"):
        assert secret not in shown
        assert redact(f"echoed {secret} and https://api.anthropic.com") == (
            f"echoed {HIDDEN} and https://api.anthropic.com"
        )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    return made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def https(certificates: Certificates) -> Generator[Gateway, None, None]:
    with a_gateway(Gateway(), certificates.server, tls=True) as gateway:
        yield gateway


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "neither"])
def test_a_private_certificate_is_trusted_as_by_the_sdk(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, https: Gateway, name: str
) -> None:
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    paths = {"SSL_CERT_FILE": certificates.authority, "SSL_CERT_DIR": certificates.folder}
    if name in paths:
        monkeypatch.setenv(name, str(paths[name]))
    _set(monkeypatch, PLAIN | BASE, https)
    api = open_api(from_environment())
    with anthropic.Anthropic(max_retries=0) as sdk:
        if name in paths:
            assert api.list_page().batches == ()
            assert sdk.messages.batches.list().data == []
            assert b'"text"' in api.run_one(params(max_tokens=LONG))
        else:
            with pytest.raises(ApiError, match=r"CERTIFICATE_VERIFY_FAILED.*SSL_CERT_FILE"):
                api.list_page()
            with pytest.raises(anthropic.APIConnectionError):
                sdk.messages.batches.list()
            assert https.calls == []
    api.close()


@pytest.mark.usefixtures("certificates")
def test_a_file_of_certificates_without_the_authority_is_named(
    monkeypatch: pytest.MonkeyPatch, https: Gateway, tmp_path: Path
) -> None:
    other = made_in(tmp_path).authority
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    _set(monkeypatch, PLAIN | BASE, https)
    with closing(open_api(from_environment())) as api, pytest.raises(ApiError) as failed:
        api.list_page()
    advice = f"SSL_CERT_FILE, {other}, does not contain the authority of this certificate"
    assert advice in str(failed.value)
    assert "set SSL_CERT_FILE" not in str(failed.value)


@pytest.mark.parametrize("user", ["", "me:secret@"])
def test_https_goes_through_a_tunnel_of_the_proxy(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, user: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    with a_gateway(Gateway(), certificates.server) as gateway:
        proxy = gateway.address.replace("://", f"://{user}")
        environment = {"ANTHROPIC_BASE_URL": "https://api.corp.test", "HTTPS_PROXY": proxy}
        _set(monkeypatch, BASE | NO_EXCEPTION | environment, gateway)
        with closing(open_api(from_environment())) as api:
            assert api.list_page().batches == ()
        with anthropic.Anthropic(max_retries=0) as sdk:
            sdk.messages.batches.list()
        ours, theirs = gateway.calls
    assert table([ours])[0][:4] == table([theirs])[0][:4]
    assert ours.proxied.startswith("connect api.corp.test")
    assert ("Basic" in ours.proxied) is bool(user)


def test_the_sdk_of_a_long_answer_looks_for_no_credentials_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile on disk would take the place of the header."""
    (tmp_path / "configs").mkdir()
    profile = {"authentication": {"type": "oauth_token", "access_token": "of-the-profile"}}
    (tmp_path / "configs" / "default.json").write_text(json.dumps(profile))
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    with a_gateway(Gateway()) as gateway:
        api = AnthropicApi(
            credentials=Credentials(headers={"X-Api-Key": "sk-gateway"}), base_url=gateway.address
        )
        api.run_one(params(max_tokens=LONG))
        api.close()
    (call,) = gateway.calls
    assert call.headers["x-api-key"] == "sk-gateway"
    assert "authorization" not in call.headers
