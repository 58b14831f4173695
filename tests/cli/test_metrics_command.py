"""`titan-console metrics` as it is typed, and docs/metrics.md."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.builders import some_requests
from support.ledgers import broken_ledger
from support.processes.terminal import Terminal, a_server

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
_NAME = re.compile(r"\btitan_\w+")
_POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX file modes")


def values(shown: str) -> dict[str, float]:
    """The sum of each metric."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(shown):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


@pytest.fixture
def terminal(home: Path) -> Terminal:
    """A home with two workflows: one done but for an errored request, one still open."""
    with a_server(None, "row:overloaded:id=*-00001*") as (_, address):
        terminal = Terminal(home, address)
        for tag, count in (("first", 3), ("second", 2)):
            lines = "".join(json.dumps(request) + "\n" for request in some_requests(count))
            assert terminal.run("submit", "-", "--tag", tag, stdin=lines).code == 0
            if tag == "first":
                terminal.run("--poll")
    return terminal


def test_the_numbers_are_those_of_status_and_savings(terminal: Terminal) -> None:
    found = values(terminal.run("metrics").out)
    status = terminal.run("status", "--json").json()
    savings = terminal.run("savings", "--since", "2000-01-01", "--json").lines()
    totals = status["totals"]
    assert found["titan_open_batches"] == len(status["open"]) > 0
    assert found["titan_open_batch_requests"] == sum(b["request_count"] for b in status["open"])
    assert found["titan_submitted_requests_total"] == totals["requests"]
    assert found["titan_cost_dollars_total"] == pytest.approx(totals["cost_usd"])
    assert found["titan_sync_price_dollars_total"] == pytest.approx(totals["sync_cost_usd"])
    assert found["titan_savings_dollars"] == pytest.approx(status["savings_usd"])
    assert found["titan_attempts_total"] == sum(row["attempts"] for row in savings) > 0
    of_tokens = sum(row["tokens_in"] + row["tokens_out"] for row in savings)
    assert found["titan_tokens_total"] == of_tokens
    assert found["titan_alerts"] == len(status["alerts"])
    shown = terminal.run("metrics").out
    for name, value in (("errored", status["errors"]), ("queued", totals["queued"])):
        assert f'titan_requests{{status="{name}"}} {value}\n' in shown
    assert status["errors"] == 1


def test_without_a_ledger_titan_up_is_0_and_nothing_failed(home: Path) -> None:
    done = Terminal(home).run("metrics")
    assert (done.code, values(done.out)["titan_up"]) == (0, 0)
    assert "There is no ledger" in done.err
    assert not home.exists()


@pytest.mark.parametrize("break_it", [broken_ledger.corrupt, broken_ledger.too_new])
def test_a_ledger_that_cannot_be_read_is_said_in_the_file_too(
    home: Path, tmp_path: Path, break_it: Callable[[Path], None]
) -> None:
    file = tmp_path / "titan.prom"
    file.write_text("titan_up 1\n")
    break_it(home)
    done = Terminal(home).run("metrics", "--textfile", str(file))
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert values(file.read_text())["titan_up"] == 0
    assert "Traceback" not in done.err


def test_a_textfile_is_readable_by_every_user_and_replaced_as_a_whole(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "out" / "titan.prom"
    file.parent.mkdir()
    file.write_text("old")
    file.chmod(0o600)
    with file.open() as reader:
        done = terminal.run("metrics", "--textfile", str(file))
        # Whoever had it open reads the old file to its end.
        assert reader.read() == "old"
    assert (done.code, done.out, done.err) == (0, "", "")
    assert values(file.read_text())["titan_up"] == 1
    assert file.read_bytes().endswith(b"\n")
    assert [path.name for path in file.parent.iterdir()] == ["titan.prom"]
    if os.name != "nt":
        assert stat.S_IMODE(file.stat().st_mode) == 0o644


@_POSIX
def test_a_textfile_that_cannot_be_written_is_one_line(terminal: Terminal, tmp_path: Path) -> None:
    done = terminal.run("metrics", "--textfile", str(tmp_path / "no-folder" / "titan.prom"))
    assert (done.code, done.err.count("\n")) == (3, 1)
    done = terminal.run("metrics", "--textfile", str(terminal.home / "titan.db"))
    assert (done.code, done.err.count("\n")) == (2, 1)


def _documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Each metric of the page: its type and labels."""
    rows = re.findall(r"^\| `(titan_\w+)` \| (\w+) \|([^|]*)\|", PAGE, re.MULTILINE)
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_the_page_has_every_metric_with_its_type_and_labels(terminal: Terminal) -> None:
    toml = "[budgets]\nday_usd = 1\n[budgets.workflows]\nfirst = 1\n"
    (terminal.home / "titan.toml").write_text(toml, "utf-8")
    shown = terminal.run("metrics").out
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", shown, re.MULTILINE))
    labels: dict[str, frozenset[str]] = {}
    for family in text_string_to_metric_families(shown):
        for sample in family.samples:
            labels[sample.name] = frozenset(sample.labels)
    documented = _documented()
    assert {name: kind for name, (kind, _) in documented.items()} == types
    assert {name: documented[name][1] for name in labels} == labels
    assert len(labels) > 25


def test_every_metric_that_the_page_names_exists() -> None:
    assert set(_NAME.findall(PAGE)) - _documented().keys() == set()


@_POSIX
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_line_for_cron_writes_the_file(terminal: Terminal, tmp_path: Path) -> None:
    (line,) = re.findall(r"^```crontab\n(.+)\n```$", PAGE, re.MULTILINE)
    command = line.split(" ", 5)[5]
    target = re.findall(r"--textfile (\S+)", command)[0]
    file = tmp_path / "titan.prom"
    command = command.replace(target, str(file))
    command = re.sub(r"\S*titan-console", f"'{sys.executable}' -m titan_console", command)
    command = re.sub(r"TITAN_HOME=\S+", f"TITAN_HOME='{terminal.home}'", command)
    subprocess.run(["bash", "-c", command], check=True, env={"PATH": os.defpath})
    assert values(file.read_text())["titan_up"] == 1
