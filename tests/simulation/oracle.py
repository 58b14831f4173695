"""What the API ran and billed, priced independently of the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import msgspec

from state.model.usage import TOKENS
from titan_console.sandbox.answers.prices import bill
from titan_console.sandbox.answers.results import result_lines
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.lifecycle import Batch


@dataclass(frozen=True, kw_only=True)
class Row:
    """One request of one batch: its outcome, its bill, and its results line."""

    nonce: str
    outcome: str
    usage: Mapping[str, int]
    cost_nano: int
    result: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """Our batches by remote id, their rows by the caller's custom_id, and creation times (s).

    Those that are `gone` vanished for ever or never end; `doomed` ones did so for a while.
    """

    ours: Mapping[str, Mapping[str, Row]]
    gone: frozenset[str]
    doomed: frozenset[str]
    made_at: Mapping[str, float]


def read_oracle(sandbox: Sandbox) -> Oracle:
    """Read the provider's memory, which no fault changes."""
    batches = [b for b in sandbox._provider.all_batches(sandbox._time.now()) if not b.foreign]
    billed = {row.batch_id: 0 for row in sandbox.billing_log().billed() if row.batch_id}
    assert billed.keys() <= {batch.id for batch in sandbox._provider._batches.values()}
    return Oracle(
        ours={batch.id: _rows(batch) for batch in batches},
        doomed=frozenset(b.id for b in batches if b.endless or b.vanish_at is not None),
        gone=frozenset(batch.id for batch in batches if is_gone(batch)),
        made_at={
            batch.id: (batch.created_at - sandbox._time._start).total_seconds() for batch in batches
        },
    )


def is_gone(batch: Batch) -> bool:
    """Whether its results are never available."""
    return (batch.endless and not batch.ended_at) or _vanished(batch)


def _vanished(batch: Batch) -> bool:
    return batch.vanish_at is not None and batch.back_at is None


def _rows(batch: Batch) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for line in result_lines(batch):
        read = cast("dict[str, Any]", msgspec.json.decode(line))
        custom_id, _, nonce = read["custom_id"].rpartition("-")
        found[custom_id] = _row(nonce, read["result"])
    return found


def _row(nonce: str, result: Mapping[str, Any]) -> Row:
    counts: dict[str, int] = dict.fromkeys(TOKENS, 0)
    cost = 0
    if result["type"] == "succeeded":
        usage = result["message"]["usage"]
        counts, cost = read_counts(usage), nano(bill(result["message"]["model"], usage))
    return Row(
        nonce=nonce,
        outcome=result["type"],
        usage=counts,
        cost_nano=cost,
        result=result,
    )


def read_counts(read: Mapping[str, Any]) -> dict[str, int]:
    """The tokens of a response as the ledger counts them."""
    return {
        "input_tokens": read["input_tokens"],
        "output_tokens": read["output_tokens"],
        "cache_write_5m_tokens": read["cache_creation"]["ephemeral_5m_input_tokens"],
        "cache_write_1h_tokens": read["cache_creation"]["ephemeral_1h_input_tokens"],
        "cache_read_tokens": read["cache_read_input_tokens"],
    }


def nano(usd: Fraction) -> int:
    """Nano-dollars; halves round up."""
    return int(usd * 10**9 + Fraction(1, 2))
