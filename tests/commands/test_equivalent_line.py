"""The command line of a preview selects exactly the requests that the preview is about."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.processes.terminal import Terminal

from core.bootstrap import open_engine
from core.commands import equivalent_filter, planner
from core.commands.planner import CommandRequest, Plan
from core.config.settings import Settings
from state.operations.commands import Action
from state.operations.selection import Filter

OTHER = Failure("api_error", "Internal server error")


def _plan(home: Path, wanted: Filter, action: Action = Action.REPLAY, **options: object) -> Plan:
    with open_engine(Settings(home=home), actor="test", creates=False) as engine:
        request = CommandRequest(action=action, wanted=wanted, **options)  # pyright: ignore[reportArgumentType]
        return planner.plan(engine.context, request)


def _ids(home: Path, condition: str) -> tuple[int, ...]:
    with open_engine(Settings(home=home), actor="test", creates=False) as engine:
        sql = f"SELECT id FROM requests WHERE {condition} ORDER BY id"  # noqa: S608 - our own words
        return tuple(row[0] for row in engine.context.ledger.rows(sql))


def _run_again(home: Path, line: str) -> int:
    """How many requests the command line selects."""
    words = shlex.split(line)
    assert words[0] == "titan-console"
    return Terminal(home).run(words[1], "--dry-run", "--json", *words[2:]).json()["count"]


def _errored(home: Path, tags: Sequence[str], count: int = 1, failure: Failure = OTHER) -> None:
    made = LedgerBuilder(home)
    for tag in tags:
        made.collected(tag, [f"h-{n}" for n in range(count)], [failure] * count)
    made.close()


@pytest.mark.parametrize("action", [Action.REPLAY, Action.SYNC, Action.ACKNOWLEDGE])
def test_one_of_several_tags_with_the_same_names_is_meant(tmp_path: Path, action: Action) -> None:
    _errored(tmp_path, ["monday", "tuesday", "it's $late; rm -rf"])
    for tag in ("monday", "it''s $late; rm -rf"):
        found = _plan(tmp_path, Filter(request_ids=_ids(tmp_path, f"tag = '{tag}'")), action)
        (name,) = shlex.split(found.preview.cli)[3:]
        assert name == f"{tag.replace(chr(39) * 2, chr(39))}/h-0"
        assert _run_again(tmp_path, found.preview.cli) == 1


def test_a_tag_that_reads_like_the_name_of_a_request_is_not_selected(tmp_path: Path) -> None:
    _errored(tmp_path, ["a", "a/h-0"], count=2)
    found = _plan(tmp_path, Filter(request_ids=_ids(tmp_path, "tag = 'a' AND custom_id = 'h-0'")))
    assert found.preview.count == 1
    assert found.preview.cli == ""
    both = _plan(tmp_path, Filter(request_ids=_ids(tmp_path, "tag = 'a'")))
    assert _run_again(tmp_path, both.preview.cli) == 2


def test_a_tag_with_a_dash_is_no_option(tmp_path: Path) -> None:
    _errored(tmp_path, ["--all", "b"])
    found = _plan(tmp_path, Filter(request_ids=_ids(tmp_path, "tag = '--all'")))
    assert found.preview.cli == "titan-console replay --yes -- --all/h-0"
    assert _run_again(tmp_path, found.preview.cli) == 1


def test_a_group_of_many_is_named_in_full(tmp_path: Path) -> None:
    _errored(tmp_path, ["monday", "tuesday"], count=40)
    found = _plan(tmp_path, Filter(request_ids=_ids(tmp_path, "tag = 'monday'")))
    assert "..." not in found.preview.cli
    assert _run_again(tmp_path, found.preview.cli) == 40


def test_more_than_can_be_named_are_those_that_a_filter_selects(tmp_path: Path) -> None:
    made, names = LedgerBuilder(tmp_path), [f"h-{n}" for n in range(1_001)]
    for tag in ("monday", "tuesday"):
        made.collected(tag, names, [OTHER] * len(names))
    made.collected("monday-2", names[:2], [Failure(), OTHER])
    made.close()
    failed = "id IN (SELECT request_id FROM attempts WHERE error_type = 'api_error')"
    ids = _ids(tmp_path, f"tag LIKE 'monday%' AND {failed}")
    found = _plan(tmp_path, Filter(request_ids=ids))
    words = shlex.split(found.preview.cli)
    assert words[3:5] == ["--outcome=errored", "--error-type=api_error"]
    assert len(words) == 7
    assert _run_again(tmp_path, found.preview.cli) == len(ids) == 1_002
    assert _plan(tmp_path, Filter(request_ids=ids[1:])).preview.cli == ""


def test_so_many_that_a_comparison_would_take_long_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equivalent_filter, "_MOST_COMPARED", 2)
    _errored(tmp_path, ["monday"], count=3)
    ids = _ids(tmp_path, "tag = 'monday'")
    assert _plan(tmp_path, Filter(request_ids=ids)).preview.cli == ""
    assert _run_again(tmp_path, _plan(tmp_path, Filter(request_ids=ids[1:])).preview.cli) == 2
