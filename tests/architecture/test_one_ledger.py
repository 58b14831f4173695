"""Every command opens the ledger that the settings name: a second one would send work twice."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
# These are of a ledger in a file, or of files only.
_OF_A_FILE = {
    "core/recovery/restore.py",
    "core/bootstrap.py",
    "titan_console/cli/commands/rebuild.py",
    "titan_console/demo/history.py",
}
_OF_ANOTHER_HOME = {
    "core/config/ledger_address.py",
    "core/config/settings.py",
    "core/delivery/hook_runner_main.py",
    "titan_console/cli/commands/schedule.py",
    "titan_console/schedule/installers.py",
    "titan_console/cli/demo_summary.py",
    "titan_console/demo/history.py",
    "titan_console/demo/live.py",
    "titan_console/demo/play.py",
    "titan_console/session/export_files.py",
    "titan_console/tui/app.py",
}


def _files_with(pattern: str) -> set[str]:
    return {
        path.relative_to(_ROOT).as_posix()
        for room in ("core", "titan_batch", "titan_console")
        for path in (_ROOT / room).rglob("*.py")
        if re.search(pattern, path.read_text("utf-8"))
    }


def test_the_ledger_is_opened_in_one_place() -> None:
    assert _files_with(r"(?<![\w.])(Reader|Ledger|PostgresReader|PostgresLedger)\(") == _OF_A_FILE


def test_the_settings_say_where_it_is() -> None:
    assert _files_with(r"(?<![\w.])Folder\(") == _OF_ANOTHER_HOME
