"""The nonce is appended to each custom_id and removed again."""

import re
import string

from hypothesis import given
from hypothesis import strategies as st

from core.requests.wire_id import LIMIT, FromWire, max_unshortened_length, to_wire
from state.db.ledger import ALPHABET

IDS = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64)
NONCES = st.text(ALPHABET, min_size=8, max_size=8)
ALLOWED = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def long_ones(ids: list[str], nonce: str) -> list[str]:
    return [custom_id for custom_id in ids if len(custom_id) > max_unshortened_length(nonce)]


@given(ids=st.lists(IDS, min_size=1, max_size=30, unique=True), nonce=NONCES)
def test_wire_ids_map_back_to_the_custom_ids(ids: list[str], nonce: str) -> None:
    back = FromWire(nonce, long_ones(ids, nonce))
    wired = [to_wire(custom_id, nonce) for custom_id in ids]
    assert [back(wire_id) for wire_id in wired] == ids
    assert len(set(wired)) == len(ids)


@given(custom_id=IDS, nonce=NONCES)
def test_a_wire_id_is_valid_and_ends_with_the_nonce(custom_id: str, nonce: str) -> None:
    wire_id = to_wire(custom_id, nonce)
    assert ALLOWED.fullmatch(wire_id)
    assert wire_id.rpartition("-")[2] == nonce


@given(custom_id=IDS, nonce=NONCES, other=NONCES)
def test_an_id_with_another_nonce_or_none_is_foreign(
    custom_id: str, nonce: str, other: str
) -> None:
    back = FromWire(nonce, long_ones([custom_id], nonce))
    if other != nonce:
        assert back(to_wire(custom_id, other)) is None
    if not custom_id.endswith(f"-{nonce}"):
        assert back(custom_id) is None


def test_ids_stay_readable_up_to_the_longest_that_fits() -> None:
    nonce = "k3x9q2ab"
    longest = "a" * max_unshortened_length(nonce)
    assert to_wire(longest, nonce) == f"{longest}-{nonce}"
    assert len(to_wire(longest, nonce)) == LIMIT
    assert len(to_wire(longest + "a", nonce)) == LIMIT


def test_a_batch_of_long_ids_with_one_prefix_has_no_collision() -> None:
    nonce = "k3x9q2ab"
    ids = [f"a-long-workflow-of-many-words-bravo-2026-11-22-{n:017d}" for n in range(100_000)]
    assert {len(custom_id) for custom_id in ids} == {64}
    assert len({to_wire(custom_id, nonce) for custom_id in ids}) == len(ids)
