"""Every screen, tab and dialog of the console, compared with a reviewed snapshot.

`pytest -m "" tests/tui/test_snapshots.py --renew-snapshots` takes what is shown now for right; look
at what has changed in the files before you commit them.
"""

from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import pytest
from support.console.snapshot_scenes import (
    SIZES,
    SceneWalk,
    a_full_ledger,
    a_small_bench,
    every_dialog,
    every_screen,
    every_small_screen,
    every_tab,
    in_utc,
    three_screens,
    walking,
)
from support.console.snapshots import KEPT, Album, difference

Keep = Callable[[Album], None]
# One size runs in every test run.
_SIZES = [size if size == "80x24" else pytest.param(size, marks=pytest.mark.slow) for size in SIZES]


@pytest.fixture
def keep(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Keep:
    """Compare what was seen with what is kept, or keep it."""
    renew = bool(request.config.getoption("--renew-snapshots"))

    def compare(album: Album) -> None:
        other = difference(album, tmp_path_factory.mktemp("other"), renew=renew)
        assert not other, other

    return compare


@pytest.fixture(autouse=True)
def _utc(  # pyright: ignore[reportUnusedFunction]
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[None, None, None]:
    with in_utc(monkeypatch):
        yield


@pytest.mark.parametrize("size", _SIZES)
async def test_every_screen(tmp_path: Path, keep: Keep, size: str) -> None:
    made = a_full_ledger(tmp_path)
    async with walking(f"screens-{size}", made.path, made.clock, SIZES[size]) as walk:
        await every_screen(walk)
    made.close()
    keep(walk.album)


@pytest.mark.parametrize("size", _SIZES)
@pytest.mark.parametrize(
    ("what", "through"),
    [("tabs", every_tab), pytest.param("dialogs", every_dialog, marks=pytest.mark.slow)],
)
async def test_every_tab_and_every_dialog(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keep: Keep,
    what: str,
    through: Callable[[SceneWalk], Awaitable[None]],
    size: str,
) -> None:
    # Records name files: the same ones on each machine.
    monkeypatch.chdir(tmp_path)
    with a_small_bench(Path("titan")) as bench:
        path = bench.folder.ledger
        async with walking(f"{what}-{size}", path, bench.clock, SIZES[size]) as walk:
            await through(walk)
    keep(walk.album)


async def test_in_light_colours(tmp_path: Path, keep: Keep) -> None:
    made = a_full_ledger(tmp_path)
    async with walking("light", made.path, made.clock, (100, 30), "titan-light") as walk:
        await three_screens(walk)
    made.close()
    keep(walk.album)


async def test_without_colours(tmp_path: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    made = a_full_ledger(tmp_path)
    async with walking("no-color", made.path, made.clock, (100, 30)) as walk:
        assert walk.pilot.app.theme == "titan-mono"
        await three_screens(walk)
    made.close()
    keep(walk.album)


async def test_where_there_is_hardly_room(tmp_path: Path, keep: Keep) -> None:
    made = a_full_ledger(tmp_path)
    async with walking("small-30x8", made.path, made.clock, (30, 8)) as walk:
        await every_small_screen(walk)
    made.close()
    keep(walk.album)


def test_no_snapshot_belongs_to_a_removed_screen() -> None:
    kept = {file.stem for file in KEPT.iterdir()}
    walks = {f"{name}-{size}" for name in ("screens", "tabs", "dialogs") for size in SIZES}
    assert kept == walks | {"light", "no-color", "small-30x8"}
