"""The demo as a newcomer runs it, on texts of its own to keep it short."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.error_codes import code_is
from support.processes.terminal import Terminal

from core.bootstrap import open_api
from core.clock import SystemClock
from core.config import titan_file
from core.config.settings import Settings
from core.errors import SettingsError
from state.db.opening import open_reader
from state.files.folder import Folder
from state.model.records import Outcome
from state.operations import command_effects
from state.queries import ledger_status
from titan_console.cli import demo_summary
from titan_console.demo.live import write_titan_toml
from titan_console.demo.play import ONLY_SANDBOX
from titan_console.demo.texts import standard_library
from titan_console.doctor.finding import Health
from titan_console.doctor.installation_checks import findings


@pytest.mark.slow
def test_it_runs_three_jobs_and_shows_what_they_saved(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(4):
        (texts / f"{number}.txt").write_text(f"Article {number} is about files and time. " * 4)
    done = Terminal(tmp_path / "home", api_key=None).run(
        "demo", "--input", str(texts), "--home", str(tmp_path / "demo")
    )
    assert done.code == 0, done.err
    for said in ("titan-daily-feed", "titan-daily-monologue", "titan-weekly-benchmark"):
        assert said in done.out
    assert "saved" in done.out
    assert "sent once, charged once" in done.out
    status = Terminal(tmp_path / "demo").run("status", "--json").json()
    assert status["open"] == []
    assert status["savings_usd"] > 0
    staged = list((tmp_path / "demo" / "staging").glob("titan-daily-feed-results-*.jsonl"))
    assert len(staged) == 1
    assert len([json.loads(line) for line in staged[0].read_text().splitlines()]) == 4


def test_json_has_the_same_values(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.txt").write_text("An article about time and files. " * 4)
    done = Terminal(tmp_path / "home").run("demo", "--json", "--input", str(tmp_path / "texts"))
    report = done.json()
    assert [batch["workflow"] for batch in report["batches"]] == [
        "titan-daily-feed",
        "titan-daily-monologue",
        "titan-weekly-benchmark",
    ]
    assert report["open"] == []
    assert len(report["staging"]) == 3


@pytest.mark.parametrize("written", [ONLY_SANDBOX, '[api]\nonly_host = "LOCALHOST"\n'])
@pytest.mark.parametrize("lane", [None, "other"])
def test_what_a_demo_left_is_never_sent_to_the_real_api(
    tmp_path: Path, written: str, lane: str | None
) -> None:
    other = '[lanes.other]\nkey = "ANTHROPIC_API_KEY_OTHER"\nbase_url = "https://gateway.example"\n'
    (tmp_path / "titan.toml").write_text(f"{written}\n{other}")
    settings = Settings(
        home=tmp_path, api_key="sk-real", variables={"ANTHROPIC_API_KEY_OTHER": "sk-other"}
    )
    with pytest.raises(SettingsError, match="Nothing was sent", check=code_is("other_server")):
        open_api(settings, lane=lane)
    host = written.split('"')[1].lower()
    open_api(replace(settings, base_url=f"http://{host}:8000")).close()
    (found,) = (one for one in findings(settings, lambda _: ()) if one.what == "server")
    assert (found.health, host in found.detail.lower()) == (Health.WARN, True)
    assert found.detail.startswith("API not called: titan.toml allows only the host ")


def test_the_titan_toml_of_the_demo_has_its_jobs_only_and_no_numbers_of_others(
    tmp_path: Path,
) -> None:
    folder = Folder(tmp_path)
    write_titan_toml(folder)
    assert titan_file.read(folder).problems == ()
    shell = Terminal(tmp_path)
    assert [job["job"] for job in shell.run("jobs", "--json").json()["jobs"]] == [
        "titan-daily-feed",
        "titan-daily-monologue",
        "titan-weekly-benchmark",
    ]
    # Nothing is forecast that was not measured.
    total = shell.run("forecast").out.splitlines()[-1].split()
    assert total[:6] == ["total", "0", "0", "$0.00", "$0.00", "$0.00"]


def test_a_folder_without_texts_is_reported(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    done = Terminal(tmp_path / "home").run("demo", "--input", str(tmp_path / "texts"))
    assert done.code == 3
    assert "no text file" in done.err


@pytest.mark.slow
def test_the_standard_library_has_hundreds_of_texts() -> None:
    texts = standard_library()
    assert len(texts) > 100
    assert all(len(text.body) >= 80 for text in texts)


@pytest.mark.parametrize("used", ["titan.db", "titan.toml"])
def test_a_folder_that_is_in_use_is_left_alone(tmp_path: Path, used: str) -> None:
    home = tmp_path / "real"
    home.mkdir()
    (home / used).write_text("# mine\n")
    for mode in ("--print", "--live"):
        done = Terminal(tmp_path / "home", api_key=None).run("demo", mode, "--home", str(home))
        assert done.code == 2
        assert f"{home} already contains {used}" in done.err
    assert [path.name for path in home.iterdir()] == [used]
    assert (home / used).read_text() == "# mine\n"


@pytest.mark.slow
def test_behind_the_console_a_month_has_passed_and_the_jobs_go_on(tmp_path: Path) -> None:
    texts, home = tmp_path / "texts", tmp_path / "demo"
    texts.mkdir()
    for number in range(9):
        (texts / f"{number}.txt").write_text(f"Article {number} is about files and time. " * 4)
    player = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "titan_console", "demo", "--live"),
            *("--home", str(home), "--input", str(texts)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert player.stdout
        *days, address = _until_the_address(player.stdout)
        assert days == [str(day) for day in range(30)]
        with open_reader(Folder(home)) as reader:
            gap = ledger_status.median_poll_interval(reader)
        assert gap is not None
        # The console expects the next poll by it.
        assert gap < timedelta(seconds=30)
        here = Terminal(home, base_url=address)
        for _ in range(600):
            assert player.poll() is None
            if any(_is_live(event) for event in here.run("events", "--json").lines()):
                break
            SystemClock().sleep(0.5)
        else:
            raise AssertionError("no job of today was collected")
        assert len(here.run("savings", "--by", "day", "--json").lines()) > 20
        assert here.run("poll").code == 0
    finally:
        player.terminate()
        player.communicate()


def _until_the_address(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line.strip()
        if line.startswith("http"):
            return


def _is_live(event: dict[str, Any]) -> bool:
    return event["kind"] == "batch.collected" and "-live-" in event["tag"]


def test_the_sums_of_the_summary_are_those_of_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("feed-1", 5, [Failure(), Failure()])
    made.collected("press-1", 3, [Failure()])
    made.collected("press-2", 1, [Failure(outcome=Outcome.EXPIRED)])
    made.accept(made.submit("press-3", 2))
    (request,) = made.ledger.rows("SELECT id FROM requests WHERE status = 'errored' LIMIT 1")
    command_effects.acknowledge(made.ledger, [request[0]])
    made.close()
    demo_summary.print_summary(tmp_path)
    out = capsys.readouterr().out
    found = re.findall(r"^\S+ +(\d+) +(\d+) +(\d+) +(\d+) ", out, re.MULTILINE)
    rows = [[int(number) for number in row] for row in found]
    assert [sum(row[1:]) for row in rows] == [row[0] for row in rows]
    assert [sum(column) for column in zip(*rows, strict=True)] == [9, 5, 3, 1]
    assert "3 attempts errored at the API" in out
    assert "Other: 1 attempt canceled" in out
    assert "3 requests have no answer. Replay them on the Errors screen." in out
    assert "2 requests are queued or in progress" in out
