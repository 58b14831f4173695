"""The public views: documented, stable, readable by other tools, and equal to the commands."""

import ast
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from sqlite_utils import Database
from support.console.console_builders import Failure, LedgerBuilder
from support.ledgers.ledger_builders import a_ledger, a_result, store_results
from support.ledgers.older_ledger import as_version

from state.db.reader import Reader
from state.db.schema import VERSION
from state.db.views import REPLACE_VIEWS, VIEWS
from state.queries import error_list, ledger_status

_PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text("utf-8")
_COLUMN = re.compile(r"^\| `(\w+)` \| (text|integer|real) \|", re.MULTILINE)
_STORED = {"text": (str,), "integer": (int,), "real": (float,)}


def documented() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for part in _PAGE.split("\n## ")[1:]:
        yield part.partition("\n")[0], _COLUMN.findall(part)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    made = LedgerBuilder(home)
    made.collected("daily-2026-11-22", ["a-1", "a-2"], [Failure("api_error", "Overloaded")])
    made.collected("daily-2026-11-23", ["b-1"])
    made.close()
    return home


def test_the_page_describes_every_view_and_column(home: Path) -> None:
    page = dict(documented())
    assert page.keys() == VIEWS.keys()
    with closing(sqlite3.connect(home / "titan.db")) as opened:
        for name, columns in page.items():
            cursor = opened.execute(f"SELECT * FROM {name}")  # noqa: S608 - our own names
            assert [column for column, _ in columns] == [item[0] for item in cursor.description]
            for row in cursor:
                for (column, kind), value in zip(columns, row, strict=True):
                    assert value is None or isinstance(value, _STORED[kind]), (name, column, value)


@pytest.mark.parametrize("name", VIEWS)
async def test_sqlite_utils_and_datasette_read_each_view(home: Path, name: str) -> None:
    # Here, since it takes 0.8 s, which each process that collects tests would need.
    from datasette.app import Datasette  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs]

    with closing(sqlite3.connect(f"{(home / 'titan.db').as_uri()}?mode=ro", uri=True)) as opened:
        view = Database(opened)[name]
        rows = list(view.rows)
        assert list(view.columns_dict) == [column for column, _ in dict(documented())[name]]
    served = Datasette([str(home / "titan.db")], settings={"num_sql_threads": 0})
    answer = await served.client.get(f"/titan/{name}.json?_shape=array&_size=max")
    served.get_database("titan").close()
    assert rows
    assert answer.json() == rows


def test_sums_of_the_views_are_the_totals_of_status(home: Path) -> None:
    with Reader(home / "titan.db") as reader:
        totals = ledger_status.totals(reader)
        assert totals.cost_nano > 0
        for view in ("v_attempts", "v_batches", "v_usage_daily"):
            sums = reader.rows(
                f"SELECT sum(cost_nano), sum(sync_cost_nano), sum(cost_usd) FROM {view}"  # noqa: S608 - our own names
            )[0]
            assert (sums[0], sums[1]) == (totals.cost_nano, totals.sync_cost_nano)
            assert sums[2] == pytest.approx(totals.cost_nano / 1e9)


def test_what_is_collected_in_part_is_in_the_attempts_and_in_no_day(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.end(made.accept(made.submit("daily", ["a", "b"])))
    store_results(made.ledger, batch, a_result("a"), results_bytes=9)
    expected = {"v_attempts": 50, "v_batches": 50, "v_usage_daily": None}
    for view, cost_nano in expected.items():
        ((found,),) = made.ledger.rows(f"SELECT sum(cost_nano) FROM {view}")  # noqa: S608 - our own names
        assert found == cost_nano
    assert ledger_status.totals(made.ledger).cost_nano == 0
    store_results(made.ledger, made.batch(batch.key), a_result("b"), results_bytes=18)
    for view in expected:
        assert made.ledger.rows(f"SELECT sum(cost_nano) FROM {view}")[0][0] == 100  # noqa: S608 - our own names
    assert ledger_status.totals(made.ledger).cost_nano == 100
    made.close()


def test_the_errors_are_those_of_the_command(home: Path) -> None:
    with Reader(home / "titan.db") as reader:
        listed = {
            (row.tag, row.custom_id, row.batch_key, row.error_type, row.error_message, row.model)
            for row in error_list.errors(reader)
        }
        assert listed
        rows = reader.rows(
            "SELECT tag, custom_id, batch_id, error_type, error_message, model FROM v_errors"
        )
        assert set(map(tuple, rows)) == listed


def _event_kinds() -> Iterator[str]:
    """The kinds that the calls of `event` name."""
    state = Path(__file__).parents[2] / "state"
    for path in state.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("event"):
                named = [node for argument in call.args for node in ast.walk(argument)]
                for node in named:
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield from [node.value] if node.value else []


def test_the_page_lists_each_kind_of_event() -> None:
    kinds = {
        str(kind) for kind in _event_kinds() if re.fullmatch(r"hold|[a-z]+\.[a-z_]+", str(kind))
    }
    assert len(kinds) > 40
    assert {kind for kind in kinds if f"`{kind}`" not in _PAGE} == set()


def test_a_ledger_of_version_3_gets_the_views(tmp_path: Path) -> None:
    path = tmp_path / "titan.db"
    a_ledger(tmp_path).close()
    as_version(path, 3)
    a_ledger(tmp_path).close()
    with Reader(path) as reader:
        found = reader.rows("SELECT name FROM sqlite_master WHERE type = 'view'")
        assert {row["name"] for row in found} == VIEWS.keys()
    assert path.with_suffix(".v3.bak").exists()


def test_published_views_change_only_by_a_migration() -> None:
    """When this fails: add a step that runs REPLACE_VIEWS, raise VERSION, and state both here."""
    found = sha256(re.sub(r"\s+", " ", REPLACE_VIEWS).encode()).hexdigest()
    assert (VERSION, found[:16]) == (11, "68abf09caf1cb2a1")
