"""A scheduled poll has the environment that poller.env gives it, whoever wrote that file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.api.recording_gateway import Gateway, a_gateway
from support.processes.fake_schedulers import Machine
from support.processes.terminal import Terminal

from core.config.env_file import parse
from titan_console.schedule import cron, systemd
from titan_console.schedule.poller import Poller
from titan_console.schedule.poller_variables import State, planned

KEY = "sk-ant-of-the-schedule"
ENVIRONMENT = {
    "ANTHROPIC_API_KEY": KEY,
    "ANTHROPIC_CUSTOM_HEADERS": "x-gateway: very-secret",
    "ANTHROPIC_BASE_URL": "https://gw.example/corp",
    "HTTPS_PROXY": "http://me:password@proxy:1",
    "http_proxy": "http://proxy:1",
    "NO_PROXY": "localhost, 127.0.0.1",
    "SSL_CERT_FILE": "/etc/corp.pem",
    "PATH": "/bin",
}


def _cron_line(home: Path) -> str:
    block = cron.block(Poller(python=sys.executable, home=str(home)))
    (line,) = (line for line in block.splitlines() if not line.startswith("#"))
    return line.split(" ", 5)[5].replace(r"\%", "%")


@pytest.mark.parametrize(
    ("encoding", "end"), [("utf-8", "\n"), ("utf-8-sig", "\r\n"), ("utf-16", "\r\n")]
)
def test_cron_polls_with_a_key_file_of_any_editor(tmp_path: Path, encoding: str, end: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    demands = {"authorization": f"Bearer {KEY}", "x-team": "blue sky"}
    with a_gateway(Gateway(demands, prefix="/corp")) as gateway:
        lines = (
            f"ANTHROPIC_API_KEY={KEY}",
            f"export ANTHROPIC_BASE_URL={gateway.address}/corp/v1",
            "ANTHROPIC_CUSTOM_HEADERS='x-team: blue sky'",
            "TITAN_HOME=/nowhere",
            f"{KEY}",
        )
        (home / "poller.env").write_bytes(
            "".join(f"{text}{end}" for text in lines).encode(encoding)
        )
        # A submission makes the poll ask the gateway.
        terminal = Terminal(home, "http://127.0.0.1:9")
        request = '{"custom_id":"a-1","max_tokens":9,"messages":[{"role":"user","content":"x"}]}\n'
        assert terminal.run("submit", "-", "--tag", "t", stdin=request).code == 1
        done = subprocess.run(
            ["env", "-i", "NO_PROXY=127.0.0.1", "sh", "-c", _cron_line(home)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert gateway.sandbox.billing_log().creates == 1
    assert "poller.env: line 5 is not NAME=VALUE" in done.stderr
    assert "ends in '/v1'" in done.stderr
    assert KEY not in done.stderr
    assert "blue sky" not in done.stderr


def test_a_poll_without_the_file_has_its_own_environment(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "elsewhere")
    done = terminal.run("--poll", "--home", str(tmp_path / "home"), "--json")
    assert done.code == 0
    assert (tmp_path / "home" / "titan.db").exists()
    assert not (tmp_path / "elsewhere").exists()


def test_the_time_zone_of_the_file_counts(tmp_path: Path) -> None:
    """`deadline_at` is a time of day in it."""
    (tmp_path / "poller.env").write_text("TZ=Pacific/Kiritimati\n")
    code = (
        "import sys, pathlib, time; from core.config.settings import enter_home;"
        "enter_home(pathlib.Path(sys.argv[1])); print(time.strftime('%z'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "+1400\n"


def test_a_home_is_for_polls_only(tmp_path: Path) -> None:
    for arguments in (("--home", "x"), ("--home", "x", "status")):
        done = Terminal(tmp_path / "home").run(*arguments)
        assert (done.code, "--home requires --poll" in done.err) == (2, True)


def test_all_that_is_no_secret_is_copied_and_nothing_else() -> None:
    plan = planned(ENVIRONMENT, b"")
    assert plan.content is not None
    written = parse(plan.content).values
    assert written == {
        "ANTHROPIC_BASE_URL": "https://gw.example/corp",
        "http_proxy": "http://proxy:1",
        "NO_PROXY": "localhost, 127.0.0.1",
        "SSL_CERT_FILE": os.path.abspath("/etc/corp.pem"),  # noqa: PTH100 - as it is written
    }
    states = {one.name: one.state for one in plan.found}
    assert [name for name, state in states.items() if state is State.YOURS] == [
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_CUSTOM_HEADERS",
        "HTTPS_PROXY",
    ]
    assert plan.credentials == ()
    again = planned(ENVIRONMENT, plan.content)
    assert again.content is None


def test_a_ledger_in_postgresql_is_reached_without_a_password_in_the_file() -> None:
    known = {
        "TITAN_LEDGER": "postgresql://db/titan",
        "PGUSER": "titan",
        "PGPASSFILE": "/run/pgpass",
        "PGPASSWORD": "pass-word-123",
    }
    plan = planned(known, b"", with_postgres=True)
    assert plan.content is not None
    assert set(parse(plan.content).values) == {"TITAN_LEDGER", "PGUSER", "PGPASSFILE"}
    yours = planned({"TITAN_LEDGER": "postgresql://titan:pass-word-123@db/titan"}, b"")
    assert [(one.name, one.state) for one in yours.found] == [("TITAN_LEDGER", State.YOURS)]
    # Those of other programs, where the ledger is in its home.
    assert planned({"PGUSER": "x", "PGPASSWORD": "pass-word-123"}, b"").found == ()


def test_what_the_file_says_already_stays() -> None:
    before = f"# mine\nANTHROPIC_API_KEY={KEY}\nNO_PROXY=mine"
    plan = planned(ENVIRONMENT, before.encode("utf-16"))
    assert plan.content is not None
    assert plan.content.decode().startswith(f"{before}\nANTHROPIC_BASE_URL=")
    states = {one.name: one.state for one in plan.found}
    assert (states["NO_PROXY"], states["ANTHROPIC_API_KEY"]) == (State.KEPT, State.PRESENT)
    assert plan.credentials == ("ANTHROPIC_API_KEY",)


def test_an_installation_says_what_it_found_and_writes_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "crontab")
    for name, value in ENVIRONMENT.items():
        if name != "PATH":
            monkeypatch.setenv(name, value)
    file = machine.home / "poller.env"
    dry = machine.terminal.run("schedule", "--install", "cron", "--dry-run")
    assert f"would write {file}" in dry.out
    assert "SSL_CERT_FILE: would be copied to poller.env." in dry.err
    assert not file.exists()
    done = machine.terminal.run("schedule", "--install", "cron")
    assert done.code == 0
    assert "SSL_CERT_FILE: copied to poller.env." in done.err
    assert "HTTPS_PROXY: contains a secret, so add it to poller.env yourself." in done.err
    assert "Write ANTHROPIC_API_KEY=... to" in done.err
    text = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    for secret in ("sk-ant", "very-secret", "password"):
        assert secret not in text + done.out + done.err + machine.table.read_text()
    found = machine.terminal.run("schedule", "--install", "cron", "--json").json()
    assert {"name": "SSL_CERT_FILE", "state": "present"} in found["environment"]
    assert found["steps"] == []


def test_a_unit_has_no_part_of_the_file(tmp_path: Path) -> None:
    unit = systemd.service(Poller(python="/p", home=str(tmp_path)))
    assert "EnvironmentFile" not in unit
    assert "ExecStart" in unit
