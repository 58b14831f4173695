"""A key of another organisation or workspace: its 404s are no lost batches."""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from support.builders import BASE_URL, START, Bench
from support.error_codes import code_is
from support.lifecycle import check_once, poll_until_done, requests

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi
from core.batches import account_check
from core.clock import ManualClock
from core.engine import Engine
from core.errors import SettingsError
from core.intake.options import SubmitOptions
from state.model.records import BatchStatus, RequestStatus
from state.queries import batch_list
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.transport import client
from titan_console.sandbox.model.timing import Plan

OURS, THEIRS = "sk-ant-ours", "sk-ant-theirs"


@pytest.fixture
def two(tmp_path: Path) -> Generator[Bench, None, None]:
    """A bench whose API has two workspaces; `engine` has the key of the first."""
    made = Bench(tmp_path / "titan")
    made.clock = ManualClock(START)
    made.faults = Faults()
    made.sandbox = Sandbox(
        made.clock,
        plan=Plan.seconds(60, 60),
        faults=made.faults,
        keys={OURS: "ours", THEIRS: "theirs"},
    )
    made.engine = made.new_engine("ours", api=_api(made, OURS))
    yield made
    made.close()


def _api(bench: Bench, key: str) -> Callable[[], BatchApi]:
    return lambda: AnthropicApi(api_key=key, base_url=BASE_URL, http_client=client(bench.sandbox))


def _wrong(bench: Bench) -> Engine:
    return bench.new_engine("theirs", api=_api(bench, THEIRS))


def _everything(bench: Bench) -> list[tuple[object, ...]]:
    rows = bench.engine.context.ledger.rows("SELECT * FROM batches ORDER BY id")
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("days", [0, 2, 28])
def test_a_poll_with_the_wrong_key_is_refused_and_changes_nothing(two: Bench, days: int) -> None:
    two.submit(3)
    two.clock.advance(days * 86_400 + 120)
    before = _everything(two)
    with pytest.raises(SettingsError, check=code_is("other_account")):
        _wrong(two).poll()
    assert _everything(two) == before
    poll_until_done(two)
    check_once(two, 3)


def test_the_line_names_both_accounts(two: Bench) -> None:
    two.submit(1)
    (batch,) = batch_list.open_batches(two.engine.context.ledger)
    with pytest.raises(SettingsError) as refused:
        _wrong(two).poll()
    theirs = two.sandbox._access.headers("theirs")["anthropic-workspace-id"]
    assert batch.account is not None
    assert batch.account in str(refused.value)
    assert theirs in str(refused.value)


def test_an_unanswered_create_is_not_proved_absent_in_another_workspace(two: Bench) -> None:
    two.faults.add("create:drop:times=1")
    two.submit(2)
    wrong = _wrong(two)
    for _ in range(5):
        two.clock.advance(900)
        with pytest.raises(SettingsError):
            wrong.poll()
    assert [b.status for b in batch_list.open_batches(two.engine.context.ledger)] == [
        BatchStatus.UNCONFIRMED
    ]
    poll_until_done(two)
    check_once(two, 2)
    assert two.sandbox.billing_log().creates == 1


def test_results_invisible_to_another_workspace_are_kept_pending(two: Bench) -> None:
    two.faults.add("results:500")
    two.submit(1)
    two.poll_after(120)
    two.faults.clear()
    two.clock.advance(28 * 86_400)
    with pytest.raises(SettingsError, check=code_is("other_account")):
        _wrong(two).poll()
    two.clock.advance(3600)
    assert two.engine.poll().collected == 1
    assert requests(two) == {RequestStatus.SUCCEEDED: 1}


def test_nothing_is_sent_to_another_account_while_batches_run(two: Bench) -> None:
    two.submit(1)
    wrong = _wrong(two)
    taken = wrong.submit([{**_request(), "custom_id": "b"}], SubmitOptions(tag="other"))
    assert "The API key belongs to" in (taken.problem or "")
    assert two.sandbox.billing_log().creates == 1
    poll_until_done(two)
    assert two.sandbox.billing_log().creates == 2


def test_a_new_account_may_be_used_when_nothing_is_open(two: Bench) -> None:
    two.submit(1)
    poll_until_done(two)
    wrong = _wrong(two)
    assert (
        wrong.submit([{**_request(), "custom_id": "b"}], SubmitOptions(tag="other")).problem is None
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("o/w", "o/w", True), ("o", "o/w", True), ("o/w", "o/x", False), ("p/w", "o/w", False)],
)
def test_what_an_answer_leaves_out_is_no_difference(one: str, other: str, *, same: bool) -> None:
    assert account_check._is_same(one, other) is same


def _request() -> dict[str, object]:
    return {"max_tokens": 9, "messages": [{"role": "user", "content": "Hello."}]}
