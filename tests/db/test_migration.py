"""A ledger of an earlier version becomes one of the newest with every row, and works."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.builders import Bench, a_bench, a_request
from support.console.console_builders import USAGE, Failure, LedgerBuilder
from support.error_codes import code_is
from support.ledgers.ledger_builders import a_ledger
from support.ledgers.older_ledger import as_version
from support.ledgers.recount import check_totals

from core.requests.payload import Limits, to_line
from state.db.reader import Reader
from state.db.schema import VERSION
from state.model.errors import IllegalTransition, LedgerUnusable
from state.model.usage import Iteration
from state.queries import ledger_status

_MODEL = "claude-haiku-4-5-20251001"
_V1 = (Path(__file__).parent / "ledger_v1.sql").read_text()
_V2 = (Path(__file__).parent / "ledger_v2.sql").read_text()
# What a migrated row has in a column that its version did not have.
_ADDED_IN_2: dict[str, dict[str, object]] = {
    "alerts": {"tries": 0, "not_before_ts": None},
    "batches": {
        "not_found_ts": None,
        "stuck_ts": None,
        "server": None,
        "requeue_canceled": 0,
    },
    "polls": {"error": None},
}
_ADDED_IN_6: dict[str, dict[str, object]] = {
    "submissions": {"reask": 0, "continue_turns": 0, "on_max_tokens": "review"},
    "requests": {"schema_id": None},
    "edits": {"schema_id": None},
    "attempts": {"invalid": None},
}
_ADDED_IN_9: dict[str, dict[str, object]] = {
    "submissions": {"lane": "anthropic"},
    **{table: {"lane": "anthropic"} for table in ("orphans", "holds", "listings")},
}
_ADDED_IN_10: dict[str, dict[str, object]] = {"leases": {"epoch": 0, "lock_id": ""}}
_ADDED_IN_3: dict[str, dict[str, object]] = {
    "batches": {"cache_marks": 0},
    "edits": {"model": None, "at_most_batch_nano": None, "at_most_sync_nano": None},
    "requests": {"model": None},
    "attempts": {
        **dict.fromkeys(("inference_geo", "service_tier", "speed", "iterations"), None),
        "web_searches": 0,
        "fee_nano": 0,
    },
    "daily_totals": {"web_searches": 0, "fee_nano": 0},
}
_ADDED_IN_11: dict[str, dict[str, object]] = {
    "submissions": {"host": ""},
    "hook_runs": {"host": ""},
}
_ADDED_SINCE_3 = (_ADDED_IN_3, _ADDED_IN_6, _ADDED_IN_9, _ADDED_IN_10, _ADDED_IN_11)
# Columns with a share of the reservation in the table that version 3 has no more.
_SHARES_IN_3 = {
    "batches": ("reserved_nano",),
    "requests": ("at_most_batch_nano", "at_most_sync_nano"),
}
_SUMS = (
    *("day", "workflow", "model", "kind", "requests", "succeeded", "errored", "canceled"),
    *("expired", "missing", "input_tokens", "output_tokens", "cache_write_5m_tokens"),
    *("cache_write_1h_tokens", "cache_read_tokens", "web_searches", "fee_nano", "cost_nano"),
    *("sync_cost_nano", "duplicate_nano", "unpriced"),
)
_DROPPED_IN_3 = "budget_reservations"
# Only the words that changed, each in the column where it stands.
_TABLES = {
    "bookings": "budget_reservations",
    "rescues": "fallback_imports",
    "settled_runs": "hook_runs",
    "passes": "polls",
}
_COLUMNS = {
    "twin_of": "duplicate_of",
    "fence_id": "watermark_id",
    "fence_ts": "watermark_ts",
    "next_look_ts": "next_poll_ts",
    "surplus_nano": "duplicate_nano",
    "surplus": "duplicate",
    "live": "active",
    "verb": "action",
    "told_raised_ts": "notified_raised_ts",
    "told_cleared_ts": "notified_cleared_ts",
    "trouble": "problem",
    "began_ts": "started_ts",
}
_VALUES = {
    ("batches", "status"): {
        "intent": "queued",
        "uncertain": "unconfirmed",
        "released": "not_sent",
        "refused": "rejected",
    },
    ("requests", "status"): {"waiting": "queued", "live": "assigned", "given_up": "dismissed"},
    ("commands", "state"): {"taken": "running"},
    ("orphans", "verdict"): {"suspect": "candidate", "ours": "own", "gone": "unresolved"},
    ("leases", "name"): {"pass": "poll"},
}


def write(path: Path, script: str = _V1) -> None:
    with closing(sqlite3.connect(path)) as made:
        made.executescript(script)


def rows(path: Path, table: str) -> list[dict[str, object]]:
    with closing(sqlite3.connect(path)) as opened:
        opened.row_factory = sqlite3.Row
        return [dict(row) for row in opened.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]  # noqa: S608 - our own names


def schema(path: Path) -> dict[tuple[str, str], str]:
    with closing(sqlite3.connect(path)) as opened:
        return {
            (kind, name): sql
            for kind, name, sql in opened.execute("SELECT type, name, sql FROM sqlite_master")
        }


def tables(path: Path) -> Iterator[str]:
    return (
        name
        for kind, name in schema(path)
        if kind == "table" and not name.startswith(("sqlite", "_sqlite"))
    )


def in_new_words(table: str, row: dict[str, object]) -> dict[str, object]:
    return {
        _COLUMNS.get(name, name): _VALUES.get((table, name), {}).get(str(value), value)
        for name, value in row.items()
        if name not in {"rev", "taken_ts"}
    }


@pytest.fixture
def migrated(tmp_path: Path) -> Path:
    write(tmp_path / "titan.db")
    shutil.copy2(tmp_path / "titan.db", tmp_path / "v1.db")
    a_ledger(tmp_path).close()
    return tmp_path


def without_dropped(table: str, old: list[dict[str, object]]) -> list[dict[str, object]]:
    """The one row of the listings had a number."""
    return [{k: v for k, v in row.items() if (table, k) != ("listings", "id")} for row in old]


def without_added(
    table: str, migrated_rows: list[dict[str, object]], *versions: dict[str, dict[str, object]]
) -> list[dict[str, object]]:
    """The rows without the columns that migrations added, whose values are checked."""
    for added in versions:
        for column, value in added.get(table, {}).items():
            assert [row.pop(column) for row in migrated_rows] == [value] * len(migrated_rows)
    for column in _SHARES_IN_3.get(table, ()):
        for row in migrated_rows:
            del row[column]
    if table == "attempts":
        for row in migrated_rows:
            is_unpriced = row["outcome"] == "succeeded" and row["cost_nano"] is None
            assert (row.pop("unpriced") is not None) == is_unpriced
    return migrated_rows


def test_every_row_of_every_table_is_kept(migrated: Path) -> None:
    before, after = migrated / "v1.db", migrated / "titan.db"
    for table in tables(before):
        old = without_dropped(table, [in_new_words(table, row) for row in rows(before, table)])
        assert old, f"{table} is empty in ledger_v1.sql"
        name = _TABLES.get(table, table)
        if name == _DROPPED_IN_3:
            continue
        new = without_added(name, rows(after, name), _ADDED_IN_2, *_ADDED_SINCE_3)
        if table == "batches":
            ends = {row["key"]: row.pop("collection") for row in new}
            was = {row["key"]: row.pop("collection") for row in old}
            changed = {key: ends[key] for key in ends if ends[key] != was[key]}
            assert sorted(map(str, changed.values())) == ["deleted", "results_expired"]
        if table == "events":
            assert {row["kind"] for row in new} >= {
                *("batch.queued", "batch.deleted", "hook.started", "fallback.imported"),
                *("orphan.unresolved", "command.started", "submission.possible_duplicate_charge"),
            }
            for row in (*old, *new):
                del row["kind"], row["detail"]
        assert new == old


def test_every_row_of_version_2_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "titan.db", _V2)
    shutil.copy2(tmp_path / "titan.db", tmp_path / "v2.db")
    a_ledger(tmp_path).close()
    assert rows(tmp_path / "titan.v2.bak", "polls") == rows(tmp_path / "v2.db", "polls")
    for table in tables(tmp_path / "v2.db"):
        old = without_dropped(table, rows(tmp_path / "v2.db", table))
        assert old, f"{table} is empty in ledger_v2.sql"
        if table == _DROPPED_IN_3:
            continue
        new = rows(tmp_path / "titan.db", table)
        assert without_added(table, new, *_ADDED_SINCE_3) == old
    a_ledger(tmp_path / "new").close()
    assert schema(tmp_path / "titan.db") == schema(tmp_path / "new" / "titan.db")


@pytest.mark.parametrize("script", [_V1, _V2])
def test_the_totals_of_batches_are_those_of_their_days(tmp_path: Path, script: str) -> None:
    write(tmp_path / "titan.db", script)
    sums = [name for name in _SUMS if name not in {"day", "workflow", "model", "kind"}]
    added = ", ".join(f"sum(t.{name})" for name in sums)
    with a_ledger(tmp_path) as ledger:
        found = ledger.rows(
            f"SELECT substr(b.collected_ts, 1, 10), b.workflow, t.model, b.kind, {added}"  # noqa: S608 - our own names
            " FROM batch_totals t JOIN batches b ON b.id = t.batch_id GROUP BY 1, 2, 3, 4"
        )
        days = ledger.rows("SELECT * FROM daily_totals ORDER BY 1, 2, 3, 4")
    assert days
    assert [tuple(row) for row in found] == [tuple(row) for row in days]


def fill(made: LedgerBuilder) -> None:
    """Failures, cached answers, a partial collection, a queued batch and an unpriced answer."""
    cached = replace(USAGE, cache_read_tokens=120_000, cache_write_5m_tokens=7, web_searches=1)
    advice = Iteration(type="advisor_message", model="claude-opus-5-5", cache_read_tokens=9)
    for number, usage in enumerate((cached, replace(cached, inference_geo="us"), USAGE)):
        names = [f"{number}{letter}" for letter in "abc"]
        iterated = replace(usage, iterations=(advice,) * number)
        made.collected("t", names, [Failure()], usage=iterated)
        made.clock.advance(86_400)
    made.collected("t", ["d"], cost_nano=None)
    made.submit("t", ["e"])


@pytest.mark.parametrize("version", [3, 4, 5, 6, 7, 8, 9, 10])
def test_a_ledger_of_an_earlier_version_gets_what_was_added(tmp_path: Path, version: int) -> None:
    made = LedgerBuilder(tmp_path)
    fill(made)
    made.close()
    path = tmp_path / "titan.db"
    before = {table: rows(path, table) for table in tables(path)}
    assert len(before["batch_totals"]) == 4
    assert len(before["cache_totals"]) == 4
    expected = schema(path)
    as_version(path, version)
    with pytest.raises(LedgerUnusable, check=code_is("ledger_too_old")):
        Reader(path)
    with a_ledger(tmp_path) as ledger:
        check_totals(ledger, "t")
    assert {table: rows(path, table) for table in tables(path)} == before
    assert schema(path) == expected
    assert rows(tmp_path / f"titan.v{version}.bak", "daily_totals") == before["daily_totals"]


@pytest.mark.parametrize("version", [3, 4, 5, 6, 7, 8, 9, 10])
def test_a_development_ledger_of_these_versions_is_refused(tmp_path: Path, version: int) -> None:
    a_ledger(tmp_path).close()
    as_version(tmp_path / "titan.db", version)
    write(tmp_path / "titan.db", "ALTER TABLE batches ADD COLUMN colour TEXT")
    with pytest.raises(LedgerUnusable, check=code_is("ledger_unknown_schema")):
        a_ledger(tmp_path)


def test_reservations_become_those_of_batches_and_requests(tmp_path: Path) -> None:
    write(tmp_path / "titan.db", _V2)
    with a_ledger(tmp_path) as ledger:
        found = ledger.rows(
            "SELECT s.key, sum(r.at_most_batch_nano), sum(r.at_most_sync_nano), (SELECT"
            " sum(b.reserved_nano) FROM batches b WHERE b.submission_id = s.id), s.request_count"
            " FROM submissions s JOIN requests r ON r.submission_id = s.id"
            " WHERE s.finished_ts IS NULL AND s.id IN (4, 17) GROUP BY s.id"
        )
        assert found
        for _, batch, sync, of_batches, count in found:
            assert batch in {50_000_000 + count, 10_000_000 + count}
            assert sync == 2 * batch
            assert of_batches > 0


def test_the_cost_log_is_written_again_with_the_fees(tmp_path: Path) -> None:
    write(tmp_path / "titan.db", _V2)
    write(tmp_path / "titan.db", "INSERT INTO mirrors VALUES ('batch-cost-log.jsonl', 3, 100)")
    a_ledger(tmp_path).close()
    cost, jobs = rows(tmp_path / "titan.db", "mirrors")
    assert (cost["name"], cost["position"], cost["bytes"]) == ("batch-cost-log.jsonl", 0, 0)
    assert (jobs["name"], jobs["position"]) == ("batch-jobs.jsonl", 3)


def test_events_keep_their_meaning_under_the_new_names(migrated: Path) -> None:
    found = {row["id"]: row for row in rows(migrated / "titan.db", "events")}
    old_keys = {"trouble", "fence", "of"}
    for was in rows(migrated / "v1.db", "events"):
        before = json.loads(str(was["detail"]))
        after = json.loads(str(found[was["id"]]["detail"]))
        assert not old_keys & set(after)
        assert len(after) == len(before)
        assert {k: v for k, v in after.items() if k in before and k != "verdict"} == {
            k: v for k, v in before.items() if k not in {*old_keys, "verdict"}
        }
        if was["kind"] == "orphan.seen":
            new = {"suspect": "candidate"}.get(before["verdict"], before["verdict"])
            assert after["verdict"] == new
    kinds = {str(row["kind"]) for row in found.values()}
    assert not [kind for kind in kinds if "settled" in kind or "rescue" in kind or "twin" in kind]


def test_its_tables_indexes_and_triggers_are_those_of_a_new_ledger(
    migrated: Path, tmp_path: Path
) -> None:
    a_ledger(tmp_path / "new").close()
    assert schema(migrated / "titan.db") == schema(tmp_path / "new" / "titan.db")
    with a_ledger(migrated) as ledger:
        assert ledger.rows("PRAGMA integrity_check")[0][0] == "ok"
        assert ledger.rows("PRAGMA foreign_key_check") == []
        assert ledger.rows("PRAGMA foreign_keys")[0][0] == 1
        with pytest.raises(IllegalTransition), ledger.transaction("x"):
            ledger.execute("UPDATE events SET kind = 'x'")


def test_a_copy_of_the_old_one_is_kept(migrated: Path) -> None:
    assert rows(migrated / "titan.v1.bak", "settled_runs") == rows(
        migrated / "v1.db", "settled_runs"
    )


def write_bodies(bench: Bench) -> None:
    """What every request of the ledger asks, as real lines in the spool."""
    ledger = bench.engine.context.ledger
    bench.folder.spool.mkdir(exist_ok=True)
    with (bench.folder.spool / "requests.jsonl").open("wb") as spool:
        for request_id, custom_id in ledger.rows("SELECT id, custom_id FROM requests"):
            body = to_line(
                a_request(custom_id), position=1, model=_MODEL, betas=(), limits=Limits()
            ).body
            ledger.execute(
                "UPDATE requests SET betas = '', body_offset = ?, body_length = ? WHERE id = ?",
                spool.tell(),
                len(body),
                request_id,
            )
            spool.write(body + b"\n")


@pytest.mark.parametrize("script", [_V1, _V2])
def test_polls_go_on_with_it(tmp_path: Path, script: str) -> None:
    write(tmp_path / "titan.db", script)
    with a_bench(tmp_path) as bench:
        write_bodies(bench)
        ledger = bench.engine.context.ledger
        # The sandbox has another account.
        ledger.execute("UPDATE batches SET account = NULL")
        cost = ledger_status.totals(ledger).cost_nano
        for seconds in (60, 3600, 3600, 90_000):
            bench.poll_after(seconds)
        found = {
            (row["tag"], row["status"])
            for row in ledger.rows("SELECT DISTINCT tag, status FROM batches")
        }
        assert found >= {("intent", "ended"), ("paused", "queued"), ("uncertain", "not_sent")}
        assert ledger_status.totals(ledger).cost_nano > cost


@pytest.mark.parametrize(
    ("script", "change"),
    [
        (_V1, "ALTER TABLE batches ADD COLUMN colour TEXT"),
        (_V1, "ALTER TABLE attempts RENAME COLUMN live TO active"),
        (_V1, "DROP TABLE pauses"),
        (_V2, "ALTER TABLE batches DROP COLUMN stuck_ts"),
    ],
)
def test_a_development_ledger_is_refused_in_one_line_and_left_alone(
    tmp_path: Path, script: str, change: str
) -> None:
    path = tmp_path / "titan.db"
    write(path, script)
    with closing(sqlite3.connect(path)) as other:
        other.execute(change)
    before = path.read_bytes()
    with pytest.raises(LedgerUnusable) as caught:
        a_ledger(tmp_path)
    assert caught.value.code == "ledger_unknown_schema"
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_reader_says_that_a_poll_migrates_it(tmp_path: Path) -> None:
    write(tmp_path / "titan.db")
    with pytest.raises(LedgerUnusable, check=code_is("ledger_too_old")) as caught:
        Reader(tmp_path / "titan.db")
    assert caught.value.code == "ledger_too_old"
    assert VERSION == 11


def test_a_migration_that_fails_leaves_the_old_ledger(tmp_path: Path) -> None:
    path = tmp_path / "titan.db"
    write(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA ignore_check_constraints=ON")
        other.execute("UPDATE requests SET status = 'dreaming' WHERE id = 1")
        other.commit()
    with pytest.raises(LedgerUnusable):
        a_ledger(tmp_path)
    assert len(rows(path, "settled_runs")) == 5
    assert schema(path)["table", "passes"]
