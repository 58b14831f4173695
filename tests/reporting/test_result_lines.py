"""`results --json` prints the dictionaries of `results`, whatever the answers are."""

import json
from pathlib import Path

import pytest
from support.builders import Bench

from core.delivery.results import results
from core.reporting.result_lines import json_lines
from state.model.errors import FileMissing, UnknownId


def test_the_lines_are_the_dictionaries_in_ascii(bench: Bench) -> None:
    bench.faults.add("row:overloaded:p=0.3")
    bench.faults.add("row:max-tokens:p=0.3")
    taken = bench.submit(20, tag="news")
    context = bench.engine.context
    waiting = list(json_lines(context.ledger, context.folder, "news"))
    assert [line.is_answered for line in waiting] == [False] * 20
    bench.poll_after(60)
    (key,) = {result["batch_id"] for result in results(context.ledger, context.folder, "news")}
    for name in ("news", taken.submission.key, key):
        lines = list(json_lines(context.ledger, context.folder, name))
        expected = list(results(context.ledger, context.folder, name))
        assert [json.loads(line.text) for line in lines] == expected
        assert all(line.text.isascii() and line.is_answered for line in lines)
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
    lines = list(json_lines(context.ledger, context.folder, "news"))
    assert all(line.text.isascii() for line in lines)
    expected = list(results(context.ledger, context.folder, "news"))
    assert [json.loads(line.text) for line in lines] == expected
    file.unlink()
    with pytest.raises(FileMissing):
        list(json_lines(context.ledger, context.folder, "news"))
