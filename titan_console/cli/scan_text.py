"""The result of `scan` as text and as JSON. Every text of a task is cleaned."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.config.scan_file import Basis
from core.money.pricing import dollars_text, usd
from core.scan.attribution import Attributed, Measured
from core.scan.findings import Finding, Totals, totals
from core.scan.python_change import Change
from core.scan.score import Tier, Verdict
from core.scan.survey import Survey
from core.scan.task import Runner, Source
from core.scan.transcripts import Recorded
from core.text import pluralize
from titan_console.cli.output import echo, print_table
from titan_console.cli.stderr import print_stderr
from titan_console.text import format as cells
from titan_console.text.safe_text import clean, harmless

_TIERS = {
    Tier.FIRST: "move first: the result may wait, and the tokens are known",
    Tier.NEXT: "move next: the rhythm leaves the time, and the tokens are known",
    Tier.LATER: "measure first: the tokens are unknown or few",
}
_NAME_WIDTH, _WORDS_WIDTH, _STEP_WIDTH = 40, 40, 90
_SHOWN_STEPS, _SHOWN_PROBLEMS = 3, 5
_SESSIONS = (
    "An agent session cannot itself be a batch: it needs the result of each tool before it goes on."
    " Its steps that classify, summarize, evaluate or write many texts can: give them to"
    " `titan-console run` or `titan_batch`, and let the session use the answers the next time."
)


def show(
    found: Sequence[Finding], read: Survey, recorded: Recorded, usage: Attributed, *, show_all: bool
) -> None:
    """Print what moves by tier, what stays, and the sums."""
    moving = [one for one in found if one.score.verdict == Verdict.MOVE]
    for tier, title in _TIERS.items():
        _table(f"TIER {tier}", title, [one for one in moving if one.score.tier == tier])
    if any(one.is_session for one in moving):
        echo(f"{_SESSIONS}\n")
        _steps(moving)
    moved = [one for one in found if one.score.verdict == Verdict.MOVED]
    _reasons("MOVED", "in batches already", moved)
    staying = [one for one in found if one.score.verdict == Verdict.STAY]
    quiet = [one for one in staying if one.task.runner == Runner.NO_MODEL]
    shown = staying if show_all else [one for one in staying if one not in quiet]
    _reasons("STAY", "must stay synchronous", shown)
    if quiet and not show_all:
        echo(
            f"{pluralize(len(quiet), 'task')} without a call of a model left out; --all lists them."
        )
    _sums(found, recorded, usage)
    _notes(found, read)


def _table(title: str, about: str, found: Sequence[Finding]) -> None:
    if not found:
        return
    echo(f"{title} · {about}")
    print_table(
        ("TASK", "RUNS", "LATENCY", "EFFORT", "IN/MONTH", "OUT/MONTH", "$/MONTH", "SAVES", "WHY"),
        map(_row, found),
    )
    echo()


def _row(one: Finding) -> Sequence[str]:
    month = one.month
    mark = "~" if month and month.basis == Basis.STATED else ""
    saving = month.saving_nano if month else None
    up_to = "≤" if one.is_session else ""
    return (
        _name(one),
        _rhythm(one),
        one.score.latency or cells.NOTHING,
        one.score.effort or cells.NOTHING,
        f"{mark}{cells.count(month.tokens_in)}" if month else cells.NOTHING,
        f"{mark}{cells.count(month.tokens_out)}" if month else cells.NOTHING,
        cells.NOTHING if month is None else _money(month.cost_nano, mark),
        cells.NOTHING if saving is None else f"{up_to}{mark}{dollars_text(saving)}",
        _why(one),
    )


def _money(nano: int | None, mark: str = "") -> str:
    return "unpriced" if nano is None else f"{mark}{dollars_text(nano)}"


def _name(one: Finding) -> str:
    return clean(one.task.name, _NAME_WIDTH) + (" (skill)" if _is_skill(one) else "")


def _is_skill(one: Finding) -> bool:
    return one.task.source == Source.SKILL


def _rhythm(one: Finding) -> str:
    rhythm = one.task.rhythm
    return clean(rhythm.text, _WORDS_WIDTH) if rhythm else cells.NOTHING


def _why(one: Finding) -> str:
    words = f" ({clean(one.score.words, _WORDS_WIDTH)!r})" if one.score.words else ""
    unsure = "" if one.score.is_sure else " · check this one"
    return f"{one.score.reason}{words}{unsure}"


def _steps(moving: Sequence[Finding]) -> None:
    shown = [one for one in moving if one.score.steps]
    if not shown:
        return
    echo("Steps that can run as a batch:")
    for one in shown:
        for step in one.score.steps[:_SHOWN_STEPS]:
            echo(f"  {clean(one.task.name, _NAME_WIDTH)}: {clean(step, _STEP_WIDTH)}")
    echo()


def _reasons(title: str, about: str, found: Sequence[Finding]) -> None:
    if not found:
        return
    echo(f"{title} · {about}")
    print_table(
        ("TASK", "RUNS", "$/MONTH", "WHY"),
        (
            (
                _name(one),
                _rhythm(one),
                _money(one.month.cost_nano, "~" if one.month.basis == Basis.STATED else "")
                if one.month
                else cells.NOTHING,
                _why(one),
            )
            for one in found
        ),
    )
    echo()


def _sums(found: Sequence[Finding], recorded: Recorded, usage: Attributed) -> None:
    move, stay = totals(found, Verdict.MOVE), totals(found, Verdict.STAY)
    echo(
        f"{pluralize(len(found), 'task')}: {move.tasks:,} can move, {stay.tasks:,} stay."
        f" Can move: {_sum(move)}. Stay: {_sum(stay)}."
    )
    if recorded.files:
        since = f", recorded since {recorded.first_day}" if recorded.first_day else ""
        echo(
            f"Measured: usage of the last {usage.others.days} days in"
            f" {pluralize(recorded.files, 'transcript')} of Claude Code{since}, at synchronous list"
            " prices; a subscription is not billed by token. Input counts each token once;"
            " cache reads of later turns are in the dollars only."
        )
    if usage.others.runs:
        echo(
            f"Other sessions, of no task: {usage.others.runs:,},"
            f" {_others(usage.others)}; people's own sessions stay as they are."
        )
    if move.stated_nano or stay.stated_nano:
        echo("~ is an estimate: tokens of a run that the task itself names, times its runs.")


def _others(others: Measured) -> str:
    unpriced = f" and {others.unpriced:,} unpriced answers" if others.unpriced else ""
    return f"{dollars_text(others.cost_nano)}{unpriced}"


def _sum(total: Totals) -> str:
    parts = [
        f"{dollars_text(total.measured_nano)} a month measured" if total.measured_nano else "",
        f"~{dollars_text(total.stated_nano)} stated" if total.stated_nano else "",
        f"{total.unknown:,} without figures" if total.unknown else "",
    ]
    return ", ".join(part for part in parts if part) or "no tasks"


def _notes(found: Sequence[Finding], read: Survey) -> None:
    for one in found:
        for text in one.score.addressed[:1]:
            print_stderr(
                f"{clean(one.task.name, _NAME_WIDTH)}: its text addresses the scanner; that part"
                f" was not considered: {clean(text, _STEP_WIDTH)!r}"
            )
    unread = [one for one in found if one.score.language is None]
    if unread:
        names = ", ".join(clean(one.task.name, _NAME_WIDTH) for one in unread)
        print_stderr(
            f"Not in English, German, Spanish or French, judged by name and rhythm only: {names}"
        )
    for problem in read.problems[:_SHOWN_PROBLEMS]:
        print_stderr(f"Not read: {clean(problem.path)}: {clean(problem.message)}")
    if (more := len(read.problems) - _SHOWN_PROBLEMS) > 0:
        print_stderr(f"{more:,} more files were not read; --json lists all.")


def show_change(place: str, change: Change) -> None:
    """The proposed change of one script, with what must be changed by hand."""
    echo(f"\n# {clean(place)}: a proposal, not applied")
    echo(harmless(change.diff).rstrip() if change.diff else "# no call could be rewritten")
    for text in change.by_hand:
        echo(f"# by hand: {clean(text)}")


def show_addition(text: str, path: Path, without_schedule: Sequence[str]) -> None:
    """The preview of what is appended to titan.toml, on stderr like the question."""
    if text:
        print_stderr(
            f"Appended to {path}; nothing in it is changed:\n\n{harmless(text).rstrip()}\n"
        )
    else:
        print_stderr(f"{path} has every job that the scan found.")
    if without_schedule:
        names = ", ".join(clean(name, _NAME_WIDTH) for name in without_schedule)
        print_stderr(f"Not added, because they have no schedule: {names}")


def change_report(changes: Mapping[str, Change], added: Sequence[str]) -> dict[str, Any]:
    """The proposed changes, and the names of the jobs added to titan.toml, as JSON."""
    return {
        "changes": [
            {"script": place, "diff": change.diff, "by_hand": change.by_hand}
            for place, change in changes.items()
        ],
        "added": list(added),
    }


def report(
    found: Sequence[Finding], read: Survey, recorded: Recorded, usage: Attributed
) -> dict[str, Any]:
    """All of it as JSON."""
    return {
        "tasks": [_task(one) for one in found],
        "totals": {str(verdict): _totals(totals(found, verdict)) for verdict in Verdict},
        "usage": {
            "days": usage.others.days,
            "transcripts": recorded.files,
            "malformed_lines": recorded.malformed,
            "first_day": recorded.first_day,
            "other_sessions": usage.others.runs,
            "other_sessions_usd": usd(usage.others.cost_nano),
            "other_sessions_unpriced": usage.others.unpriced,
        },
        "problems": [{"path": path, "message": message} for path, message in read.problems],
    }


def _totals(total: Totals) -> dict[str, Any]:
    return {
        "tasks": total.tasks,
        "measured_usd": usd(total.measured_nano),
        "stated_usd": usd(total.stated_nano),
        "without_figures": total.unknown,
    }


def _task(one: Finding) -> dict[str, Any]:
    task, score, month = one.task, one.score, one.month
    return {
        "task": task.name,
        "source": task.source,
        "place": task.place,
        "runner": task.runner,
        "schedule": task.rhythm.text if task.rhythm else None,
        "runs_a_month": task.rhythm.runs_a_month if task.rhythm else None,
        "verdict": score.verdict,
        "tier": score.tier,
        "reason": score.reason,
        "words": score.words or None,
        "latency": score.latency,
        "effort": score.effort,
        "is_sure": score.is_sure,
        "language": score.language or None,
        "steps": score.steps,
        "addressed_to_scanner": score.addressed,
        "basis": month.basis if month else None,
        "tokens_in": month.tokens_in if month else None,
        "tokens_out": month.tokens_out if month else None,
        "cache_read_tokens": month.cache_read if month else None,
        "runs": month.runs if month else None,
        "model": month.model if month else task.model,
        "sync_usd": usd(month.cost_nano) if month else None,
        "saving_usd": usd(month.saving_nano) if month else None,
        "saving_is_upper_bound": one.is_session,
    }
