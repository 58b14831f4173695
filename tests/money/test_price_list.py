"""Prices that were looked up are kept on disk; they are those of the installed package."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from core.config.money_settings import Rates
from core.money.price_list import PriceList
from state.files.package_cache import PackageCache

AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
MODEL = "claude-opus-5"
NAMES = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
KEY = f"{MODEL} 2026-11-22 0"
ZERO = dict.fromkeys(NAMES, 0)
Harm = Callable[[Path], None]


def price_list(path: Path, data: str = "data.py") -> PriceList:
    return PriceList(PackageCache(path, "genai_prices", data=data))


def rates(path: Path, model: str = MODEL) -> Rates | None:
    return price_list(path).rates(model, 0, AT, fast=False)


def keep(path: Path, kept: object) -> None:
    """Another content, of the same build."""
    head = path.read_bytes().partition(b"\n")[0]
    path.write_bytes(head + b"\n" + msgspec.json.encode(kept))


def test_a_kept_price_is_read_without_the_package(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    expected = rates(path)
    assert expected == PriceList().rates(MODEL, 0, AT, fast=False)
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from pathlib import Path\n"
        "from money.test_price_list import rates\n"
        f"print(rates(Path({str(path)!r})), 'genai_prices' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{expected} False"
    assert list(tmp_path.iterdir()) == [path]
    # Another build of the package has another data file.
    assert price_list(path, "types.py").rates(MODEL, 0, AT, fast=False) == expected
    assert path.read_bytes().count(b"\n") == 1


def test_the_modes_days_and_steps_of_a_model_are_kept_apart(tmp_path: Path) -> None:
    found = price_list(tmp_path / "prices.json")
    later = datetime(2026, 11, 23, tzinfo=UTC)
    calls = [(0, AT, True), (0, AT, False), (2, AT, False), (0, later, False)]
    first = [found.rates(MODEL, step, at, fast=fast) for step, at, fast in calls]
    again = price_list(tmp_path / "prices.json")
    assert [again.rates(MODEL, step, at, fast=fast) for step, at, fast in calls] == first
    assert first[0] != first[1]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\x00")


def of_other_values(path: Path) -> None:
    keep(path, {"1": {KEY: {"input": "free"}}})


def of_another_version(path: Path) -> None:
    keep(path, {"0": {KEY: ZERO}})


def of_another_build(path: Path) -> None:
    path.write_bytes(b"9 9\n" + msgspec.json.encode({"1": {KEY: ZERO}}))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARMS = (cut, no_text, of_other_values, of_another_version, of_another_build, a_folder)


@pytest.mark.parametrize("harm", HARMS)
def test_a_file_that_is_damaged_or_of_another_build_is_not_used(tmp_path: Path, harm: Harm) -> None:
    path = tmp_path / "prices.json"
    expected = rates(path)
    keep(path, {"1": {KEY: ZERO}})
    assert rates(path) != expected
    harm(path)
    assert rates(path) == expected


def test_without_its_folder_nothing_is_kept(tmp_path: Path) -> None:
    assert rates(tmp_path / "none" / "prices.json")
    assert not (tmp_path / "none").exists()


def test_an_unknown_model_is_not_kept(tmp_path: Path) -> None:
    assert rates(tmp_path / "prices.json", "gpt-9") is None
    assert not list(tmp_path.iterdir())
