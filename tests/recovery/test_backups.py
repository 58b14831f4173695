"""A backup a day: whole, durable, bounded, and never at the cost of the disk or of the poll."""

import os
import re
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench
from support.lifecycle import check_once, poll_until_done
from support.processes.terminal import Terminal

from state.db.connection import sqlite3
from state.recovery import backups

_DAY_S = 86_400


def _names(bench: Bench) -> list[str]:
    return sorted(path.name for path in bench.folder.backups.iterdir())


def _configure(bench: Bench, **settings: int) -> None:
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (bench.folder.root / "titan.toml").write_text(f"[backup]\n{lines}")


def test_the_first_poll_of_a_day_makes_one_and_the_next_do_not(bench: Bench) -> None:
    bench.submit(3)
    assert bench.engine.poll().problems == []
    (path,) = bench.folder.backups.iterdir()
    assert (path.name, path.stat().st_mode & 0o077) == ("titan-2026-11-22.db", 0)
    first = path.stat()
    poll_until_done(bench)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    with closing(sqlite3.connect(path)) as copy:
        assert copy.execute("SELECT count(*) FROM requests").fetchone() == (3,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert _names(bench) == ["titan-2026-11-22.db"]


def test_seven_are_kept_and_the_oldest_go(bench: Bench) -> None:
    for _ in range(10):
        bench.poll_after(_DAY_S)
    assert _names(bench) == [f"titan-2026-{day}.db" for day in (
        "11-26", "11-27", "11-28", "11-29", "11-30", "12-01", "12-02")]  # fmt: skip


def test_the_number_is_a_setting(bench: Bench) -> None:
    _configure(bench, keep_days=2)
    for _ in range(4):
        bench.poll_after(_DAY_S)
    assert _names(bench) == ["titan-2026-11-25.db", "titan-2026-11-26.db"]


def test_their_size_together_is_a_setting(bench: Bench) -> None:
    _configure(bench, max_mb=1)
    bench.submit(800)
    sizes = list[int]()
    for _ in range(5):
        bench.poll_after(_DAY_S)
        sizes.append(sum(path.stat().st_size for path in bench.folder.backups.iterdir()))
    assert max(sizes) <= 1_000_000 < max(sizes) + sizes[0]
    assert "titan-2026-11-27.db" in _names(bench)


def test_none_is_made_when_it_is_switched_off(bench: Bench) -> None:
    _configure(bench, keep_days=0)
    assert bench.engine.poll().problems == []
    assert not bench.folder.backups.exists()


def test_it_never_fills_the_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def free(_folder: object) -> int:
        return 5_555_000_000

    monkeypatch.setattr(backups, "free_bytes", free)
    _configure(bench, min_free_mb=99_999)
    bench.submit(2)
    for _ in range(2):
        (problem,) = bench.engine.poll().problems
        assert "No backup was made today" in problem
        assert "Free some space" in problem
        assert not re.search(r"\b0 MB", problem)
    assert not bench.folder.backups.exists()
    poll_until_done(bench)
    check_once(bench, 2)


def test_a_ledger_over_the_bound_is_said_and_the_old_backups_stay(bench: Bench) -> None:
    bench.engine.poll()
    _configure(bench, max_mb=1)
    bench.submit(6000)
    (problem,) = bench.poll_after(_DAY_S).problems
    assert "max_mb = 1" in problem
    assert _names(bench) == ["titan-2026-11-22.db"]


def _file_in_the_way(bench: Bench) -> None:
    bench.folder.backups.write_text("a file")


def _folder_in_the_way(bench: Bench) -> None:
    bench.folder.backups.mkdir()
    (bench.folder.backups / "x.part").mkdir()


@pytest.mark.parametrize("obstacle", [_file_in_the_way, _folder_in_the_way])
def test_a_backup_that_fails_stops_nothing_else(
    bench: Bench, obstacle: Callable[[Bench], None]
) -> None:
    obstacle(bench)
    bench.submit(2)
    (problem,) = bench.engine.poll().problems
    assert problem.startswith("No backup was made today: ")
    poll_until_done(bench)
    check_once(bench, 2)


def _empty_file(path: Path) -> None:
    path.touch()


def _link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("obstacle", [_empty_file, _link_to_nothing])
def test_what_is_no_backup_is_replaced_by_one(
    bench: Bench, obstacle: Callable[[Path], None]
) -> None:
    bench.folder.backups.mkdir()
    obstacle(bench.folder.backup_of("2026-11-22"))
    obstacle(bench.folder.backup_of("2026-11-01"))
    assert bench.engine.poll().problems == []
    assert [backup.path.name for backup in backups.listed(bench.folder)] == ["titan-2026-11-22.db"]


def test_a_folder_in_place_of_the_backup_is_a_problem(bench: Bench) -> None:
    bench.folder.backup_of("2026-11-22").mkdir(parents=True)
    (problem,) = bench.engine.poll().problems
    assert problem.startswith("No backup was made today: ")


def test_a_damaged_ledger_is_not_copied_over_a_good_backup(bench: Bench) -> None:
    bench.submit(40)
    bench.engine.poll()
    connection = bench.engine.context.ledger.connection
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (page,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'alerts'"
    ).fetchone()
    bench.close()
    with bench.folder.ledger.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    bench.engine = bench.new_engine("after")
    with pytest.raises(Exception, match=r"damaged|malformed"):
        backups.write(bench.engine.context.ledger, bench.folder.backup_of("2026-11-23"))
    assert _names(bench) == ["titan-2026-11-22.db"]


class Killed(BaseException):
    """A kill at a crash point."""


@pytest.mark.parametrize("point", ["backup:copied", "backup:fsync", "backup:rename"])
def test_a_kill_leaves_no_half_backup(bench: Bench, point: str) -> None:
    bench.submit(3)
    ledger = bench.engine.context.ledger

    def kill(name: str) -> None:
        if name == point:
            raise Killed

    ledger.crash_point = kill
    with pytest.raises(Killed):
        bench.engine.poll()
    bench.close()
    bench.engine = bench.new_engine("after")
    bench.poll_after(timedelta(hours=1).total_seconds())
    assert _names(bench) == ["titan-2026-11-22.db"]
    with closing(sqlite3.connect(bench.folder.backup_of("2026-11-22"))) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_doctor_shows_the_age(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home", api_key=None)
    terminal.run("--poll")
    lines = terminal.run("doctor").out.splitlines()
    (line,) = [line for line in lines if "titan-2" in line]
    assert "ago" in line
    assert "1 kept" in line


_REPLACED = [f"titan.202611{day:02}T101010{end}" for day in range(1, 11) for end in (
    ".replaced", "-2.damaged")]  # fmt: skip


def _keep_copies(bench: Bench, size: int = 100) -> None:
    """Copies of replaced ledgers, oldest first, each with its write-ahead log."""
    for number, name in enumerate(_REPLACED):
        for side, octets in (("", size), ("-wal", 10)):
            path = bench.folder.root / f"{name}{side}"
            path.write_bytes(b"x" * octets)
            os.utime(path, (number, number))


def _copies(bench: Bench) -> list[str]:
    return sorted(path.name for path in bench.folder.root.glob("titan.2*"))


@pytest.mark.parametrize(
    ("settings", "stay"), [({}, 7), ({"keep_days": 3}, 3), ({"keep_days": 0}, 7)]
)
def test_of_the_replaced_ledgers_as_many_stay(
    bench: Bench, settings: dict[str, int], stay: int
) -> None:
    _configure(bench, **settings)
    _keep_copies(bench)
    of_the_user = bench.folder.root / "titan.mine.bak"
    of_the_user.write_bytes(b"x")
    assert bench.engine.poll().problems == []
    assert _copies(bench) == sorted(
        f"{name}{side}" for name in _REPLACED[-stay:] for side in ("", "-wal")
    )
    assert of_the_user.exists()


@pytest.mark.parametrize(("size", "stay"), [(400_000, 2), (2_000_000, 1)])
def test_of_the_replaced_ledgers_as_many_stay_as_their_size_allows_and_the_newest(
    bench: Bench, size: int, stay: int
) -> None:
    _configure(bench, max_mb=1)
    _keep_copies(bench, size)
    assert bench.engine.poll().problems == []
    assert _copies(bench) == sorted(
        f"{name}{side}" for name in _REPLACED[-stay:] for side in ("", "-wal")
    )


def test_the_newest_replaced_ledger_is_the_one_written_last_and_not_the_one_checkpointed_last(
    bench: Bench,
) -> None:
    _configure(bench, keep_days=1)
    _keep_copies(bench)
    os.utime(bench.folder.root / f"{_REPLACED[0]}-wal", (99, 99))
    assert bench.engine.poll().problems == []
    assert _copies(bench) == [_REPLACED[0], f"{_REPLACED[0]}-wal"]


def test_without_a_backup_today_no_replaced_ledger_goes(bench: Bench) -> None:
    _configure(bench, min_free_mb=9_999_999)
    _keep_copies(bench)
    assert "No backup was made today" in bench.engine.poll().problems[0]
    assert len(_copies(bench)) == 2 * len(_REPLACED)
