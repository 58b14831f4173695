"""The answer to a results call: a stream of lines, whole or corrupted."""

from collections.abc import Iterable, Iterator, Mapping
from random import Random

from titan_console.sandbox.answers.results import chunked, result_lines
from titan_console.sandbox.faults.lines import choose, damage, mixed
from titan_console.sandbox.faults.profile import Fault
from titan_console.sandbox.model.http_messages import HttpResponse
from titan_console.sandbox.model.lifecycle import Batch


def results_response(
    batch: Batch, headers: Mapping[str, str], fault: Fault | None, other: Batch | None
) -> HttpResponse:
    """The results of an ended batch; `other` lends its lines to the `foreign` fault."""
    full = {
        "content-type": "application/x-jsonl",
        "content-disposition": f"attachment; filename*=utf-8''{batch.id}_results.jsonl",
        **headers,
    }
    if fault and fault.what == "short":
        full["content-length"] = str(sum(map(len, result_lines(batch))))
    return HttpResponse(headers=full, body=chunked(_lines(batch, fault, other)))


def _lines(batch: Batch, fault: Fault | None, other: Batch | None) -> Iterable[bytes]:
    lines: Iterator[bytes] = result_lines(batch)
    if fault is None:
        return lines
    count = len(batch.rows)
    hits = choose(count, fault.lines, Random(batch.id))  # noqa: S311 - a choice, no secret
    if fault.what == "foreign":
        return mixed(lines, result_lines(other) if other else (), hits)
    return damage(fault.what, lines, count, hits)
