"""Imports point one way, and what is heavy is loaded only where it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("anthropic", "mcp", "textual", "sqlite_utils", "genai_prices", "httpx2")


def test_imports_point_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "module",
    [
        *("titan_batch", "core.engine", "core.bootstrap", "state.queries.ledger_status"),
        "titan_console.cli.main",
    ],
)
def test_an_import_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_opening_a_ledger_that_exists_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from core.bootstrap import open_engine\n"
        "from core.config.settings import Settings\n"
        f"settings = Settings(home=Path({str(tmp_path)!r}))\n"
        "with open_engine(settings, actor='test') as engine:\n"
        "    assert engine.poll().ran\n"
        f"print([n for n in {HEAVY!r} if n in sys.modules])"
    )
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    )
    assert "anthropic" not in first
    assert second == "[]"


def test_a_batch_is_sent_seen_and_collected_without_the_sdk(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, 'tests')\n"
        "from support.builders import a_bench, a_request\n"
        "from core.intake.options import SubmitOptions\n"
        "from titan_console.sandbox.model.timing import Plan\n"
        f"with a_bench(Path({str(tmp_path)!r}), plan=Plan.instant()) as bench:\n"
        "    engine = bench.new_engine()\n"
        "    engine.submit([a_request('a')], SubmitOptions(tag='t'))\n"
        "    bench.clock.advance(60)\n"
        "    assert engine.poll().collected == 1\n"
        "print('anthropic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
