"""docs/glossary.md has every value of a status, once, in alphabetical order."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from state.batches.orphans import OrphanVerdict
from state.model.records import (
    BatchKind,
    BatchStatus,
    CollectionStatus,
    OnFailure,
    Outcome,
    RequestStatus,
)
from state.operations.commands import Action, CommandState

PAGE = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text("utf-8")
TERMS = re.findall(r"^\| (.+?) \| .+ \|$", PAGE, re.MULTILINE)[1:]


@pytest.mark.parametrize(
    "values",
    [
        *(Action, BatchStatus, CollectionStatus, CommandState, BatchKind),
        *(OnFailure, OrphanVerdict, Outcome, RequestStatus),
    ],
)
def test_every_value_of_a_status_is_a_term(values: type[StrEnum]) -> None:
    assert [value for value in values if f"`{value}`" not in TERMS] == []


def test_the_terms_are_in_alphabetical_order_and_stand_once() -> None:
    names = [term.strip("`").lower().replace("_", " ") for term in TERMS]
    assert names == sorted(set(names))
