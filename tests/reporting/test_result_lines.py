"""`results --json` prints the dictionaries of `results`, whatever the answers are."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.builders import Bench

from core.delivery.results import results
from core.reporting.result_lines import ResultText, json_lines
from state.model.errors import FileMissing, UnknownId


def _read(parts: Iterable[ResultText]) -> list[object]:
    text = "".join(part.text for part in parts)
    assert text.isascii()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_the_lines_are_the_dictionaries_in_ascii(bench: Bench) -> None:
    bench.faults.add("row:overloaded:p=0.3")
    bench.faults.add("row:max-tokens:p=0.3")
    taken = bench.submit(20, tag="news")
    context = bench.engine.context
    waiting = list(json_lines(context.ledger, context.folder, "news"))
    assert sum(part.unanswered for part in waiting) == 20
    bench.poll_after(60)
    (key,) = {result["batch_id"] for result in results(context.ledger, context.folder, "news")}
    for name in ("news", taken.submission.key, key):
        parts = list(json_lines(context.ledger, context.folder, name))
        expected = list(results(context.ledger, context.folder, name))
        assert _read(parts) == expected
        assert not any(part.unanswered for part in parts)
    with pytest.raises(UnknownId):
        list(json_lines(context.ledger, context.folder, "other"))


def test_other_characters_are_escaped(bench: Bench) -> None:
    bench.submit(2, tag="news")
    bench.poll_after(60)
    context = bench.engine.context
    (file,) = Path(context.folder.results).glob("*.jsonl")
    stored = file.read_bytes()
    assert stored.count(b'"type":"text"') == 2
    # The same length, so that the ledger finds the lines.
    file.write_bytes(stored.replace(b'"end_turn"', '"énd_tu"'.encode() + b"  "[:1]))
    parts = list(json_lines(context.ledger, context.folder, "news"))
    assert _read(parts) == list(results(context.ledger, context.folder, "news"))
    file.unlink()
    with pytest.raises(FileMissing):
        list(json_lines(context.ledger, context.folder, "news"))
