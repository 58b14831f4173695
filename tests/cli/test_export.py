import csv
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_bench
from support.console.console_builders import Failure, LedgerBuilder
from support.processes.terminal import Terminal

from core.reporting.export import safe_cell

KEYS = {
    *("custom_id", "tag", "workflow", "status", "outcome", "batch_id", "remote_id", "kind"),
    *("model", "attempts", "stop_reason", "invalid", "error_type", "error_message", "input_tokens"),
    *("output_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens"),
    *("web_searches", "inference_geo", "service_tier", "speed", "fee_usd", "unpriced"),
    *("cost_usd", "sync_usd", "savings_usd", "submitted_ts", "ended_ts", "text"),
}


def test_a_tag_is_written_out_with_figures_and_answers(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        bench.submit(3)
        bench.submit(2, tag="other")
        bench.poll_after(120)
        bench.poll_after(1)
    terminal = Terminal(tmp_path)
    rows = terminal.run("export", "daily-feed").lines()
    assert [row["custom_id"][-1] for row in rows] == ["1", "2", "3"]
    assert all(set(row) == KEYS for row in rows)
    assert {row["text"] for row in rows} <= {"news", "blog"}
    assert rows[0]["savings_usd"] == pytest.approx(rows[0]["cost_usd"])
    assert len(terminal.run("export", "--all").lines()) == 5


def test_a_file_is_for_its_owner_only_and_what_was_there_before_goes(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path / "home")
    made.collected("=1+1", ["@one"], [Failure("api_error", "+SUM(A1)")])
    made.close()
    out = tmp_path / "out.csv"
    out.write_text("something longer than what comes\n" * 100)
    out.chmod(0o644)
    arguments = ("export", "--all", "--format", "csv", "-o", str(out))
    ended = Terminal(tmp_path / "home").run(*arguments, "--force")
    assert ended.code == 0
    assert "1 request exported to" in ended.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    (row,) = csv.DictReader(out.read_text().splitlines())
    assert (row["custom_id"], row["tag"], row["error_message"]) == ("'@one", "'=1+1", "'+SUM(A1)")
    assert row["text"] == ""


def test_an_export_needs_known_names(tmp_path: Path) -> None:
    LedgerBuilder(tmp_path).close()
    terminal = Terminal(tmp_path)
    assert terminal.run("export").code == 2
    both = terminal.run("export", "x", "--all")
    assert (both.code, "not both" in both.err) == (2, True)
    unknown = terminal.run("export", "nothing")
    assert (unknown.code, unknown.out) == (2, "")
    assert "'nothing'" in unknown.err
    assert terminal.run("export", "--all").out == ""


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from("=+-@\t\r\uff1d\uff0b\uff0d\uff20"),
)
def test_no_text_becomes_a_formula(text: str, sign: str) -> None:
    for shown in (safe_cell(f"{sign}{text}"), safe_cell(f"  {sign}{text}")):
        assert isinstance(shown, str)
        assert shown.startswith("'")
        assert "\0" not in shown


def test_other_cells_stay_what_they_are() -> None:
    values = (-1.5, 3, None, True, "feed-1", "a=b", "")
    assert [safe_cell(value) for value in values] == list(values)
    assert json.loads(str(safe_cell({"a": 1}))) == {"a": 1}
