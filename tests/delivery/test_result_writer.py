"""A delivered line says what `results` says, byte for byte taken over or not."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import BASE_URL, KEY, Bench, client
from support.ledgers.budgets import order
from support.lifecycle import poll_until_done

from core.api.client import AnthropicApi
from core.delivery.result_writer import chunks, to_lines
from core.delivery.results import Result, to_result
from state.files import archive
from state.files.file_store import LOCAL_FILES
from state.files.spool import LineReader
from state.model.records import Outcome, RequestStatus
from state.operations import delivery
from state.operations.commands import Action
from state.queries import result_rows
from state.queries.result_rows import DeliveredRow, ResultRow

TEXTS = st.lists(st.text(st.characters()), max_size=3)


def told(outcome: str | None, cost_nano: int | None = 1234) -> DeliveredRow:
    return DeliveredRow(
        1, "feed-001", outcome, "api_error", "It broke.", cost_nano, "tb_1", 0, 1, None
    )


def as_read(row: DeliveredRow, line: bytes | None) -> Result:
    """What `results` gives of the same row."""
    return to_result(
        ResultRow(
            request_id=1,
            custom_id=row.custom_id,
            tag="feed",
            status=RequestStatus.SUCCEEDED,
            batch_key=row.batch_key,
            outcome=Outcome(row.outcome) if row.outcome else None,
            error_type=row.error_type,
            error_message=row.error_message,
            stop_reason=None,
            invalid=row.invalid,
            model=None,
            cost_nano=row.cost_nano,
            result_offset=0,
            result_length=1,
        ),
        line,
    )


def a_line(content: object, *, usage: object = None) -> bytes:
    message = {"id": "msg_1", "content": content, "usage": usage, "stop_sequence": None}
    return json.dumps(
        {"custom_id": "feed-001", "result": {"type": "succeeded", "message": message}}
    ).encode()


def in_full(row: DeliveredRow, line: bytes | None) -> bytes:
    """The line built without haste: every member is decoded, and looked up by its name."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        (line or b"").decode()
        found = msgspec.json.decode(line or b"", type=dict[str, msgspec.Raw])
        message = msgspec.json.decode(found["result"], type=dict[str, msgspec.Raw])["message"]
        members = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
        blocks = msgspec.json.decode(members["content"], type=list[dict[str, msgspec.Raw]])
        kinds = [msgspec.json.decode(block["type"], type=str) for block in blocks]
        texts = [b.get("text") for kind, b in zip(kinds, blocks, strict=True) if kind == "text"]
        if len(texts) == 1 and texts[0] and bytes(texts[0]).startswith(b'"'):
            told = as_read(row, None) | {"text": texts[0], "message": msgspec.Raw(message)}
            return msgspec.json.encode(told | {"usage": members.get("usage")}) + b"\n"
    return msgspec.json.encode(as_read(row, line)) + b"\n"


def check(row: DeliveredRow, line: bytes | None) -> None:
    found = to_lines([row], [line])
    assert msgspec.json.decode(found) == as_read(row, line)
    assert found == in_full(row, line)


@given(TEXTS)
def test_any_texts_are_told_alike(texts: list[str]) -> None:
    check(told("succeeded"), a_line([{"type": "text", "text": text} for text in texts]))


@pytest.mark.parametrize(
    "odd",
    [
        rb"\ud83d",
        rb"\ud83d\u0041",
        rb"\ude00",
        rb"\ud83d\ude00",
        rb"\\ud83d",
        rb"\\\ud83d",
        b"\xff\xfe",
        "é \u2028".encode(),
        rb"\u0000",
    ],
)
@pytest.mark.parametrize("original", [b'"told"', b'"msg_1"'])
def test_odd_bytes_are_told_alike(odd: bytes, original: bytes) -> None:
    line = a_line([{"type": "text", "text": "told"}], usage={"input_tokens": 3})
    check(told("succeeded"), line.replace(original, b'"' + odd + b'"'))


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "plain",
        [{"type": "text", "text": None}],
        [{"type": "text", "text": 7}],
        [{"type": "text"}],
        [{"type": "tool_use", "input": {"text": "no"}}, {"type": "text", "text": "yes"}],
        [{"no": "type"}],
    ],
)
def test_other_contents_are_told_alike(content: object) -> None:
    check(told("succeeded"), a_line(content))


@pytest.mark.parametrize("outcome", ["errored", "expired", "canceled", "missing", None])
def test_what_brought_no_answer_is_told_alike(outcome: str | None) -> None:
    check(told(outcome, cost_nano=None), None)


GOOD = b'{"content":[{"type":"text","text":"\xc3\xa9"}],"usage":{"input_tokens":3}}'
OTHER = b'{"content":[{"type":"text","text":"other"}],"usage":null}'
HEAD = b'{"custom_id":"feed-001","result":{"type":"succeeded","message":'


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(HEAD + GOOD + b"}}", id="as the API writes it"),
        pytest.param(HEAD + GOOD + b"} }", id="a space"),
        pytest.param(HEAD + GOOD + b"}} ", id="a space at the end"),
        pytest.param(HEAD.replace(b":", b": ") + GOOD + b"}}", id="spaces"),
        pytest.param(HEAD + GOOD + b',"more":1}}', id="a member after the message"),
        pytest.param(HEAD + GOOD + b',"more":{}}}', id="an object after the message"),
        pytest.param(HEAD + GOOD + b'},"more":{"a":{}}}', id="a member after the result"),
        pytest.param(HEAD + GOOD + b',"message":' + OTHER + b"}}", id="two messages"),
        pytest.param(
            HEAD + GOOD + b'},"result":{"type":"succeeded","message":' + OTHER + b"}}",
            id="two results",
        ),
        pytest.param(HEAD + GOOD + b'},"more":{"message":' + OTHER + b"}}", id="another message"),
        pytest.param(HEAD + GOOD + b'},"x":"\xff","more":{"y":{}}}', id="no UTF-8 beside it"),
        pytest.param(
            b'{"result":{"message":' + GOOD + b',"type":"succeeded"},"custom_id":"feed-001"}',
            id="members in another order",
        ),
        pytest.param(HEAD.replace(b"feed", b"fe\\u0065d") + GOOD + b"}}", id="an escaped id"),
        pytest.param(HEAD.replace(b"feed", b"food") + GOOD + b"}}", id="another id"),
        pytest.param(HEAD.replace(b"succeeded", b"new") + GOOD + b"}}", id="another type"),
        pytest.param(
            HEAD + GOOD.replace(b"\xc3\xa9", "\u2028\u2029\x85".encode() * 9) + b"}}",
            id="other line ends",
        ),
        pytest.param(
            HEAD + GOOD.replace(b"\xc3\xa9", b"x" * 5_000_000) + b"}}", id="five megabytes"
        ),
        pytest.param(
            HEAD + GOOD.replace(b"[{", b'[{"type":"thinking","thinking":"t"},{') + b"}}",
            id="thinking first",
        ),
        pytest.param(HEAD + GOOD.replace(b'"usage"', b'"usages"') + b"}}", id="no usage"),
        pytest.param(HEAD + GOOD[:-1] + b',"usage":{"input_tokens":4}}}}', id="two usages"),
        pytest.param(HEAD + GOOD[:-1] + b',"deep":' + b"[" * 999 + b"]" * 999 + b"}}}", id="deep"),
    ],
)
def test_a_line_in_any_form_is_copied_alike(line: bytes) -> None:
    check(told("succeeded"), line)
    check(told("succeeded", cost_nano=None), line)


class OddApi(AnthropicApi):
    """Repeats each line and gives it other forms; a second download lacks nothing."""

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        with super().results(remote_id) as pieces:
            good = b"".join(pieces).splitlines(keepends=True)
        foreign = b'{"custom_id":"a-k3x9q2ab","result":{"type":"expired"}}\n'
        odd = [line for number, line in enumerate(good) for line in self._forms(number, line)]
        yield iter([*odd, foreign, *good[:2], foreign])

    def _forms(self, number: int, line: bytes) -> list[bytes]:
        body: dict[str, object] = json.loads(line)
        match number % 4:
            case 0:
                return [line, line]
            case 1:
                return [json.dumps(dict(reversed(body.items()))).encode() + b"\r\n"]
            case 2:
                return [json.dumps(body | {"more": "\u2028"}, ensure_ascii=False).encode() + b"\n"]
            case _:
                return [b"\n", line.replace(b'"text":"', '"text":"\u2028\x85'.encode())]


@pytest.mark.parametrize("is_archived", [False, True])
def test_a_delivered_file_has_the_answers_of_every_batch_in_any_form(
    bench: Bench, is_archived: bool
) -> None:
    api = OddApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    bench.engine = bench.new_engine("odd", api=lambda: api)
    bench.faults.add("row:overloaded:p=0.4")
    bench.submit(12)
    poll_until_done(bench)
    bench.faults.clear()
    order(bench, Action.REPLAY, "daily-feed")
    poll_until_done(bench)
    context = bench.engine.context
    ((workflow, date),) = {(s.workflow, s.work_date) for s in bench.engine.find("daily-feed")[0]}
    (submission,) = delivery.finished(context.ledger, workflow, date)
    rows = list(result_rows.delivered_rows(context.ledger, submission))
    assert len({row.batch_key for row in rows}) == 2
    with LineReader(bench.folder.results, LOCAL_FILES) as files:
        expected = [
            in_full(
                row,
                files.read(
                    f"{row.batch_key}.jsonl", row.result_offset or 0, row.result_length or 0
                ),
            )
            for row in rows
        ]
    if is_archived:
        for path in bench.folder.results.glob("*.jsonl"):
            archive.compress(path)
    (chunk,) = chunks(context.ledger, context.folder, submission)
    assert chunk.lines == b"".join(expected)
    (path,) = bench.folder.staging.iterdir()
    assert path.read_bytes() == b"".join(expected)


def test_lines_of_a_chunk_are_independent() -> None:
    good = [a_line([{"type": "text", "text": text}], usage={"n": 1}) for text in ("one", "two")]
    not_utf8 = HEAD + GOOD + b'},"x":"\xff","more":{"y":{}}}'
    lines = [good[0], not_utf8, None, a_line([]), HEAD + GOOD + b',"more":1}}', good[1]]
    rows = [told("succeeded") if line else told("errored") for line in lines]
    expected = [in_full(row, line) for row, line in zip(rows, lines, strict=True)]
    assert to_lines(rows, lines) == b"".join(expected)
    assert to_lines([], []) == b""


def test_a_chunk_has_few_rows_and_bytes() -> None:
    mb = 1 << 20
    lengths = [mb, 9 * mb, 1, None, mb - 1, 1, *[None] * 1200]
    rows = [told("succeeded")._replace(result_length=length) for length in lengths]
    found = list(result_rows.chunks(iter(rows)))
    assert [row for chunk in found for row in chunk] == rows
    assert [len(chunk) for chunk in found] == [1, 1, 3, 500, 500, 201]
    assert list(result_rows.chunks(rows[:0])) == []
