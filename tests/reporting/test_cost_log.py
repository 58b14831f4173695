"""The cost log against the ledger: equal as written, and an edit by hand is said."""

from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.error_codes import code_is

from core.errors import InputError
from core.reporting.cost_log import check


def worked(bench: Bench) -> Path:
    for tag in ("a", "b"):
        bench.submit(2, tag=tag)
        bench.poll_after(600)
    return bench.folder.cost_mirror


def test_the_written_log_equals_the_ledger(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        path = worked(bench)
        found = check(bench.engine.context.ledger, path)
    assert found.is_same
    assert found.agreeing == 2


def test_an_edit_by_hand_is_named_line_by_line(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        path = worked(bench)
        text = path.read_text("utf-8").replace('"tag": "b"', '"tag": "c"')
        path.write_text(text, "utf-8")
        found = check(bench.engine.context.ledger, path)
        assert ('"tag": "c"' in found.only_in_log[0], found.agreeing) == (True, 1)
        assert '"tag": "b"' in found.only_in_ledger[0]
        path.write_text(text.splitlines()[0] + "\n", "utf-8")
        assert len(check(bench.engine.context.ledger, path).only_in_ledger) == 1


def test_a_file_that_is_not_a_log_is_reported(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        path = worked(bench)
        path.write_text("{\n", "utf-8")
        with pytest.raises(InputError, check=code_is("not_json")):
            check(bench.engine.context.ledger, path)
        with pytest.raises(InputError, check=code_is("file_unreadable")):
            check(bench.engine.context.ledger, tmp_path / "nothing")
