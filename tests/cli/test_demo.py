"""The demo as a newcomer runs it, on texts of its own to keep it short."""

import json
from pathlib import Path

from terminal import Terminal

from titan_console.demo.texts import standard_library


def test_it_runs_three_jobs_and_shows_what_they_saved(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(4):
        (texts / f"{number}.txt").write_text(f"Article {number} tells of files and time. " * 4)
    done = Terminal(tmp_path / "home", api_key=None).run(
        "demo", "--input", str(texts), "--home", str(tmp_path / "demo")
    )
    assert done.code == 0, done.err
    for said in ("titan-daily-feed", "titan-daily-monologue", "titan-weekly-benchmark"):
        assert said in done.out
    assert "saved" in done.out
    assert "sent once, paid once" in done.out
    status = Terminal(tmp_path / "demo").run("status", "--json").json()
    assert status["open"] == []
    assert status["savings_usd"] > 0
    staged = list((tmp_path / "demo" / "staging").glob("titan-daily-feed-results-*.jsonl"))
    assert len(staged) == 1
    assert len([json.loads(line) for line in staged[0].read_text().splitlines()]) == 4


def test_it_tells_programs_the_same(tmp_path: Path) -> None:
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


def test_a_folder_without_texts_is_said(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    done = Terminal(tmp_path / "home").run("demo", "--input", str(tmp_path / "texts"))
    assert done.code == 3
    assert "no text" in done.err


def test_the_standard_library_has_hundreds_of_texts() -> None:
    texts = standard_library()
    assert len(texts) > 100
    assert all(len(text.body) >= 80 for text in texts)
