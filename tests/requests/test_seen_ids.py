"""A repeated custom_id is found, among any number of ids and in little memory."""

import tracemalloc

import pytest

from core.requests import seen_ids
from core.requests.seen_ids import SeenIds

MANY = 100_000


def test_each_id_is_new_once_and_known_by_its_position_afterwards() -> None:
    seen = SeenIds()
    names = [f"request-{number}" for number in range(1, 5000)]
    assert [seen.add(name, at) for at, name in enumerate(names, 1)] == [None] * len(names)
    assert [seen.add(name, 9999) for name in names] == list(range(1, 5000))
    assert len(seen) == len(names)
    assert seen.add("request-0", 5001) is None


def test_ids_that_share_a_slot_or_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_ids, "hash", len, raising=False)
    seen = SeenIds()
    names = [f"{number:05}" for number in range(1, 2000)]
    assert [seen.add(name, at) for at, name in enumerate(names, 1)] == [None] * len(names)
    assert [seen.add(name, 9999) for name in names] == list(range(1, 2000))


def test_an_id_takes_a_few_dozen_bytes() -> None:
    tracemalloc.start()
    seen = SeenIds()
    for number in range(1, MANY + 1):
        seen.add(f"feed-classify-2026-11-22-{number:06d}", number)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(seen) == MANY
    # While it grows, there are two tables, one of half the size.
    assert peak < 65 * MANY
