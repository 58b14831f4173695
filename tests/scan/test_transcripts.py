"""Recorded token usage: each answer once, any size, any damage."""

import json
import tracemalloc
from datetime import timedelta
from pathlib import Path

from support.made_home import MadeHome, answer, prompt, scheduled

from core.clock import SystemClock
from core.money.pricing import PriceBook
from core.scan.attribution import attribute
from core.scan.survey import survey
from core.scan.task import Problem
from core.scan.transcripts import Recorded, read_usage_of

NOW = SystemClock().now()
HOUR = timedelta(hours=1)


def read(home: MadeHome, problems: list[Problem] | None = None) -> Recorded:
    paths = survey([home.root]).transcripts
    found = problems if problems is not None else []
    return read_usage_of(paths, PriceBook(), now=NOW, days=30, problems=found)


def test_the_lines_of_one_answer_count_once_with_the_largest_count(tmp_path: Path) -> None:
    home = MadeHome(tmp_path)
    home.transcript(
        "s",
        *(answer("s", "m1", NOW - HOUR, out=out) for out in (2, 300, 300)),
        answer("s", "m2", NOW - HOUR),
    )
    session = read(home).sessions["s"]
    assert (session.answers, session.tokens_in, session.tokens_out) == (2, 6_000, 600)
    assert (session.cache_read, session.cost_nano) == (100_000, 60_000_000)


def test_a_copied_session_counts_its_answers_once_and_a_line_without_id_is_one(
    tmp_path: Path,
) -> None:
    home = MadeHome(tmp_path)
    lines = [answer("a", f"m{number}", NOW - HOUR) for number in range(600)]
    home.transcript("a", *lines)
    home.transcript("b", *lines, answer("b", "new", NOW - HOUR))
    home.transcript("c", answer("c", None, NOW - HOUR), answer("c", None, NOW - 2 * HOUR))
    found = read(home).sessions
    assert {name: one.answers for name, one in found.items()} == {"a": 600, "b": 1, "c": 2}


def test_other_days_other_models_and_messages_of_the_program_itself_do_not_count(
    tmp_path: Path,
) -> None:
    home = MadeHome(tmp_path)
    home.transcript(
        "s",
        answer("s", "old", NOW - timedelta(days=31)),
        answer("s", "later", NOW + HOUR),
        answer("s", "own", NOW - HOUR, model="<synthetic>"),
        answer("s", "unknown", NOW - HOUR, model="claude-unknown-9"),
    )
    session = read(home).sessions["s"]
    assert (session.answers, session.unpriced, session.cost_nano) == (1, 1, 0)


def test_damage_loses_only_its_own_lines(tmp_path: Path) -> None:
    home = MadeHome(tmp_path)
    path = home.transcript("s", answer("s", "m1", NOW - HOUR))
    damaged = (
        b'{"type": "assistant", "message": {"usage": \n',
        b'\xff\xfe"usage"\x00\n',
        b"[" * 100_000 + b'"usage"\n',
        b'{"usage": 1, "type": 5}\n',
        b'{"type": "user", "x": "' + b"y" * 9_000_000 + b'"}\n',
    )
    with path.open("ab") as file:
        file.writelines(damaged)
        for moment in (b"x", b"0001-01-01T00:00:00", b"2026-01-01T00:00:00"):
            line = b'{"type":"assistant","timestamp":"%b","message":{"model":"m","usage":{}}}\n'
            file.write(line % moment)
    with path.open("a") as file:
        file.write(json.dumps(answer("s", "m2", NOW - HOUR)))
    recorded = read(home)
    assert recorded.sessions["s"].answers == 2
    assert recorded.malformed == 6


def test_a_huge_transcript_is_read_in_flat_memory(tmp_path: Path) -> None:
    home = MadeHome(tmp_path)
    path = home.transcript("s", prompt("s", "go"), answer("s", "m", NOW - HOUR))
    with path.open("ab") as file:
        for _ in range(3):
            file.write(b'{"type": "user", "image": "' + b"A" * 20_000_000 + b'"}\n')
    read(home)
    tracemalloc.start()
    assert read(home).sessions["s"].answers == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000


def test_sessions_belong_to_the_task_of_their_prompt_or_folder(tmp_path: Path) -> None:
    home = MadeHome(tmp_path)
    home.task("notes", "Nightly")
    body = "Read all the articles of the day and write one page about them for the team."
    home.task("pages", "Nightly", body)
    home.write(".claude/skills/tone/SKILL.md", "---\nname: tone\n---\n")
    home.write(
        "crontab",
        "0 1 * * * cd ~/projects/digest && claude -p 'Summarize it'\n"
        "0 2 * * * cd /srv/one/shared && claude -p 'A'\n"
        "0 3 * * * cd /srv/one/shared && claude -p 'B'\n",
    )
    prompts = {
        "by-tag": (scheduled("notes"), "/home/x"),
        "by-command": ("<command-name>/tone</command-name>", "/home/x"),
        "by-text": (f"{body}\n", "/home/x"),
        "by-folder": ("Summarize it", "/home/x/projects/digest"),
        "unknown-task": (scheduled("removed"), "/home/x/projects/digest"),
        "shared-folder": ("A", "/srv/one/shared"),
        "own": ("Fix the bug", "/home/x"),
    }
    for session, (text, folder) in prompts.items():
        home.transcript(
            session, prompt(session, text, cwd=folder), answer(session, session, NOW - HOUR)
        )
    home.transcript("by-tag", answer("by-tag", "sub", NOW - HOUR), agent="1")
    read_ = survey([home.root])
    found = attribute(read(home), read_.tasks, days=30)
    runs = {name: (one.runs, one.tokens_in) for name, one in found.by_task.items()}
    assert runs == {
        "notes": (1, 6_000),
        "tone": (1, 3_000),
        "pages": (1, 3_000),
        "summarize-it": (1, 3_000),
    }
    assert found.others.runs == 3
