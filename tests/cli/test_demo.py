"""The demo as a newcomer runs it, on texts of its own to keep it short."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes.terminal import Terminal

from core.clock import SystemClock
from titan_console.demo.texts import standard_library


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
