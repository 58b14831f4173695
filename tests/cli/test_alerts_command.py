"""`titan-console alerts`: alerts are listed, acknowledged and muted in a shell."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.console.console_builders import LedgerBuilder

from core.clock import ManualClock, SystemClock
from state.operations import alerts
from titan_console.cli.main import cli


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A ledger with two errors alerts and one of a batch."""
    made = LedgerBuilder(tmp_path, ManualClock(SystemClock().now()))
    wrong = [("errors", "day", "7 requests errored."), ("errors", "feed", "5 requests errored.")]
    alerts.update(made.ledger, [*wrong, ("stuck", "tb_1", "tb_1 is stuck.")])
    made.close()
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["alerts", *arguments], env={"TITAN_HOME": str(home)})


def listed(home: Path, *arguments: str) -> list[dict[str, Any]]:
    done = run(home, *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_newest_is_first_and_a_rule_stands_for_all_of_its_alerts(home: Path) -> None:
    assert [one["rule"] for one in listed(home)] == ["stuck", "errors", "errors"]
    changed = listed(home, "acknowledge", "errors")
    assert {one["subject"] for one in changed} == {"day", "feed"}
    assert all(one["acknowledged_by"] and not one["muted_until_ts"] for one in changed)
    table = run(home).stdout
    assert "day" not in table.replace("a day", "")
    assert table.count("- acknowledged") == 2
    assert table.count("! raised") == 1


def test_one_is_muted_by_its_number_for_a_time_and_heard_again(home: Path) -> None:
    number = str(listed(home)[0]["id"])
    (muted,) = listed(home, "mute", number, "--hours", "1.5")
    assert muted["muted_until_ts"] > muted["raised_ts"]
    assert "- muted 1h" in run(home).stdout
    (again,) = listed(home, "unmute", number)
    assert again["muted_until_ts"] is None
    assert "Notified again: 0 alerts." in run(home, "unmute", number).stderr


def test_what_is_not_raised_is_refused_and_nothing_is_changed(home: Path) -> None:
    done = run(home, "acknowledge", "errors", "99")
    assert "Alert '99' is not raised" in str(done.exception)
    assert all(one["acknowledged_by"] is None for one in listed(home))


@pytest.mark.parametrize("hours", ["0", "nan", "-1", "1e9"])
def test_a_time_that_is_none_is_refused(home: Path, hours: str) -> None:
    done = run(home, "mute", "errors", "--hours", hours)
    assert done.exit_code == 2
    assert all(one["muted_until_ts"] is None for one in listed(home))
