"""The large ledger of the benchmarks is one of this version."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from support.ledgers.new_ledger import prepare_new_home

from state.db.integrity import damage
from state.db.reader import Reader

SCENARIO = "import sys; from pathlib import Path; import scenarios; \
print(*scenarios.large_ledger(Path(sys.argv[1]), 21_000), sep='\\n')"
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


@pytest.mark.slow
def test_the_reports_over_it_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = (PROGRAM.parent, PROGRAM.parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, paths)))
    done = subprocess.run(
        [sys.executable, "-c", SCENARIO, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("time added by 21,000 attempts") == 5
