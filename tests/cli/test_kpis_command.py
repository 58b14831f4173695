"""`titan-console kpis` and `record_sync` as they are typed."""

import json
from pathlib import Path

from support.builders import some_requests
from support.processes.terminal import Terminal, a_server

NAMES = {
    *("batch_share", "saved_usd_30d", "turnaround_p50_h", "turnaround_p95_h"),
    *("error_rate", "fallbacks_30d"),
}


def test_the_contract_holds_before_and_after_work(tmp_path: Path) -> None:
    with a_server() as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        terminal.run("--poll")
        empty = terminal.run("kpis", "--json").json()
        assert {name: empty[name]["value"] for name in NAMES} == dict.fromkeys(NAMES)
        lines = "".join(json.dumps(request) + "\n" for request in some_requests(2))
        terminal.run("submit", "-", "--tag", "t", stdin=lines)
        terminal.run("--poll")
    code = (
        "import titan_batch as t; print(t.record_sync('t2', 'claude-sonnet-4-6',"
        " {'input_tokens': 9, 'output_tokens': 1}, workflow='report'))"
    )
    assert terminal.python("-c", code).out.startswith("tb_")
    found = terminal.run("kpis", "--json", "--by-workflow").json()
    assert all(set(found[name]) == {"value", "target", "ok"} for name in NAMES)
    assert 0 < found["batch_share"]["value"] < 1
    assert found["workflows"]["report"]["batch_share"]["value"] == 0
    shown = terminal.run("kpis").out
    assert "≥ 80.0%" in shown
    assert "≤ 12h 00m" in shown


def test_a_span_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    assert Terminal(tmp_path / "home").run("kpis", "--days", "0").code == 2
