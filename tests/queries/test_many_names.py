"""Any number of names in a command, and any filter that fits in its line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import some_requests
from support.console.console_builders import Failure, LedgerBuilder
from support.processes.terminal import Terminal

from core.commands.command_request import CommandRequest, command_line, shortened
from state.model.filter_terms import Field, Term
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import batch_list, event_list, request_list
from state.queries.request_list import Query, SortOrder
from titan_console.text.filters import Vocabulary, parse

COUNT = 1_500
NAMES = tuple(str(request["custom_id"]) for request in some_requests(COUNT))
ALL = Vocabulary(tuple(Field), ("errored",))


def test_every_command_takes_them(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    names = [f"request-{number:04}" for number in range(1_200)]
    made.collected("daily", names, [Failure("api_error", "Internal server error")] * len(names))
    taken = [row["custom_id"] for row in made.ledger.rows("SELECT custom_id FROM requests")]
    made.close()
    terminal = Terminal(tmp_path)
    assert len(terminal.run("export", *taken).lines()) == len(names)
    for action in ("replay", "sync", "acknowledge"):
        preview = terminal.run(action, "--dry-run", "--json", *taken)
        assert preview.json()["count"] == len(names), preview.err
    canceled = terminal.run("cancel", "--dry-run", *taken)
    assert "no open batch matches" in canceled.err


def test_a_long_list_of_names_is_cut_only_where_the_command_line_is_shown() -> None:
    request = CommandRequest(action=Action.REPLAY, wanted=Filter(names=NAMES))
    line = command_line(request)
    assert line == f"titan-console replay --yes {' '.join(NAMES)}"
    first = f"titan-console replay --yes {' '.join(NAMES[:3])}"
    assert shortened(line) == f"{first} … (1,497 more names)"


_Lister = Callable[[LedgerBuilder, tuple[Term, ...]], object]
LISTS: list[_Lister] = [
    lambda made, terms: request_list.ids(
        made.ledger, Query(terms, SortOrder.NEWEST), made.clock.now()
    ),
    lambda made, terms: batch_list.matching(made.ledger, terms, made.clock.now()),
    lambda made, terms: event_list.ids(made.ledger, terms, made.clock.now()),
]


@pytest.mark.parametrize("lister", LISTS)
@pytest.mark.parametrize(
    "line",
    [
        " ".join(["x"] * 1_500),
        "tag:" + ",".join(["x"] * 1_498),
        "!tag:" + ",".join(["x"] * 1_497),
        " ".join(["tag:x"] * 500),
        " ".join(["!wf:x"] * 428),
        " ".join(["!cost>1"] * 375),
        "x" * 3_000,
        "%" * 3_000,
        "\U0001f600" * 3_000,
    ],
)
def test_the_longest_filter_is_one_that_every_list_can_answer(
    tmp_path: Path, line: str, lister: _Lister
) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("daily", ["one", "two"])
    found = parse(line, ALL)
    assert not found.mistakes
    lister(made, found.terms)
    made.close()


def test_a_longer_one_says_so() -> None:
    (mistake,) = parse("tag:" + "one-of-many," * 1_000, ALL).mistakes
    assert mistake.reason == "too long: 12,004 characters, at most 3,000"
