"""Checks of files against the ledger: the same content, complete lines, no repetition."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulation.oracle import Oracle

from state.db.connection import sqlite3
from state.files.folder import Folder
from state.files.results_file import file_name

_RETURNED = (
    "SELECT b.key FROM events e JOIN batches b ON b.id = e.batch_id WHERE e.kind = 'batch.returned'"
)


def file_findings(
    folder: Folder,
    ledger: sqlite3.Connection,
    oracle: Oracle,
    *,
    spool_was_unreadable: bool = False,
) -> Iterator[str]:
    """One line per violation. Errors whose request could not be read then have none."""
    yield from _results(folder, ledger, oracle)
    yield from _jobs_mirror(folder, ledger)
    yield from _errors_mirror(folder, ledger, needs_request=not spool_was_unreadable)
    yield from _cost_mirror(folder, ledger)
    yield from _staging(folder, ledger)


def _results(folder: Folder, ledger: sqlite3.Connection, oracle: Oracle) -> Iterator[str]:
    for batch in ledger.execute("SELECT * FROM batches WHERE collection = 'collected'").fetchall():
        path = folder.results / file_name(batch["key"])
        if _was_lost(ledger, batch):
            continue
        if not path.exists():
            yield f"P5: the results of {batch['key']} are not on disk"
            continue
        content = path.read_bytes()
        if len(content) != batch["results_bytes"]:
            yield f"P5: {path.name} has {len(content)} bytes, not {batch['results_bytes']}"
        yield from _lines_of(ledger, batch, content, oracle)
    for part in folder.results.glob("*.part"):
        yield f"P5: {part.name} was left behind"


def _was_lost(ledger: sqlite3.Connection, batch: sqlite3.Row) -> bool:
    """Whether it is no batch, but holds what a rebuild could not find in any."""
    (found,) = ledger.execute(
        "SELECT count(*) FROM attempts WHERE batch_id = ? AND outcome <> 'missing'", (batch["id"],)
    ).fetchone()
    return batch["remote_id"] is None and "-lost" in batch["key"] and not found


def _lines_of(
    ledger: sqlite3.Connection, batch: sqlite3.Row, content: bytes, oracle: Oracle
) -> Iterator[str]:
    rows = oracle.ours.get(batch["remote_id"], {})
    attempts = ledger.execute(
        "SELECT r.custom_id, a.outcome, a.result_offset, a.result_length FROM attempts a"
        " JOIN requests r ON r.id = a.request_id WHERE a.batch_id = ? AND a.outcome <> 'missing'",
        (batch["id"],),
    ).fetchall()
    for custom_id, _outcome, offset, length in attempts:
        line = content[offset : offset + length]
        if batch["kind"] == "sync":
            if (_decoded(line) or {}).get("custom_id") != custom_id:
                yield f"P5: the line of {custom_id} in {batch['key']} is {line!r:.100}"
            continue
        if custom_id not in rows or _decoded(line) != {
            "custom_id": custom_id,
            "result": rows[custom_id].result,
        }:
            yield f"P5: the line of {custom_id} in {batch['key']} is {line!r:.100}"
    lines = content.count(b"\n")
    returned = set(rows) - {row["custom_id"] for row in attempts}
    if batch["requeue_canceled"]:
        lines -= sum(rows[custom_id].outcome == "canceled" for custom_id in returned)
    if lines != len(attempts):
        yield f"P5: {batch['key']} has {lines} lines for {len(attempts)} results"


def _decoded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _mirror(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines of a mirror, and violations of its format."""
    if not path.exists():
        return [], [f"mirror {path.name} does not exist"]
    content = path.read_bytes()
    findings = [] if not content or content.endswith(b"\n") else [f"{path.name} ends in a line"]
    try:
        return [json.loads(line) for line in content.splitlines()], findings
    except ValueError as error:
        return [], [f"{path.name} has a line that is no JSON: {error}"]


def _jobs_mirror(folder: Folder, ledger: sqlite3.Connection) -> Iterator[str]:
    lines, findings = _mirror(folder.jobs_mirror)
    yield from findings
    last = {line["batch_id"]: line for line in lines}
    for batch in ledger.execute("SELECT * FROM batches").fetchall():
        line = last.pop(batch["key"], None)
        shown = line and (line["status"], line["collection"], line["remote_id"], line["error"])
        if shown != tuple(batch[n] for n in ("status", "collection", "remote_id", "last_error")):
            yield f"mirror: {folder.jobs_mirror.name} ends with {shown} for {batch['key']}"
    for key in last:
        yield f"mirror: {folder.jobs_mirror.name} names {key}, which is no batch"


def _errors_mirror(
    folder: Folder, ledger: sqlite3.Connection, *, needs_request: bool
) -> Iterator[str]:
    lines, findings = _mirror(folder.errors_mirror)
    yield from findings
    shown = Counter((line["batch_id"], line["custom_id"], line["outcome"]) for line in lines)
    expected = Counter(
        (row["key"], row["custom_id"], row["outcome"])
        for row in ledger.execute(
            "SELECT b.key, r.custom_id, a.outcome FROM attempts a"
            " JOIN batches b ON b.id = a.batch_id JOIN requests r ON r.id = a.request_id"
            " WHERE a.outcome <> 'succeeded'"
        ).fetchall()
    )
    # A batch that was written off and came back has lines of both.
    returned = {key for (key,) in ledger.execute(_RETURNED).fetchall()}
    shown = Counter({line: n for line, n in shown.items() if line[0] not in returned})
    expected = Counter({line: n for line, n in expected.items() if line[0] not in returned})
    if shown != expected:
        yield f"mirror: errors are {shown - expected} too many and {expected - shown} too few"
    if needs_request and any(not (line["params"] or {}).get("messages") for line in lines):
        yield "mirror: an error without its request"


def _cost_mirror(folder: Folder, ledger: sqlite3.Connection) -> Iterator[str]:
    lines, findings = _mirror(folder.cost_mirror)
    yield from findings
    shown = Counter(
        (line["tag"], line["model"], line["input_tokens"], line["output_tokens"]) for line in lines
    )
    expected = Counter(
        tuple(row)
        for row in ledger.execute(
            "SELECT b.tag, a.model, sum(input_tokens + cache_write_5m_tokens"
            " + cache_write_1h_tokens + cache_read_tokens), sum(output_tokens) FROM attempts a"
            " JOIN batches b ON b.id = a.batch_id WHERE a.outcome = 'succeeded'"
            " GROUP BY b.id, a.model"
        ).fetchall()
    )
    if shown != expected:
        yield f"mirror: costs are {shown - expected} too many and {expected - shown} too few"
    (saved,) = ledger.execute(
        "SELECT coalesce(sum(sync_cost_nano - cost_nano), 0) FROM attempts"
        " WHERE outcome = 'succeeded'"
    ).fetchone()
    if round(sum(line["batch_savings_usd"] for line in lines) * 1e9) != saved:
        yield f"mirror: savings are not the ledger's {saved}"


def _staging(folder: Folder, ledger: sqlite3.Connection) -> Iterator[str]:
    shown: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.staging.glob("*")):
        if path.suffix == ".part":
            # Left by a kill; the next delivery of the same file replaces it.
            continue
        lines, findings = _mirror(path)
        yield from findings
        for line in lines:
            shown.setdefault(line["custom_id"], []).append(line)
    for custom_id, statuses in _statuses(ledger).items():
        yield from _all_shown_as(custom_id, statuses, shown.pop(custom_id, []))
    for custom_id in shown:
        yield f"P5: staging has {custom_id}, which is no request"


def _statuses(ledger: sqlite3.Connection) -> dict[str, list[str]]:
    """By custom_id. A rebuild does not merge a submission whose tag is lost with one like it."""
    found: dict[str, list[str]] = {}
    for row in ledger.execute("SELECT custom_id, status FROM requests").fetchall():
        found.setdefault(row["custom_id"], []).append(row["status"])
    return found


def _all_shown_as(
    custom_id: str, statuses: list[str], found: list[dict[str, Any]]
) -> Iterator[str]:
    """A failure is shown as it was delivered: it may have been acknowledged since, or a late
    duplicate have failed otherwise.
    """
    succeeded = [line for line in found if line["outcome"] == "succeeded"]
    if (len(found), len(succeeded)) != (len(statuses), statuses.count("succeeded")):
        yield f"P5: staging has {found!r:.100} for {custom_id}, {statuses}"
    elif not all(line["message"] for line in succeeded):
        yield f"P5: staging has no answer for {custom_id}"
