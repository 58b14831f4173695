"""The rows of the Savings screen and the pages behind it. Pure."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from core.reporting.savings import Savings
from core.text import pluralize
from state.queries.spending import AnswerSum, BatchSum, Spending, SumFilter
from state.queries.unpriced import reasons_text
from titan_console.text import format as fmt
from titan_console.text import links
from titan_console.text.charts import Bars
from titan_console.text.format import Tone
from titan_console.tui.widgets.row_drawing import Cell, Column, Row

FIGURE_COLUMNS = (
    Column("figure", "Metric", 20, 0),
    Column("value", "Value", 10, 1, right=True),
    Column("target", "Target", 9, 3, right=True),
    Column("verdict", "Status", 11, 2),
    Column("remark", "Details", 20, 4, grow=4),
)
_MONEY = (
    Column("attempts", "Attempts", 9, 4, right=True),
    Column("tokens", "Tokens in/out", 17, 6, right=True),
    Column("sync", "Sync price", 10, 5, right=True),
    Column("cost", "Cost", 10, 2, right=True),
    Column("saved", "Saved", 10, 1, right=True),
    Column("duplicate", "Duplicate", 10, 3, right=True),
)
BATCH_COLUMNS = (
    Column("tag", "Tag", 16, 0, grow=4, widest=40, keeps_end=True),
    Column("key", "Batch", 14, 6, grow=1, widest=24),
    Column("mode", "Mode", 6, 7),
    *(column for column in _MONEY if column.key != "tokens"),
    Column("collected", "Collected", 9, 8, right=True),
)
ANSWER_COLUMNS = (
    Column("request", "Request", 18, 0, grow=4, widest=64, keeps_end=True),
    Column("outcome", "Outcome", 12, 4),
    Column("model", "Model", 17, 7, grow=1, widest=28),
    *(column for column in _MONEY if column.key not in ("attempts", "duplicate")),
    Column("duplicate", "Duplicate", 10, 3, right=True),
)


def group_columns(by: str) -> tuple[Column, ...]:
    """The columns of the sums by workflow, model or day."""
    return (Column("name", by.capitalize(), 16, 0, grow=4, widest=48), *_MONEY)


def figure_rows(found: Savings) -> list[Row]:
    """The metrics, their targets and whether they are met."""
    return [_saved(found), _month(found), _cache(found), _duplicate(found), _unpriced(found)]


def filter_of_figure(found: Savings, key: str) -> SumFilter:
    """The answers behind a metric."""
    if key == "month":
        return SumFilter("all", "", found.month_day)
    return SumFilter(key, "", found.since_day)


def _saved(found: Savings) -> Row:
    target = found.month.target_nano
    sync = fmt.sum_of_money(found.sync_cost_nano, found.unpriced)
    if found.fee_nano:
        sync += f", of which {fmt.money(found.fee_nano)} fees"
    return _figure(
        "all",
        "saved (30 d)",
        fmt.sum_of_money(found.saved_nano, found.unpriced),
        remark=f"Sync price: {sync}; since {found.since_day} (UTC)",
        target=target,
        ok=found.saved_nano >= target if found.by["day"] else None,
    )


def _month(found: Savings) -> Row:
    ahead = found.month
    if ahead.projected_nano is None or ahead.pace_nano is None:
        return _figure(
            "month",
            "saved this month",
            fmt.money(ahead.saved_nano),
            remark="projected after a full day with answers",
            target=ahead.target_nano,
        )
    days = pluralize(ahead.full_days, "full day")
    return _figure(
        "month",
        "projected this month",
        fmt.money(ahead.projected_nano),
        remark=f"{fmt.money(ahead.saved_nano)} so far + {pluralize(ahead.days_left, 'day')} x"
        f" {fmt.money(ahead.pace_nano)} (mean of {days})"
        if ahead.days_left
        else "this is the last day of the month (UTC)",
        target=ahead.target_nano,
        ok=ahead.ok,
        labels=("on track", "missed"),
    )


def _cache(found: Savings) -> Row:
    cache = found.cache
    if not cache.read_tokens + cache.written_tokens:
        return _figure("cached", "cache effect", fmt.NOTHING, remark="no prompt caching used")
    left_out = f"; {fmt.count(cache.unpriced)} unpriced left out" if cache.unpriced else ""
    return _figure(
        "cached",
        "cache effect",
        fmt.money(cache.nano),
        remark=f"compared with no caching: {fmt.count(cache.read_tokens)} tokens read,"
        f" {fmt.count(cache.written_tokens)} written{left_out}",
        tone=Tone.GOOD if cache.nano > 0 else Tone.WARN,
    )


def _duplicate(found: Savings) -> Row:
    spent = found.duplicate_nano
    return _figure(
        "duplicate",
        "duplicate charges",
        fmt.money(spent) if spent else fmt.NOTHING,
        remark="second answers to requests already answered" if spent else "none",
        tone=Tone.WARN if spent else Tone.DIM,
    )


def _unpriced(found: Savings) -> Row:
    number = found.unpriced
    return _figure(
        "unpriced",
        "unpriced answers",
        fmt.count(number) if number else fmt.NOTHING,
        remark=f"{reasons_text(found.unpriced_reasons)}; not in the sums" if number else "none",
        tone=Tone.WARN if number else Tone.DIM,
    )


def _figure(
    key: str,
    name: str,
    value: str,
    *,
    remark: str,
    target: int | None = None,
    ok: bool | None = None,
    labels: tuple[str, str] = ("met", "missed"),
    tone: Tone = Tone.PLAIN,
) -> Row:
    label = target_label(ok, labels) if target is not None else None
    return Row(
        key=key,
        cells={
            "figure": Cell(name),
            "value": Cell(value, label.tone if label and ok is not None else tone),
            "target": Cell(f"≥ {fmt.money(target)}" if target is not None else "", Tone.DIM),
            "verdict": Cell(str(label) if label else "", label.tone if label else Tone.DIM),
            "remark": Cell(remark, Tone.DIM),
        },
        about=f"{name}: {value}  ·  {remark}",
    )


def target_label(ok: bool | None, labels: tuple[str, str] = ("met", "missed")) -> fmt.Label:
    """Whether a target is met, as a label."""
    if ok is None:
        return fmt.Label("-", "no data", Tone.DIM)
    met, missed = labels
    return fmt.Label("✓", met, Tone.GOOD) if ok else fmt.Label("✗", missed, Tone.BAD)


def groups_title(by: str, next_by: str, *, is_month: bool) -> str:
    """What is summed over which days, and the keys that change it."""
    period, other = "this month (UTC)", "30 days"
    if not is_month:
        period, other = other, "this month"
    return f"By {by}, {period} · b: group by {next_by} · m: {other}"


def group_rows(rows: Sequence[Spending], by: str) -> list[Row]:
    """One row per workflow, model or day; days newest first."""
    ordered = list(reversed(rows)) if by == "day" else rows
    return [
        Row(
            key=row.name,
            cells={
                "name": Cell(row.name),
                **_money(
                    attempts=fmt.count(row.attempts),
                    tokens=_tokens(row.tokens_in, row.tokens_out),
                    sync=row.sync_cost_nano,
                    cost=row.cost_nano,
                    duplicate=row.duplicate_nano,
                    unpriced=row.unpriced,
                ),
            },
            about=f"{row.name}  ·  {fmt.count(row.succeeded)} succeeded,"
            f" {fmt.count(row.errored)} errored"
            + (f", {fmt.count(row.canceled)} canceled" if row.canceled else "")
            + (f", {fmt.count(row.lost)} expired or missing" if row.lost else "")
            + (f"  ·  fees {fmt.money(row.fee_nano)} of the cost" if row.fee_nano else ""),
        )
        for row in ordered
    ]


def batch_rows(batches: Sequence[BatchSum], replays: Collection[int], now: datetime) -> list[Row]:
    """The batches behind a sum; `replays` are the ids of those that are replays."""
    return [
        Row(
            key=row.key,
            cells={
                "tag": Cell(row.tag),
                "key": Cell(row.key, Tone.DIM),
                "mode": Cell(fmt.mode(row.kind, is_replay=row.id in replays), Tone.DIM),
                **_money(
                    attempts=fmt.count(row.attempts),
                    sync=row.sync_cost_nano,
                    cost=row.cost_nano,
                    duplicate=row.duplicate_nano,
                    unpriced=row.unpriced,
                ),
                "collected": Cell(fmt.since(row.collected_ts, now)),
            },
            about=f"{row.tag}  ·  {row.workflow}  ·  {_models(row.models)}  ·  {row.key}",
        )
        for row in batches
    ]


def _models(names: Sequence[str]) -> str:
    listed = ", ".join(names)
    return listed if len(names) == 1 else f"{pluralize(len(names), 'model')}: {listed}"


def batches_title(batches: Sequence[BatchSum]) -> str:
    """Their number and totals."""
    unpriced = sum(row.unpriced for row in batches)
    cost = fmt.sum_of_money(sum(row.cost_nano for row in batches), unpriced)
    saved = fmt.sum_of_money(sum(row.savings_nano for row in batches), unpriced)
    attempts = fmt.count(sum(row.attempts for row in batches))
    number = pluralize(len(batches), "batch", "batches")
    return f"{number} · {attempts} attempts · cost {cost} · saved {saved}"


def answer_rows(answers: Sequence[AnswerSum]) -> list[Row]:
    """The answers of one batch in a sum; Enter opens the request."""
    return [_answer_row(row) for row in answers]


def _answer_row(row: AnswerSum) -> Row:
    label = fmt.outcome(row.outcome)
    unpriced = row.cost_nano is None or row.sync_cost_nano is None
    cost, sync = row.cost_nano or 0, row.sync_cost_nano or 0
    return Row(
        key=row.request_id,
        cells={
            "request": Cell(row.custom_id),
            "outcome": Cell(str(label), label.tone),
            "model": Cell(row.model, Tone.DIM),
            **_money(
                tokens=_tokens(row.tokens_in, row.tokens_out),
                sync=sync,
                cost=cost,
                duplicate=cost if row.is_duplicate else 0,
                unpriced=int(unpriced),
            ),
        },
        about=f"{row.tag} / {row.custom_id}  ·  {label}  ·  {row.model}",
        link=links.to_request(row.tag, row.custom_id),
    )


def _money(
    *, sync: int, cost: int, duplicate: int, unpriced: int, attempts: str = "", tokens: str = ""
) -> dict[str, Cell]:
    saved = sync - cost
    tone = Tone.GOOD if saved > 0 else Tone.WARN if saved < 0 else Tone.DIM
    return {
        "attempts": Cell(attempts),
        "tokens": Cell(tokens, Tone.DIM),
        "sync": Cell(fmt.sum_of_money(sync, unpriced), Tone.DIM),
        "cost": Cell(fmt.sum_of_money(cost, unpriced)),
        "saved": Cell(fmt.sum_of_money(saved, unpriced), tone),
        "duplicate": Cell(
            fmt.money(duplicate) if duplicate else fmt.NOTHING, Tone.WARN if duplicate else Tone.DIM
        ),
    }


def _tokens(tokens_in: int, tokens_out: int) -> str:
    return f"{tokens_in:,}/{tokens_out:,}"


def day_bars(found: Savings) -> Bars:
    """Dollars saved on each of 30 days, with a thirtieth of the month's target."""
    saved = {row.name: row.savings_nano / 1e9 for row in found.by["day"]}
    first = min(saved, default="")
    days = found.days()
    return Bars(
        values=[saved.get(day, 0.0) if first and day >= first else saved.get(day) for day in days],
        format_value=lambda dollars: f"${dollars:,.2f}",
        target=found.month.target_nano / 1e9 / len(days),
        target_of="a day",
        missed=Tone.BUSY,
        first=_short(days[0]),
        last="today (UTC)",
    )


def _short(day: str) -> str:
    moment = date.fromisoformat(day)
    return f"{moment:%b} {moment.day}"
