"""Replay recorded traffic of the real API against the sandbox and compare field by field.

Usage: python tests/sandbox/compare_recordings.py FOLDER_OF_RECORDINGS
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

from core.clock import ManualClock
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.http_messages import HttpRequest
from titan_console.sandbox.model.timing import Plan

Json = dict[str, Any]

# Models of the recordings that are retired today; the sandbox would answer not_found_error.
RETIRED = re.compile(r"claude-3[a-z0-9-]*")
DAY = 86_400.0
STAND_IN = "claude-haiku-4-5"

# Added by the edge or by the transport, not by the API.
EDGE_HEADERS = {
    "cf-cache-status",
    "cf-ray",
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "server",
    "set-cookie",
    "transfer-encoding",
    "via",
}
# Seen live in September 2026; the recordings' own tools leave them out.
LATER_HEADERS = {
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
}
# Absent in 2025 or in June 2026, present in August 2026.
GROWN_HEADERS = {
    "anthropic-organization-id",
    "anthropic-workspace-id",
    "content-security-policy",
    "content-type",  # of results only
    "strict-transport-security",
    "server-timing",
    "vary",
}
# Fields that messages of 2025 did not have.
GROWN_FIELDS = {
    "message.stop_details",
    "usage.cache_creation",
    "usage.inference_geo",
    "usage.output_tokens_details",
    "usage.service_tier",
}
EXACT_HEADERS = ("content-type", "retry-after", "x-should-retry")
EXACT_FIELDS = {
    "canceled",
    "custom_id",
    "errored",
    "expired",
    "has_more",
    "inference_geo",
    "processing",
    "processing_status",
    "role",
    "service_tier",
    "stop_reason",
    "succeeded",
    "type",
}
FORMS = (
    ("batch id", re.compile(r"msgbatch_01[0-9A-Za-z]{22}\Z")),
    ("message id", re.compile(r"msg_01[0-9A-Za-z]{22}\Z")),
    ("time", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00\Z")),
    ("results url", re.compile(r"https://[^/]+/v1/messages/batches/[^/]+/results\Z")),
    ("not ended", re.compile(r"Message Batch \S+ has no available results\.\Z")),
)


@dataclass
class Report:
    """What was compared and what differed."""

    compared: Counter[str] = field(default_factory=Counter[str])
    explained: Counter[str] = field(default_factory=Counter[str])
    differences: list[str] = field(default_factory=list[str])

    def differ(self, where: str, text: str) -> None:
        self.differences.append(f"{where}: {text}")


class Replay:
    """One recording, replayed against a sandbox of its own."""

    def __init__(self, name: str, recording: Json, report: Report) -> None:
        self.name = name
        self.interactions: list[Json] = recording["interactions"]
        self.report = report
        clock = ManualClock(datetime(2026, 11, 1, tzinfo=UTC))
        self.sandbox = Sandbox(clock, plan=Plan.manual(cancel=DAY))
        self.clock = clock
        self.ids: dict[str, str] = {}

    def run(self) -> None:
        for number, interaction in enumerate(self.interactions):
            request, response = interaction["request"], interaction["response"]
            where = f"{self.name}[{number}] {request['method']} {request['path']}"
            self.prepare(request, response)
            self.clock.advance(1)
            status, headers, body = self.send(request)
            self.remember(response, body)
            self.report.compared[request["method"]] += 1
            if status != response["status"]:
                self.report.differ(where, f"status {status}, recorded {response['status']}")
            self.compare_headers(where, headers, lower(response["headers"]))
            self.compare_bodies(where, body, response["body"] or "")

    def prepare(self, request: Json, response: Json) -> None:
        """Bring the sandbox into the state that the recorded answer shows."""
        if '"has_more":true' in (response["body"] or ""):
            self.sandbox.add_foreign()  # older than everything that the page shows
            self.clock.advance(1)
        for shown in recorded_batches(response["body"] or ""):
            if request["method"] == "POST" and request["path"].endswith("/batches"):
                continue
            batch_id = self.known(shown["id"], sum(shown["request_counts"].values()))
            if shown["cancel_initiated_at"] and not request["path"].endswith("/cancel"):
                self.call("POST", f"/v1/messages/batches/{batch_id}/cancel")
            if shown["processing_status"] == "ended":
                self.sandbox.end(batch_id)
        for recorded in re.findall(r"msgbatch_\w+", request["path"]):
            self.known(recorded, 2)

    def known(self, recorded: str, count: int) -> str:
        """The sandbox's id for a recorded one, created when the recording began without it."""
        if recorded not in self.ids:
            self.ids[recorded] = self.sandbox.add_foreign([f"r-{n}" for n in range(count)])
            self.clock.advance(1)
        return self.ids[recorded]

    def send(self, request: Json) -> tuple[int, dict[str, str], str]:
        path: str = request["path"]
        for recorded, ours in self.ids.items():
            path = path.replace(recorded, ours)
        text: str = request.get("query") or ""
        query = dict(parse_qsl(text))
        body = RETIRED.sub(STAND_IN, request["body"] or "")
        return self.call(request["method"], path, lower(request["headers"]), query, body)

    def call(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        body: str = "",
    ) -> tuple[int, dict[str, str], str]:
        known = {"host": "api.anthropic.com", "x-api-key": "k", "anthropic-version": "2023-06-01"}
        request = HttpRequest(
            method=method,
            path=path,
            query=query or {},
            headers={**known, **(headers or {})},
            body=body.encode(),
        )
        answer = self.sandbox.handle(request)
        return answer.status, dict(answer.headers), answer.read().decode()

    def remember(self, response: Json, body: str) -> None:
        """Pair the ids of a batch that both sides have just made."""
        theirs, ours = recorded_batches(response["body"] or ""), recorded_batches(body)
        for their, our in zip(theirs, ours, strict=False):
            self.ids.setdefault(their["id"], our["id"])

    def compare_headers(self, where: str, ours: dict[str, str], theirs: dict[str, str]) -> None:
        for name in sorted(theirs.keys() - ours.keys() - EDGE_HEADERS):
            self.report.differ(where, f"header {name} is not sent")
        for name in sorted(ours.keys() - theirs.keys()):
            if name in LATER_HEADERS | GROWN_HEADERS:
                self.report.explained[f"header {name}"] += 1
            else:
                self.report.differ(where, f"header {name} was not recorded")
        for name in EXACT_HEADERS:
            if name in theirs and name in ours and ours[name] != theirs[name]:
                self.report.differ(where, f"{name}: {ours[name]!r}, recorded {theirs[name]!r}")

    def compare_bodies(self, where: str, ours: str, theirs: str) -> None:
        our_lines, their_lines = by_id(ours), by_id(theirs)
        if our_lines.keys() != their_lines.keys():
            self.report.differ(where, f"lines {list(our_lines)}, recorded {list(their_lines)}")
            return
        if "/results" in where and ours.endswith("\n") != theirs.endswith("\n"):
            self.report.explained["no line end after the last line"] += 1
        for key, line in our_lines.items():
            self.compare(where, "body", line, their_lines[key])

    def compare(self, where: str, at: str, ours: Any, theirs: Any) -> None:
        """SceneWalk two values at once."""
        if isinstance(ours, dict) and isinstance(theirs, dict):
            self.compare_objects(where, at, cast("Json", ours), cast("Json", theirs))
        elif isinstance(ours, list) and isinstance(theirs, list):
            self.compare_lists(where, at, cast("list[Any]", ours), cast("list[Any]", theirs))
        elif leaf(at, ours) != leaf(at, theirs):
            text = f"{at}: {leaf(at, ours)!r}, recorded {leaf(at, theirs)!r}"
            self.report.differ(where, text)

    def compare_lists(self, where: str, at: str, ours: list[Any], theirs: list[Any]) -> None:
        if len(ours) != len(theirs):
            self.report.differ(where, f"{at}: {len(ours)} elements, recorded {len(theirs)}")
        for index, (our, their) in enumerate(zip(ours, theirs, strict=False)):
            self.compare(where, f"{at}.{index}", our, their)

    def compare_objects(self, where: str, at: str, ours: Json, theirs: Json) -> None:
        for name in sorted(theirs.keys() - ours.keys()):
            self.report.differ(where, f"{at}.{name} is missing")
        for name in sorted(ours.keys() - theirs.keys()):
            field = f"{at.rpartition('.')[2]}.{name}"
            if field in GROWN_FIELDS:
                self.report.explained[f"field {field}"] += 1
            else:
                self.report.differ(where, f"{at}.{name} was not recorded")
        if ours.get("type") == "message_batch" and list(ours) != list(theirs):
            self.report.differ(where, f"{at}: keys in another order")
        for name in ours.keys() & theirs.keys():
            self.compare(where, f"{at}.{name}", ours[name], theirs[name])


def leaf(at: str, value: Any) -> Any:
    """What of a value has to agree: itself, its form, or only its type."""
    if value is None or at.rpartition(".")[2] in EXACT_FIELDS:
        return value
    if isinstance(value, str):
        return next((name for name, form in FORMS if form.match(value)), "text")
    return type(value).__name__


def by_id(body: str) -> dict[str, Any]:
    """The JSON lines of a body by custom_id; any other body as one value."""
    values = [json.loads(line) for line in body.split("\n") if line]
    return {value.get("custom_id", ""): value for value in values}


def recorded_batches(body: str) -> list[Json]:
    """The batches in an answer, oldest first."""
    if not body.startswith("{") or body.startswith('{"custom_id"'):
        return []
    value = json.loads(body)
    if value.get("type") == "message_batch":
        return [value]
    return list(reversed(value.get("data", [])))


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def run(folder: Path) -> Report:
    """Replay every recording of a folder."""
    report = Report()
    for path in sorted(folder.glob("*.json")):
        Replay(path.stem, json.loads(path.read_text()), report).run()
    return report


def summary(report: Report) -> Iterator[str]:
    calls = ", ".join(f"{count} {name}" for name, count in sorted(report.compared.items()))
    yield f"compared: {calls or 'nothing'}"
    for name, count in sorted(report.explained.items()):
        yield f"explained: {name} ({count}x)"
    yield from report.differences
    yield f"unexplained differences: {len(report.differences)}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write((__doc__ or "") + "\n")
        return 2
    report = run(Path(arguments[0]))
    sys.stdout.write("\n".join(summary(report)) + "\n")
    return 1 if report.differences or not report.compared else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
