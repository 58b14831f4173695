"""Unpriced answers are counted, and every view names why."""

import pytest
from click.testing import CliRunner
from support.builders import KEY, Bench

from core.intake.recorded_calls import record_sync
from state.queries import unpriced
from state.queries.unpriced import UnpricedReason, reasons_text
from titan_console.cli.main import cli


def recorded(bench: Bench, **fields: object) -> None:
    usage = {"input_tokens": 5, "output_tokens": 1, **fields}
    record_sync(bench.engine.context, tag="t", model="claude-sonnet-5-5", usage=usage)


def test_reasons_are_counted_and_named_in_savings_and_doctor(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(bench)
    recorded(bench, inference_geo="eu")
    recorded(bench, audio_tokens=3)
    recorded(bench, audio_tokens=9)
    found = unpriced.reasons(bench.engine.context.ledger)
    assert found == [
        UnpricedReason("usage: unknown field audio_tokens", 2),
        UnpricedReason("unknown region 'eu'", 1),
    ]
    assert unpriced.reasons(bench.engine.context.ledger, since_ts="2027") == []
    text = "usage: unknown field audio_tokens (2), unknown region 'eu' (1)"
    assert reasons_text(found) == text
    monkeypatch.setenv("TITAN_HOME", str(bench.folder.root))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    spent = CliRunner().invoke(cli, ["savings", "--since", "2026-01-01"])
    assert f"Unpriced answers are not included: {text}." in spent.stderr
    assert f"3 answers without a known price, not included in any total: {text}" in " ".join(
        CliRunner().invoke(cli, ["doctor"]).output.split()
    )


def test_rare_reasons_are_counted_together() -> None:
    found = [UnpricedReason(f"reason {number}", 9 - number) for number in range(6)]
    assert reasons_text(found).endswith("reason 2 (7), other reasons (15)")
