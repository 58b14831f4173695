"""A loopback server with the Message Batches API that uses very little CPU.

    python benchmarks/server.py [--bytes N] [--latency S] [--open]

The sandbox validates every row as the API would, which takes longer than the clients measured here.
This server counts the requests, ends each batch at once (never with `--open`), and answers each
request with a line of N bytes. It prints its address. `GET /calls` returns the calls since the last
`GET /calls`. It exits when its standard input is closed.
"""

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from threading import Lock, Thread
from urllib.parse import parse_qs, urlsplit

_ID = re.compile(rb'"custom_id":\s?"([^"]*)"')
_PATH = "/v1/messages/batches"
_LINES = 500
_USAGE = {
    "input_tokens": 347,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 400,
    "service_tier": "batch",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """Options of the server."""

    line_bytes: int
    latency_s: float
    never_ends: bool


@dataclass(kw_only=True, slots=True)
class StoredBatch:
    """One batch on the server."""

    id: str
    custom_ids: list[bytes]
    made: datetime


class BatchStore:
    """Every batch, newest last, and the calls since they were last read."""

    def __init__(self, behaviour: Behaviour) -> None:
        """Create an empty store."""
        self.behaviour = behaviour
        self.batches: dict[str, StoredBatch] = {}
        self.calls: Counter[str] = Counter()
        self.lock = Lock()
        self.tail = _tail(behaviour.line_bytes)

    def add(self, body: bytes) -> StoredBatch:
        """Store a batch with the custom_ids of a request body."""
        ids: list[bytes] = _ID.findall(body)
        with self.lock:
            batch = StoredBatch(
                id=f"msgbatch_{len(self.batches):020d}", custom_ids=ids, made=datetime.now(UTC)
            )
            self.batches[batch.id] = batch
        return batch

    def as_json(self, batch: StoredBatch, address: str) -> dict[str, object]:
        """The batch as the API returns it."""
        ended = not self.behaviour.never_ends
        count = len(batch.custom_ids)
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": {
                "processing": 0 if ended else count,
                "succeeded": count if ended else 0,
                "errored": 0,
                "canceled": 0,
                "expired": 0,
            },
            "created_at": batch.made.isoformat(),
            "expires_at": (batch.made + timedelta(days=1)).isoformat(),
            "ended_at": batch.made.isoformat() if ended else None,
            "cancel_initiated_at": None,
            "archived_at": None,
            "results_url": f"{address}{_PATH}/{batch.id}/results" if ended else None,
        }

    def lines(self, batch: StoredBatch) -> Iterator[bytes]:
        """The results in pieces, in random order like the API."""
        ids = list(batch.custom_ids)
        random.Random(7).shuffle(ids)  # noqa: S311 - the same order each time
        rest = iter(ids)
        while some := list(islice(rest, _LINES)):
            yield b"".join([b'{"custom_id":"%b"%b' % (name, self.tail) for name in some])

    def length(self, batch: StoredBatch) -> int:
        """The size of the results in bytes."""
        head = len(b'{"custom_id":""')
        return sum(map(len, batch.custom_ids)) + len(batch.custom_ids) * (head + len(self.tail))


def _tail(line_bytes: int) -> bytes:
    """A results line without its custom_id. The text is JSON, because some clients parse it."""
    text = json.dumps({"label": "news", "why": ""})
    empty = json.dumps({"result": {"type": "succeeded", "message": message(text)}})
    words = "It covers many things that happened today, with dates and amounts. "
    filling = (words * (line_bytes // len(words) + 1))[: max(0, line_bytes - len(empty) - 50)]
    text = json.dumps({"label": "news", "why": filling})
    whole = {"result": {"type": "succeeded", "message": message(text)}}
    return b"," + json.dumps(whole, separators=(",", ":")).encode()[1:] + b"\n"


def message(text: str) -> dict[str, object]:
    """A message with that text."""
    return {
        "model": "claude-sonnet-4-6",
        "id": "msg_017qwPYTbDqXS8trvrbY7BPs",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": _USAGE,
    }


class Handler(BaseHTTPRequestHandler):
    """Handles one connection."""

    protocol_version = "HTTP/1.1"
    # Headers and body in one packet: a second packet would wait 40 ms for a delayed ACK.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    store: BatchStore

    def do_POST(self) -> None:
        """Create a batch or answer one message."""
        body = self._body()
        path = urlsplit(self.path).path
        if path == _PATH:
            self.store.calls["create"] += 1
            self._json(self.store.as_json(self.store.add(body), self._address()))
        elif path == "/v1/messages":
            self.store.calls["message"] += 1
            time.sleep(self.store.behaviour.latency_s)
            self._json(message(json.dumps({"label": "news"})))
        else:
            self._not_found()

    def do_GET(self) -> None:
        """List, retrieve, results, or the counts of calls."""
        parts = urlsplit(self.path)
        if parts.path == "/calls":
            self._json(dict(self.store.calls))
            self.store.calls.clear()
            return
        name, _, rest = parts.path.removeprefix(_PATH).strip("/").partition("/")
        batch = self.store.batches.get(name)
        if not name:
            self.store.calls["list"] += 1
            self._json(self._page(parse_qs(parts.query)))
        elif batch is None:
            self._not_found()
        elif rest == "results":
            self.store.calls["results"] += 1
            self._stream(batch)
        else:
            self.store.calls["retrieve"] += 1
            self._json(self.store.as_json(batch, self._address()))

    def _page(self, query: dict[str, list[str]]) -> dict[str, object]:
        newest_first = list(reversed(self.store.batches.values()))
        after = query.get("after_id", [""])[0]
        limit = int(query.get("limit", ["20"])[0])
        start = 1 + next((n for n, b in enumerate(newest_first) if b.id == after), -1)
        page = newest_first[start : start + limit]
        return {
            "data": [self.store.as_json(batch, self._address()) for batch in page],
            "has_more": start + limit < len(newest_first),
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
        }

    def _stream(self, batch: StoredBatch) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-jsonl")
        self.send_header("Content-Length", str(self.store.length(batch)))
        self.end_headers()
        for piece in self.store.lines(batch):
            self.wfile.write(piece)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        pieces: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _address(self) -> str:
        return f"http://{self.headers.get('Host', '')}"

    def _not_found(self) -> None:
        error = {"type": "not_found_error", "message": "not here"}
        self._json({"type": "error", "error": error}, status=404)

    def _json(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Do not log."""


class Server(ThreadingHTTPServer):
    """One thread per connection; 50 may connect at once."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bytes", type=int, default=1700)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--open", action="store_true")
    given = parser.parse_args()
    behaviour = Behaviour(line_bytes=given.bytes, latency_s=given.latency, never_ends=given.open)
    Handler.store = BatchStore(behaviour)
    with Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
