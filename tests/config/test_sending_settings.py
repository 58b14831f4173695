"""[recovery] and [limits] of titan.toml; that no key is accepted without effect."""

import ast
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import fields
from support.builders import KEY, START, some_requests
from support.processes.terminal import Terminal, a_server

from core.bootstrap import open_engine
from core.clock import ManualClock
from core.config import titan_tables
from core.config.settings import Settings
from core.config.titan_file import template
from core.config.titan_tables import Document, TitanToml, parse
from core.config.toml_reader import Record, load
from core.engine import Engine
from core.intake.options import SubmitOptions
from state.model.timestamps import to_text
from titan_console.sandbox.model.timing import Plan

ROOT = Path(titan_tables.__file__).parents[2]
MISTAKES = [
    ("[recovery]\nwait_after_timeout_s = 'never'", "wait_after_timeout_s", "invalid_value"),
    ("[recovery]\nwait_after_error_s = 0", "wait_after_error_s", "invalid_value"),
    ("[recovery]\nnonsense = 1", "nonsense", "unknown_key"),
    ("[limits]\nmax_requests = 100_001", "max_requests", "invalid_value"),
    ("[limits]\nmax_bytes = 3", "max_bytes", "invalid_value"),
    ("[limits]\nmax_body = 3", "max_body", "unknown_key"),
    ("[fallback]\nx = 1", "fallback", "unknown_key"),
    ("[alert]\nkpis = false", "alert", "unknown_key"),
    ("budget = 1", "budget", "unknown_key"),
]


@pytest.mark.parametrize(("text", "key", "code"), MISTAKES)
def test_a_mistake_has_its_line_key_and_code(text: str, key: str, code: str) -> None:
    (problem,) = parse(f"\n{text}\n").problems
    assert (problem.path[-1], problem.code) == (key, code)
    assert problem.line == (2 if len(problem.path) == 1 else 3)


def test_jobs_check_reports_them(home: Path) -> None:
    home.mkdir()
    (home / "titan.toml").write_text("\n".join(text for text, *_ in MISTAKES[2:7:2]), "utf-8")
    checked = Terminal(home).run("jobs", "check")
    assert checked.code == 2
    assert "line 2: recovery.nonsense: unknown key" in checked.out + checked.err
    assert "line 5: fallback: unknown key" in checked.out + checked.err


def test_a_mistake_leaves_the_defaults() -> None:
    found, default = parse("[recovery]\nwait_after_timeout_s = 'x'"), TitanToml()
    assert (found.recovery, found.limits) == (default.recovery, default.limits)


def test_the_old_names_of_alerts_and_workloads_are_accepted() -> None:
    found = parse("[alerts]\ndeadline_h = 7\n[workloads.w]\nrounded = { sync_usd = 9 }")
    assert not found.problems
    assert found.alerts.deadline_lead_h == 7
    assert found.workloads["w"].planned.sync_usd == 9


def test_the_old_names_of_the_recovery_wait_are_accepted() -> None:
    found = parse("[recovery]\nsettle_after_timeout_s = 8\nsettle_after_error_s = 7")
    assert not found.problems
    assert (found.recovery.wait_after_timeout_s, found.recovery.wait_after_error_s) == (8, 7)


def engine_with(home: Path, text: str, address: str) -> Engine:
    home.mkdir()
    (home / "titan.toml").write_text(text, "utf-8")
    settings = Settings(home=home, base_url=address, api_key=KEY)
    return open_engine(settings, actor="test", clock=ManualClock(START))


def test_recovery_decides_how_long_a_lost_create_is_waited_for(home: Path) -> None:
    text = "[recovery]\nwait_after_error_s = 7\n"
    with (
        a_server(Plan.manual(), "create:529") as (_, address),
        engine_with(home, text, address) as engine,
    ):
        engine.submit(some_requests(2), SubmitOptions(tag="t"))
        ((batch,),) = engine.find("t")[1:]
        assert batch.next_poll_ts == to_text(START + timedelta(seconds=7))


def test_limits_split_a_submission(home: Path) -> None:
    with (
        a_server(Plan.manual()) as (_, address),
        engine_with(home, "[limits]\nmax_requests = 3\n", address) as engine,
    ):
        engine.submit(some_requests(7), SubmitOptions(tag="t"))
        assert [batch.request_count for batch in engine.find("t")[1]] == [3, 3, 1]


def test_limits_hold_for_a_dry_run(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    (home / "titan.toml").write_text("[limits]\nmax_requests = 3\n", "utf-8")
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, some_requests(7))), "utf-8")
    terminal = Terminal(home)
    told = terminal.run("submit", "--dry-run", "--json", "--tag", "t", str(tmp_path / "in.jsonl"))
    assert told.json()["batches"] == 3


def records(record: type[Record]) -> Iterator[type[Record]]:
    """The record, and those in its fields."""
    yield record
    for hint in (field.type for field in fields(record)):
        for part in (hint, *get_args(hint)):
            if isinstance(part, type) and issubclass(part, Record):
                yield from records(part)


def names_read() -> set[str]:
    """Each name that code outside the reader of titan.toml uses as an attribute or a string."""
    found = set[str]()
    for top in ("core", "titan_batch", "titan_console"):
        for path in (ROOT / top).rglob("*.py"):
            if path.name not in ("titan_tables.py", "toml_reader.py"):
                for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                    if isinstance(node, ast.Attribute):
                        found.add(node.attr)
                    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                        found.add(node.value)
    return found


def test_every_key_that_is_accepted_is_typed_and_read() -> None:
    used = names_read()
    assert {"Recovery", "BatchLimits", "Job"} <= {found.__name__ for found in records(Document)}
    for record in records(Document):
        for field in fields(record):
            assert Any not in (field.type, *get_args(field.type)), field.name
            assert field.name in used, f"{record.__name__}.{field.name} is accepted, and never read"


def test_the_template_shows_every_table() -> None:
    text = re.sub(r"^# (?=\[|[a-z_]+ = )", "", template(), flags=re.MULTILINE)
    document, problems = load(text)
    shown = parse(text)
    assert (problems, shown.problems) == ([], ())
    tables = {field.encode_name for field in fields(Document)}
    assert set(document) | {"console"} == tables
    assert (shown.recovery, shown.limits) == (TitanToml().recovery, TitanToml().limits)
