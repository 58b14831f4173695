"""The page of the batches as HTML: no scripts, all text escaped, reloaded each minute. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from html import escape

from core.money.kpis import KpiReport, hours_text
from core.reporting.error_reports import ErrorReport
from core.reporting.json_reports import BatchReport
from state.model.timestamps import from_text
from state.operations.alerts import Alert
from titan_console.text import format as fmt
from titan_console.text.safe_text import clean
from titan_console.web.batches_report import BatchesReport

_TITLES = {
    "batch_share": "Batch share",
    "saved_usd_30d": "Saved (30 d)",
    "turnaround_p50_h": "Turnaround p50",
    "turnaround_p95_h": "Turnaround p95",
    "error_rate": "Error rate",
    "fallbacks_30d": "Synchronous runs",
}
_STYLE = """
:root { color-scheme: light dark; --ink: #2b3138; --dim: #6d757d; --paper: #faf9f6; --line: #dcd9d2;
  --good: #1a7566; --bad: #b0352b; }
@media (prefers-color-scheme: dark) { :root { --ink: #c6cfda; --dim: #8793a1; --paper: #11151b;
  --line: #2a333f; --good: #7fc4b2; --bad: #ef8279; } }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 3rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.25rem; margin: 0; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
p, .dim { color: var(--dim); margin: 0; } .good { color: var(--good); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; } a { color: inherit; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--dim); }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; } td.name { overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; margin: 1.25rem 0; padding: 0; }
.figures div { min-width: 7rem; } .figures b { display: block; font-size: 1.2rem; }
"""
# The names of columns; those of numbers end with a tab.
_OPEN = ("Status", "Workflow", "Tag", "Requests\t", "Age\t", "Deadline\t", "Batch")
_ENDED = (
    *("Workflow", "Tag", "Mode", "Succeeded\t", "Errored\t", "Cost\t", "Saved\t"),
    "Ended ago\t",
)
_ERRORS = ("Error", "Request", "Message", "Tag", "Ended ago\t")
_KPIS = ("KPI", "Value\t", "Target\t", "Status")


def page(found: BatchesReport, name: str, json_path: str) -> str:
    """The whole page. `json_path` is the address of the same as JSON."""
    title = f"Titan Console{f' · {name}' if name else ''}"
    alerts = "".join(f"<p class=bad>! {_text(one.message)}</p>" for one in _heard(found))
    at, failed = found.at, found.status.errors
    listed = len(found.errors)
    of_all = f", the latest {listed:,} of {failed:,}" if failed > listed else ""
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="60">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}: batches</title><style>{_STYLE}</style></head><body>"
        f"<h1>{_text(title)}</h1>"
        f"<p>Read-only, as of {_text(at[:19].replace('T', ' '))} UTC ·"
        f' <a href="{_text(json_path)}">the same as JSON</a></p>{alerts}{_figures(found)}'
        + _table("Open batches", _OPEN, [_open(one, at) for one in found.status.open])
        + _table("Ended", _ENDED, [_ended(one, at, found.replays) for one in found.ended])
        + _table(f"Errors{of_all}", _ERRORS, [_error(one, at) for one in found.errors])
        + _table("KPIs, 30 days", _KPIS, _kpis(found.kpis))
        + "</body></html>\n"
    )


def _heard(found: BatchesReport) -> list[Alert]:
    return [alert for alert in found.status.alerts if not alert.is_silenced(found.at)]


def _figures(found: BatchesReport) -> str:
    status, saved = found.status, found.savings
    figures = (
        ("open", f"{len(status.open):,}"),
        ("queued requests", f"{status.totals.queued:,}"),
        ("errored", f"{status.errors - status.totals.canceled:,}"),
        *((("canceled", f"{canceled:,}"),) if (canceled := status.totals.canceled) else ()),
        ("total spent", _dollars(status.totals.cost_usd)),
        ("saved", _dollars(status.savings_usd)),
        ("saved (30 d)", _dollars(saved.savings_usd)),
        ("projected savings this month", _dollars(saved.month.projected_usd)),
    )
    shown = "".join(f"<div><b>{value}</b>{label}</div>" for label, value in figures)
    return f'<div class="figures">{shown}</div>'


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(_cell("th", column, column) for column in columns)
    lines = "".join(
        "<tr>" + "".join(map(_cell, ["td"] * len(columns), columns, row)) + "</tr>" for row in rows
    )
    body = f'<div class="scroll"><table><tr>{head}</tr>{lines}</table></div>' if lines else ""
    return f"<h2>{_text(title)}</h2>{body or '<p>None.</p>'}"


def _cell(tag: str, column: str, text: str) -> str:
    tone = "good" if text.startswith("✓") else "bad" if text.startswith("✗") else ""
    kind = "number" if column.endswith("\t") else tone
    return f'<{tag} class="{kind}">{_text(text.strip())}</{tag}>'


def _open(batch: BatchReport, at: str) -> tuple[str, ...]:
    return (
        *(batch.status.replace("_", " "), batch.workflow, batch.tag),
        *(f"{batch.request_count:,}", _ago(batch.submitted_ts, at), _left(batch, at)),
        batch.batch_id,
    )


def _ended(batch: BatchReport, at: str, replays: Collection[str]) -> tuple[str, ...]:
    good = batch.counts.succeeded
    mode = fmt.mode(batch.kind, is_replay=batch.batch_id in replays)
    return (
        *(batch.workflow, batch.tag, mode, f"{good:,}", f"{batch.request_count - good:,}"),
        *(_dollars(batch.cost_usd), _dollars(batch.savings_usd), _ago(batch.completed_ts, at)),
    )


def _error(error: ErrorReport, at: str) -> tuple[str, ...]:
    kind = error.error_type or error.outcome
    return kind, error.custom_id, error.error_message or "", error.tag, _ago(error.ended_ts, at)


def _kpis(found: Mapping[str, KpiReport]) -> list[tuple[str, ...]]:
    verdicts = {True: "✓ met", False: "✗ missed", None: fmt.NOTHING}
    return [
        (
            _TITLES.get(name, name),
            *(_value(name, kpi.value), _value(name, kpi.target), verdicts[kpi.ok]),
        )
        for name, kpi in found.items()
    ]


def _ago(timestamp: str | None, at: str) -> str:
    return fmt.since(timestamp, from_text(at))


def _left(batch: BatchReport, at: str) -> str:
    if not batch.deadline_ts:
        return fmt.NOTHING
    left = from_text(batch.deadline_ts) - from_text(at)
    return f"in {fmt.span(left)}" if left > timedelta(0) else f"late {fmt.span(-left)}"


def _value(name: str, value: float | None) -> str:
    if value is None:
        return fmt.NOTHING
    if name.endswith("_h"):
        return hours_text(value)
    if "usd" in name:
        return _dollars(value)
    return f"{value:.0f}" if name.startswith("fallbacks") else f"{value:.1%}"


def _dollars(value: float | None) -> str:
    if value is None:
        return fmt.NOTHING
    return fmt.money(round(value * 10**9))


def _text(text: object) -> str:
    return escape(clean(text), quote=True)
