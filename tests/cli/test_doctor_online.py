"""`doctor` names what is set, and `doctor --online` asks the API whether it is right."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.api.recording_gateway import Gateway, a_gateway
from support.processes.terminal import Terminal

SECRETS = {
    "ANTHROPIC_AUTH_TOKEN": "token-of-the-gateway",
    "ANTHROPIC_CUSTOM_HEADERS": "x-gateway: of-the-header",
    "HTTP_PROXY": "http://me:of-the-proxy@127.0.0.1:9",
}


def _findings(terminal: Terminal, *arguments: str) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for finding in terminal.run("doctor", "--json", *arguments).json()["findings"]:
        found.setdefault(finding["what"], []).append((finding["health"], finding["detail"]))
    return found


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_CONFIG_DIR")
    monkeypatch.delenv("NO_PROXY")
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("variables")
def test_each_variable_is_named_without_its_value(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home", "http://127.0.0.1:9/v1")
    done = terminal.run("doctor")
    for secret in ("of-the-gateway", "of-the-header", "of-the-proxy", "sk-ant"):
        assert secret not in done.out + done.err
    found = _findings(terminal)
    assert found["environment"] == [
        ("ok", "ANTHROPIC_API_KEY is set and used"),
        ("ok", "ANTHROPIC_AUTH_TOKEN is set but not used: ANTHROPIC_API_KEY comes first"),
        ("ok", "ANTHROPIC_BASE_URL is set and used"),
        ("ok", "ANTHROPIC_CUSTOM_HEADERS is set and used"),
        ("ok", "HTTP_PROXY is set and used"),
    ]
    assert "ends in '/v1'" in found["server"][1][1]
    assert "ANTHROPIC_API_KEY" in found["key"][0][1]
    token = Terminal(tmp_path / "home", api_key=None)
    assert _findings(token)["key"] == [
        ("ok", "ANTHROPIC_AUTH_TOKEN is set (never displayed or stored)")
    ]


def test_online_asks_the_api_once_and_says_whose_account_it_is(tmp_path: Path) -> None:
    with a_gateway(Gateway({"authorization": "Bearer sk-ant-test"})) as gateway:
        terminal = Terminal(tmp_path / "home", gateway.address)
        assert _findings(terminal).keys().isdisjoint({"online"})
        assert gateway.calls == []
        ((health, detail),) = _findings(terminal, "--online")["online"]
        assert health == "ok"
        assert "accepted the credentials" in detail
        assert "/wrkspc_" in detail
        (call,) = gateway.calls
        assert (call.method, call.path) == ("GET", "/v1/messages/batches")


@pytest.mark.parametrize(
    ("key", "address", "words"),
    [
        ("sk-ant-wrong-one", "", "Check the credentials"),
        ("sk-ant-test", "http://127.0.0.1:9", "Cannot connect"),
        (None, "", "No API key"),
    ],
)
def test_online_names_the_cause(tmp_path: Path, key: str | None, address: str, words: str) -> None:
    with a_gateway(Gateway({"authorization": "Bearer sk-ant-test"})) as gateway:
        terminal = Terminal(tmp_path / "home", address or gateway.address, key)
        done = terminal.run("doctor", "--online")
        assert done.code == 1
        ((health, detail),) = _findings(terminal, "--online")["online"]
    assert health == "bad"
    assert words in detail
    assert "sk-ant" not in detail


@pytest.mark.usefixtures("variables")
def test_online_names_the_proxy_that_refuses(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home", "http://127.0.0.1:9")
    ((_, detail),) = _findings(terminal, "--online")["online"]
    assert detail.endswith("The call went by HTTP_PROXY.")


def test_a_key_file_is_described_by_its_names(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "poller.env").write_bytes(
        b"\xef\xbb\xbfANTHROPIC_API_KEY=sk-ant-1234\r\nnonsense-5678\r\n"
    )
    (home / "poller.env").chmod(0o644)
    done = Terminal(home).run("doctor")
    assert "sets ANTHROPIC_API_KEY for scheduled polls" in done.out
    assert "line 2 is not NAME=VALUE" in done.out
    assert "other users can read" in done.out
    assert "1234" not in done.out
    assert "5678" not in done.out


@pytest.mark.parametrize("proxy", ["", "http://proxy:1"])
def test_the_sandbox_says_how_to_reach_it_past_a_proxy(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    command = [sys.executable, "-m", "titan_console", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        said = running.stderr.readline() + running.stderr.readline()
        running.terminate()
    assert ('NO_PROXY="$NO_PROXY,127.0.0.1"' in said) is bool(proxy)
