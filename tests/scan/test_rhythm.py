"""How often a task runs: cron, systemd, the Task Scheduler, and words in four languages."""

import pytest
from support.made_home import WINDOWS_TASK

from core.scan import rhythm, schedulers
from core.scan.skill_file import front_matter
from core.scan.stated_tokens import stated_tokens


@pytest.mark.parametrize(
    ("expression", "gap_h", "runs"),
    [
        ("*/15 9-17 * * 1-5", 0.25, 720),
        ("30 6 * * *", 24, 30),
        ("0 3 * * SUN", 168, 4),
        ("0 */6 * * *", 6, 120),
        ("0 9,17 * * *", 8, 60),
        ("0 1,23 * * *", 2, 60),
        ("0 4 1 * *", 720, 1),
        ("0 5 1 */3 *", 2160, 0.333),
        ("15 2 * * 1,4", 72, 8),
        ("@daily", 24, 30),
        ("5/10 * * * *", 1 / 6, 4320),
    ],
)
def test_a_cron_expression_has_its_shortest_gap_and_its_runs(
    expression: str, gap_h: float, runs: float
) -> None:
    found = rhythm.of_cron(expression)
    assert found is not None
    assert (found.gap_h, found.runs_a_month) == (pytest.approx(gap_h), runs)


@pytest.mark.parametrize("text", ["61 * * * *", "a b c d e", "0 0 0 * *", "* * * *", "@often", ""])
def test_what_is_no_cron_expression_has_no_rhythm(text: str) -> None:
    assert rhythm.of_cron(text) is None


def test_at_the_start_of_the_machine_is_no_time() -> None:
    found = rhythm.of_cron("@reboot")
    assert found is not None
    assert (found.gap_h, found.runs_a_month) == (None, 0)


@pytest.mark.parametrize(
    ("text", "gap_h"),
    [
        ("probe-10m", 1 / 6),
        ("audit-every-6h", 6),
        ("revive-watch-1m", 1 / 60),
        ("Every 30 minutes", 0.5),
        ("runs twice a day", 12),
        ("a weekly review of the last 24 hours", 168),
        ("every other day", 48),
        ("on the first of the month", 720),
        ("alle 15 Minuten", 0.25),
        ("Jeden Montag um 7", 168),
        ("vierteljährlich", 2190),
        ("cada 2 horas", 2),
        ("todas las noches", 24),
        ("toutes les 10 minutes", 1 / 6),
        ("chaque trimestre", 2190),
        ("`*/5 * * * *` runs it", 1 / 12),
    ],
)
def test_words_for_a_rhythm_are_read_in_four_languages(text: str, gap_h: float) -> None:
    found = rhythm.in_text(text)
    assert found is not None
    assert found.gap_h == pytest.approx(gap_h)


@pytest.mark.parametrize(
    "text", ["answer within 5 minutes", "the last 24h", "pmf-d7", "300k output"]
)
def test_other_numbers_are_no_rhythm(text: str) -> None:
    assert rhythm.in_text(text) is None


@pytest.mark.parametrize(
    ("text", "gap_h", "runs"),
    [
        ("Mon..Fri *-*-* 06:30:00", 24, 20),
        ("*:0/10", 1 / 6, 4320),
        ("*-*-1 04:00", 720, 1),
        ("*-*-* 00/6:00:00", 6, 120),
        ("*-01,04,07,10-01 05:00:00", 2160, 0.333),
        ("*-*-* 02:30:00 Europe/Berlin", 24, 30),
        ("quarterly", 2160, 0.333),
    ],
)
def test_a_systemd_calendar_is_read(text: str, gap_h: float, runs: float) -> None:
    found = schedulers.of_calendar(text)
    assert found is not None
    assert (found.gap_h, found.runs_a_month) == (pytest.approx(gap_h), runs)


def test_a_timer_takes_its_command_from_its_service() -> None:
    entry = schedulers.timer(
        "mails",
        "[Unit]\nDescription=Sort\n[Timer]\nOnBootSec=1min\nOnUnitActiveSec=1h 30min\n",
        "[Service]\nWorkingDirectory=-/srv/mail\nExecStart=/usr/bin/python3 \\\n  sort.py\n",
    )
    assert entry.rhythm is not None
    assert entry.rhythm.gap_h == 1.5
    assert (entry.command, entry.folder) == ("/usr/bin/python3 sort.py", "/srv/mail")
    only_at_boot = schedulers.timer("x", "[Timer]\nOnBootSec=5\n", "").rhythm
    assert only_at_boot is not None
    assert only_at_boot.gap_h is None


def test_an_exported_windows_task_is_read_with_its_days() -> None:
    (entry,) = schedulers.windows_tasks(WINDOWS_TASK, "x")
    assert (entry.name, entry.command) == ("\\Minutes", "py C:\\jobs\\minutes.py")
    assert entry.rhythm is not None
    assert (entry.rhythm.gap_h, entry.rhythm.runs_a_month) == (24, 8)


@pytest.mark.parametrize(
    "text",
    ["<Task><a>", '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><Task>&b;</Task>'],
)
def test_a_damaged_export_or_one_with_entities_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it "):
        schedulers.windows_tasks(text, "x")


def test_a_crontab_has_comments_percent_signs_variables_and_lines_that_are_none() -> None:
    text = "MAILTO=me\n# Sorts mail\n*/5 * * * * sort \\%d # by age\n\nnonsense\n0 3 * * * root x\n"
    first, second = schedulers.crontab(text)
    assert (first.command, first.description, first.line) == ("sort %d", "Sorts mail by age", 3)
    assert (second.command, second.description) == ("root x", "")
    (*_, of_system) = schedulers.crontab(text, has_user=True)
    assert of_system.command == "x"


def test_front_matter_that_is_no_valid_yaml_is_read() -> None:
    fields, body = front_matter(
        "---\nname: 'a b'\ndescription: |\n  Use when: asked\n\n  at night # now\nbad\n---\nBody"
    )
    assert fields == {"name": "a b", "description": "Use when: asked at night bad"}
    assert body == "Body"
    assert front_matter("no front matter") == ({}, "no front matter")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("25k in / 8k out", (25_000, 8_000)),
        ("~40,000 input tokens and 3,000 output tokens", (40_000, 3_000)),
        ("120k tokens in, 60k tokens out", (120_000, 60_000)),
        ("tokens_in: 25000\ntokens_out: 8000", (25_000, 8_000)),
        ("100k/20k tokens per run", (100_000, 20_000)),
    ],
)
def test_tokens_that_a_task_states_are_read(text: str, tokens: tuple[int, int]) -> None:
    assert stated_tokens(text) == tokens


@pytest.mark.parametrize("text", ["1,200 articles", "12/11/2026 tokens", "0k in / 1k out"])
def test_other_numbers_are_no_tokens(text: str) -> None:
    assert stated_tokens(text) is None
