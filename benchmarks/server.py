"""A loopback server that answers as the Message Batches API does, and costs next to nothing.

    python benchmarks/server.py [--bytes N] [--latency S] [--open]

The sandbox judges every row as the API would, which takes longer than what is measured here. This
one counts the requests, ends each batch at once (never with `--open`), and answers each request
with a line of that size. It prints its address; `GET /calls` tells what it was asked since the
last time; the end of its standard input ends it.
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
class Manner:
    """How the server behaves."""

    line_bytes: int
    latency_s: float
    never_ends: bool


@dataclass(kw_only=True, slots=True)
class Held:
    """One batch that the server has."""

    id: str
    custom_ids: list[bytes]
    made: datetime


class Shelf:
    """Every batch, newest last, and the calls since they were last asked for."""

    def __init__(self, manner: Manner) -> None:
        """An empty one."""
        self.manner = manner
        self.batches: dict[str, Held] = {}
        self.calls: Counter[str] = Counter()
        self.lock = Lock()
        self.tail = _tail(manner.line_bytes)

    def add(self, body: bytes) -> Held:
        """A batch with the ids of that body."""
        ids: list[bytes] = _ID.findall(body)
        with self.lock:
            held = Held(
                id=f"msgbatch_{len(self.batches):020d}", custom_ids=ids, made=datetime.now(UTC)
            )
            self.batches[held.id] = held
        return held

    def as_json(self, held: Held, address: str) -> dict[str, object]:
        """What the API says of it."""
        ended = not self.manner.never_ends
        count = len(held.custom_ids)
        return {
            "id": held.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": {
                "processing": 0 if ended else count,
                "succeeded": count if ended else 0,
                "errored": 0,
                "canceled": 0,
                "expired": 0,
            },
            "created_at": held.made.isoformat(),
            "expires_at": (held.made + timedelta(days=1)).isoformat(),
            "ended_at": held.made.isoformat() if ended else None,
            "cancel_initiated_at": None,
            "archived_at": None,
            "results_url": f"{address}{_PATH}/{held.id}/results" if ended else None,
        }

    def lines(self, held: Held) -> Iterator[bytes]:
        """The results in pieces, in no order, as the API gives them."""
        ids = list(held.custom_ids)
        random.Random(7).shuffle(ids)  # noqa: S311 - the same order each time
        rest = iter(ids)
        while some := list(islice(rest, _LINES)):
            yield b"".join([b'{"custom_id":"%b"%b' % (name, self.tail) for name in some])

    def length(self, held: Held) -> int:
        """How many bytes the results have."""
        head = len(b'{"custom_id":""')
        return sum(map(len, held.custom_ids)) + len(held.custom_ids) * (head + len(self.tail))


def _tail(line_bytes: int) -> bytes:
    """All of a line but its custom_id. The text is JSON: some clients want to parse it."""
    text = json.dumps({"label": "news", "why": ""})
    empty = json.dumps({"result": {"type": "succeeded", "message": message(text)}})
    words = "It tells of many things that happened today, with dates and amounts. "
    filling = (words * (line_bytes // len(words) + 1))[: max(0, line_bytes - len(empty) - 50)]
    text = json.dumps({"label": "news", "why": filling})
    whole = {"result": {"type": "succeeded", "message": message(text)}}
    return b"," + json.dumps(whole, separators=(",", ":")).encode()[1:] + b"\n"


def message(text: str) -> dict[str, object]:
    """An answer with that text."""
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
    """One call."""

    protocol_version = "HTTP/1.1"
    # Head and body in one packet: in two, the second one waits 40 ms for a delayed ACK.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    shelf: Shelf

    def do_POST(self) -> None:
        """Create a batch, cancel one, or answer one message."""
        body = self._body()
        path = urlsplit(self.path).path
        if path == _PATH:
            self.shelf.calls["create"] += 1
            self._json(self.shelf.as_json(self.shelf.add(body), self._address()))
        elif path == "/v1/messages":
            self.shelf.calls["message"] += 1
            time.sleep(self.shelf.manner.latency_s)
            self._json(message(json.dumps({"label": "news"})))
        else:
            self._not_found()

    def do_GET(self) -> None:
        """List, retrieve, results, or the count of calls."""
        parts = urlsplit(self.path)
        if parts.path == "/calls":
            self._json(dict(self.shelf.calls))
            self.shelf.calls.clear()
            return
        name, _, rest = parts.path.removeprefix(_PATH).strip("/").partition("/")
        held = self.shelf.batches.get(name)
        if not name:
            self.shelf.calls["list"] += 1
            self._json(self._page(parse_qs(parts.query)))
        elif held is None:
            self._not_found()
        elif rest == "results":
            self.shelf.calls["results"] += 1
            self._stream(held)
        else:
            self.shelf.calls["retrieve"] += 1
            self._json(self.shelf.as_json(held, self._address()))

    def _page(self, query: dict[str, list[str]]) -> dict[str, object]:
        newest_first = list(reversed(self.shelf.batches.values()))
        after = query.get("after_id", [""])[0]
        limit = int(query.get("limit", ["20"])[0])
        start = 1 + next((n for n, b in enumerate(newest_first) if b.id == after), -1)
        page = newest_first[start : start + limit]
        return {
            "data": [self.shelf.as_json(held, self._address()) for held in page],
            "has_more": start + limit < len(newest_first),
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
        }

    def _stream(self, held: Held) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-jsonl")
        self.send_header("Content-Length", str(self.shelf.length(held)))
        self.end_headers()
        for piece in self.shelf.lines(held):
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
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A thread for each connection; 50 may come at once."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bytes", type=int, default=1700)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--open", action="store_true")
    given = parser.parse_args()
    manner = Manner(line_bytes=given.bytes, latency_s=given.latency, never_ends=given.open)
    Handler.shelf = Shelf(manner)
    with Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
