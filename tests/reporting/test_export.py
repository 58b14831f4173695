"""An export has the text of each answer, whatever form the stored lines of the others have."""

import json
from io import StringIO
from pathlib import Path

from msgspec.structs import replace
from support.builders import Bench

from core.reporting import export
from core.reporting.export import Format


def _exported(bench: Bench) -> tuple[list[dict[str, object]], list[str]]:
    context, text, unread = bench.engine.context, StringIO(), list[str]()
    records = export.requests(context.ledger, context.folder, None, unread)
    count = export.write(records, text, Format.JSONL)
    assert text.getvalue().isascii()
    found = [json.loads(line) for line in text.getvalue().splitlines()]
    assert count == len(found)
    return found, unread


def test_a_damaged_line_spoils_no_other(bench: Bench) -> None:
    bench.faults.add("row:overloaded:p=0.2")
    bench.submit(150)
    bench.poll_after(60)
    before, _ = _exported(bench)
    answered = [row for row in before if row["text"]]
    assert 0 < len(answered) < len(before) == 150
    (file,) = Path(bench.folder.results).glob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    wholes = [at for at, line in enumerate(lines) if b'"type":"text"' in line]
    # Of the same length, so that the ledger finds the lines.
    lines[wholes[0]] = lines[wholes[0]].replace(b'"content"', b'"contemt"')
    lines[wholes[1]] = lines[wholes[1]].replace(b"}}\n", b"}]\n")
    lines[wholes[2]] = lines[wholes[2]].replace(b'"end_turn"', '"énd_tu"'.encode() + b" ")
    file.write_bytes(b"".join(lines))
    after, unread = _exported(bench)
    changed = [now for was, now in zip(before, after, strict=True) if was != now]
    assert [row["text"] for row in changed] == [None, None]
    assert unread == []


def test_texts_that_are_not_ascii_are_escaped(bench: Bench) -> None:
    bench.submit(3)
    bench.poll_after(60)
    (file,) = Path(bench.folder.results).glob("*.jsonl")
    stored = file.read_bytes()
    at = stored.index(b'"text":"') + 8
    file.write_bytes(stored[:at] + "é".encode() + stored[at + 2 :])
    found, _ = _exported(bench)
    assert sum(str(row["text"]).startswith("é") for row in found) == 1


class _Writes:
    """Keeps the length of each write."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def write(self, text: str) -> int:
        self.lengths.append(len(text))
        return len(text)


def test_long_answers_are_written_a_few_at_a_time(bench: Bench) -> None:
    bench.submit(1)
    bench.poll_after(60)
    context, written = bench.engine.context, _Writes()
    (one,) = export.requests(context.ledger, context.folder, None)
    long = replace(one, text="x" * 600_000)
    assert export.write([long] * 20, written, Format.JSONL) == 20
    assert max(written.lengths) < 2 * 1_000_000
    short = _Writes()
    assert export.write([one] * 250, short, Format.JSONL) == 250
    assert len(short.lengths) == 3
