"""The large ledger of the benchmarks is one of this version."""

import runpy
from pathlib import Path

from support.ledgers.new_ledger import prepare_new_home

from state.db.integrity import damage
from state.db.reader import Reader

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "large_ledger.py"


def test_the_ledger_of_the_benchmarks_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "home" / "titan.db"
    prepare_new_home(path)
    runpy.run_path(str(PROGRAM))["fill"](path, 21_000)
    assert damage(path, thorough=True) is None
    with Reader(path) as reader:
        assert (
            reader.rows("SELECT count(*) FROM v_attempts WHERE outcome = 'succeeded'")[0][0] > 900
        )
