"""The poller within reach: last and next poll, its key, a poll now, and the first-minute guide."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.builders import a_bench
from support.console.command_pilot import console
from support.console.console_builders import A_CATALOGUE, LedgerBuilder
from support.console.console_pilot import app_of, opened, shown, table, until, until_shown

from core.config.settings import Settings
from core.reporting.poller_health import PollerHealth, PollerState, assess
from state.batches import leases
from state.queries import ledger_status, poll_history
from titan_console.doctor import lane_checks
from titan_console.session.poll_helper import parse_result
from titan_console.text import access, first_steps
from titan_console.text import format as fmt
from titan_console.text.access import Access
from titan_console.text.first_steps import Facts
from titan_console.text.format import Tone
from titan_console.tui.app import TitanApp
from titan_console.tui.screens.poller_rows import PollerView, poller_rows

_WITH_KEY = Access(credential="ANTHROPIC_API_KEY")
_WITHOUT = Access(
    problem="neither ANTHROPIC_API_KEY nor ANTHROPIC_AUTH_TOKEN is set", only_host="127.0.0.1"
)


def polled(home: Path, *, fail_last: bool = False) -> LedgerBuilder:
    made = LedgerBuilder(home)
    made.submit("feed-1")
    for number in range(5):
        made.clock.advance(900)
        failure = "cannot reach the API" if fail_last and number == 4 else None
        leases.end_poll(made.ledger, leases.begin_poll(made.ledger), {}, failure)
    made.clock.advance(180)
    return made


def delete_ledger(home: Path) -> None:
    for file in home.glob("titan.db*"):
        file.unlink()


async def test_doctor_tells_last_and_next_poll_recent_ones_and_the_key(tmp_path: Path) -> None:
    made = polled(tmp_path, fail_last=True)
    app = TitanApp(tmp_path, made.clock, access=_WITHOUT)
    async with app.run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "! no API key")
        await pilot.press("8")
        await until_shown(pilot, "recent polls")
        screen = shown(pilot)
        for text in (
            "poll failed 3m ago  ·  cannot reach the API",
            "in 12m  ·  polls come every 15m (median)  ·  L polls now",
            "✓✓✓✓✗  4 of 5 polls succeeded",
            "neither ANTHROPIC_API_KEY nor ANTHROPIC_AUTH_TOKEN is set",
            "API not called: titan.toml allows only the host 127.0.0.1",
        ):
            assert text in screen, text
        listed = table(pilot, "poller")
        glyphs = [row.cells["health"].text[:1] for row in map(listed.row_of, listed.keys) if row]
        counted = f"Poller · {glyphs.count('✗')} failed, {glyphs.count('!')} warning"
        # The poll failed; without a key requests are only queued, as `doctor` says.
        assert glyphs.count("✗") == 1
        key = listed.row_of("key")
        assert key is not None
        assert key.cells["health"].text == "! warn"
        assert counted in screen
        row = table(pilot, "poller").row_of("recent polls")
        assert row is not None
        assert row.cells["detail"].tones[:5] == (*[Tone.GOOD] * 4, Tone.BAD)
    made.close()


async def test_the_header_says_when_the_next_poll_comes(tmp_path: Path) -> None:
    async with opened(polled(tmp_path)) as pilot:
        await until_shown(pilot, "✓ last poll 3m ago, next in 12m")


async def test_doctor_checks_again_by_itself_and_says_when(tmp_path: Path) -> None:
    made = polled(tmp_path)
    async with opened(made) as pilot:
        await pilot.press("8")
        await until_shown(pilot, "checked 0s ago")
        (tmp_path / "titan.toml").write_text("[jobs.x]\nwrong = 1\n", "utf-8")
        made.clock.advance(20)
        await until_shown(pilot, "checked 20s ago")
        made.clock.advance(10)
        await until_shown(pilot, "✗ fail  titan.toml")
        assert "checked 0s ago" in shown(pilot)
        await pilot.press("1")
        (tmp_path / "titan.toml").unlink()
        await pilot.press("8")
        await until(pilot, lambda: "✗ fail  titan.toml" not in shown(pilot))


def a_view(
    made: LedgerBuilder, age: timedelta, health: PollerHealth | None = None
) -> dict[str, str]:
    """The rows of the poller that long after the builder's time, by their name."""
    now = made.clock.now() + age
    view = PollerView(
        health=health or assess(ledger_status.poller(made.ledger), now),
        polls=poll_history.latest(made.ledger, limit=30),
        interval=ledger_status.median_poll_interval(made.ledger),
        has_open=True,
    )
    return {str(row.key): row.cells["detail"].text for row in poller_rows(view, None, now)}


def test_a_poll_that_runs_has_a_row_beside_the_last_one(tmp_path: Path) -> None:
    made = polled(tmp_path)
    leases.begin_poll(made.ledger)
    rows = a_view(made, timedelta(seconds=1), PollerHealth(state=PollerState.RUNNING))
    made.close()
    assert rows["current poll"].startswith("running  ·  by ")
    assert rows["last poll"].startswith("3m ago  ·  took 0s  ·  by ")
    assert rows["next poll"].startswith("running now")


def test_the_next_poll_is_counted_from_the_end_of_the_last_one(tmp_path: Path) -> None:
    made = polled(tmp_path)
    lease = leases.begin_poll(made.ledger)
    made.clock.advance(800)
    leases.end_poll(made.ledger, lease, {}, None)
    rows = a_view(made, timedelta(seconds=60))
    late = a_view(made, timedelta(minutes=20))
    made.close()
    assert rows["next poll"].startswith("in 14m")
    assert late["next poll"].startswith("due now")


def test_silence_is_no_problem_where_no_batch_is_open(tmp_path: Path) -> None:
    made = polled(tmp_path)
    health = assess(ledger_status.poller(made.ledger), made.clock.now() + timedelta(hours=3))
    made.close()
    assert str(fmt.poller_status(health)) == "! last poll 3h 03m ago (overdue)"
    assert str(fmt.poller_status(health, has_open=False)) == "◦ last poll 3h 03m ago, no batch open"


async def test_l_polls_now_and_says_what_came_of_it(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        bench.submit(3)
        async with console(bench) as pilot:
            await until_shown(pilot, "Open batches 1")
            bench.clock.advance(120)
            await pilot.press("L")
            await until_shown(pilot, "✓ Poll ended")
            await until_shown(pilot, "Ended 1")


async def test_a_console_without_a_runner_or_commands_says_how_to_poll(tmp_path: Path) -> None:
    made = polled(tmp_path)
    async with opened(made) as pilot:
        await pilot.press("L")
        await until_shown(pilot, "Run: titan-console --poll")
    app = TitanApp(tmp_path, made.clock, read_only=True)
    async with app.run_test() as pilot:
        await pilot.press("L")
        assert "titan-console --poll" not in shown(pilot)


def test_the_result_of_a_poll_names_its_counts() -> None:
    line = b'{"code": 0, "out": "{\\"open\\": 2, \\"collected\\": 1, \\"ran\\": true}", "err": ""}'
    assert parse_result(line).done == "2 open batches, 1 collected"
    assert parse_result(b'{"code": 0, "out": "{}", "err": ""}').done == ""


def test_the_access_names_the_variable_and_never_the_key(tmp_path: Path) -> None:
    found = access.of(Settings(home=tmp_path, api_key="sk-ant-secret"))
    assert found == _WITH_KEY
    assert access.of(Settings(home=tmp_path)).problem == _WITHOUT.problem
    assert access.of(Settings(home=tmp_path, auth_token="t")).credential == "ANTHROPIC_AUTH_TOKEN"


_LANES = """
[lanes.team-b]
key = "ANTHROPIC_API_KEY_TEAM_B"
[lanes.team-c]
key = "ANTHROPIC_API_KEY_TEAM_C"
base_url = "https://gateway.example"
[lanes.bad]
kind = "bedrock"
"""


async def test_doctor_has_a_row_for_each_lane(tmp_path: Path) -> None:
    (tmp_path / "titan.toml").write_text(_LANES, "utf-8")
    made = polled(tmp_path)
    key = {"ANTHROPIC_API_KEY_TEAM_C": "sk-ant-secret"}
    settings = Settings(home=tmp_path, api_key="sk-ant-other", variables=key)
    lanes = tuple(lane_checks.accesses(settings))
    app = TitanApp(tmp_path, made.clock, access=replace(access.of(settings), lanes=lanes))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("8")
        await until_shown(pilot, "team-c")
        screen = shown(pilot)
        for text in (
            "✗ fail  lane           team-b: ANTHROPIC_API_KEY_TEAM_B is not set.",
            "✓ ok    lane           team-c: ANTHROPIC_API_KEY_TEAM_C, anthropic at gateway.example",
            "✗ fail  lane           bad: titan.toml line 8: lanes.bad.kind: Amazon Bedrock",
        ):
            assert text in screen, text
        assert "sk-ant" not in screen
        # The console has no key: the checks do not say that each lane lacks one.
        assert screen.count("team-b") == 1
    made.close()


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40)])
async def test_an_empty_home_shows_the_first_steps(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "home").mkdir()
    made = LedgerBuilder(tmp_path)
    home = tmp_path / "home"
    app = TitanApp(home, made.clock, access=_WITHOUT, scheduler=lambda: "systemd")
    async with app.run_test(size=size) as pilot:
        await until_shown(pilot, "No ledger yet")
        screen = shown(pilot)
        for command in (
            "export ANTHROPIC_API_KEY",
            "titan-console schedule --install systemd",
            "titan-console jobs init",
            "titan-console submit requests.jsonl",
            "titan-console demo",
        ):
            assert command in screen, command
        (home / "titan.toml").write_text(A_CATALOGUE, "utf-8")
        await until_shown(pilot, "✓ jobs        2 jobs in titan.toml")
    made.close()


async def test_steps_are_ticked_as_they_are_done_until_the_first_batch(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.poll()
    app = TitanApp(tmp_path, made.clock, access=_WITH_KEY)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app_of(pilot).state.snapshot is not None)
        await until_shown(pilot, "First steps")
        screen = shown(pilot)
        assert "✓ API key     ANTHROPIC_API_KEY is set" in screen
        # One poll by hand is no schedule.
        assert "◦ poller      titan-console schedule --install cron (last poll 0s ago)" in screen
        for _ in range(2):
            made.clock.advance(900)
            made.poll()
        await until_shown(pilot, "✓ poller      last poll 0s ago")
        assert "◦ first batch titan-console submit" in screen
        made.submit("feed-1")
        await until_shown(pilot, "Open batches 1")
        assert "First steps" not in shown(pilot)
    made.close()


def test_without_an_access_of_its_own_a_console_says_nothing_of_the_key() -> None:
    facts = Facts(
        ledger="~/titan.db", has_ledger=False, access=None, last_poll=None, jobs=None, batches=0
    )
    assert [step.name for step in first_steps.steps(facts)] == [
        *("ledger", "poller", "jobs", "first batch")
    ]


async def test_a_ledger_that_is_deleted_while_it_is_shown_is_missed_in_red(tmp_path: Path) -> None:
    async with opened(polled(tmp_path)) as pilot:
        await until_shown(pilot, "Open batches 1")
        delete_ledger(tmp_path)
        await until_shown(pilot, "! LEDGER GONE")
        assert "Open batches 1" in shown(pilot)
