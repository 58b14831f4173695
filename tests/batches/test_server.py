"""Another server than that of the open batches is refused: its list proves nothing about them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from msgspec.structs import replace
from support.builders import BASE_URL, KEY, Bench, some_requests
from support.error_codes import code_is
from support.lifecycle import check_once, poll_until_done, requests, staged

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi
from core.commands import planner
from core.commands.command_request import CommandRequest
from core.config import titan_file
from core.config.settings import from_environment
from core.engine import Engine
from core.errors import SettingsError
from core.intake import fallback_files
from core.intake.options import SubmitOptions
from state.batches import leases
from state.files.folder import Folder
from state.model.errors import LedgerUnusable
from state.model.records import BatchStatus, OnFailure, RequestStatus
from state.operations import commands
from state.operations.commands import Action, CommandState, NewCommand
from state.operations.selection import Filter
from state.queries import batch_list
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.http.transport import client

HOUR = timedelta(hours=1)
FIRST, SECOND = "127.0.0.1:1111", "127.0.0.1:2222"


class _Unnamed(httpx2.BaseTransport):
    """Removes what names the account, as a fake or a gateway does."""

    def __init__(self, inner: httpx2.Client) -> None:
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        found = self._inner.send(request)
        for name in ("anthropic-organization-id", "anthropic-workspace-id"):
            found.headers.pop(name, None)
        return found


def _engine(
    bench: Bench, server: str, sandbox: Sandbox | None = None, *, same: tuple[str, ...] = ()
) -> Engine:
    """An engine that talks to that server; to another sandbox, its account is not named."""
    made = client(sandbox or bench.sandbox)
    if sandbox is not None:
        made = httpx2.Client(transport=_Unnamed(made))
    engine = bench.new_engine(api=_api(made))
    return Engine(replace(engine.context, server=server, same_servers=same))


def _api(made: httpx2.Client) -> Callable[[], BatchApi]:
    return lambda: AnthropicApi(api_key=KEY, base_url=BASE_URL, http_client=made)


def _statuses(bench: Bench) -> list[BatchStatus]:
    return [batch.status for batch in batch_list.open_batches(bench.engine.context.ledger)]


@pytest.mark.parametrize("server", [SECOND, "gateway.example", "api.anthropic.com"])
def test_a_dropped_create_is_not_sent_again_to_another_server(bench: Bench, server: str) -> None:
    bench.engine = _engine(bench, FIRST)
    bench.faults.add("create:drop")
    bench.submit(3)
    bench.faults.clear()
    other = Sandbox(bench.clock)
    for _ in range(4):
        bench.clock.advance(900)
        with pytest.raises(SettingsError, match=f"unfinished batches are at {FIRST}") as refused:
            _engine(bench, server, other).poll()
        assert (refused.value.code, str(refused.value).count("\n")) == ("other_server", 0)
    assert _statuses(bench) == [BatchStatus.UNCONFIRMED]
    assert other.billing_log().creates == 0
    poll_until_done(bench)
    check_once(bench, 3)


def test_nothing_is_submitted_to_another_server_while_batches_run(bench: Bench) -> None:
    bench.engine = _engine(bench, "gateway.example")
    bench.submit(2)
    wrong = _engine(bench, "other.example", Sandbox(bench.clock))
    bench.engine, first = wrong, bench.engine
    taken = bench.submit(1, tag="b")
    assert "The server is other.example" in (taken.problem or "")
    bench.engine = first
    poll_until_done(bench)
    assert bench.engine.is_finished("daily-feed")


def test_a_server_that_is_declared_the_same_is_taken(bench: Bench) -> None:
    bench.engine = _engine(bench, "gateway.example")
    bench.submit(2)
    bench.engine = _engine(bench, "new.example", same=("gateway.example",))
    poll_until_done(bench)
    check_once(bench, 2)


def test_a_sandbox_on_another_port_is_the_same_if_it_names_the_account(bench: Bench) -> None:
    bench.engine = _engine(bench, FIRST)
    bench.submit(2)
    bench.engine = _engine(bench, SECOND)
    poll_until_done(bench)
    check_once(bench, 2)


def test_another_server_may_be_used_when_nothing_is_open(bench: Bench) -> None:
    bench.engine = _engine(bench, "gateway.example")
    bench.submit(2)
    poll_until_done(bench)
    bench.engine = _engine(bench, "other.example")
    assert bench.submit(1, tag="b").problem is None


@pytest.mark.parametrize(
    ("base_url", "server"),
    [
        ("https://api.anthropic.com", "api.anthropic.com"),
        ("https://API.anthropic.com:443/", "api.anthropic.com"),
        ("https://gateway.example:8080/anthropic/", "gateway.example:8080/anthropic"),
        ("http://[::1]:80", "[::1]"),
        ("http://127.0.0.1:9470", "127.0.0.1:9470"),
    ],
)
def test_a_server_is_host_port_and_path(base_url: str, server: str) -> None:
    assert from_environment({"TITAN_HOME": "/x", "ANTHROPIC_BASE_URL": base_url}).server == server


def test_titan_toml_declares_it(tmp_path: Path) -> None:
    (tmp_path / "titan.toml").write_text('[api]\nsame_server = ["old.example:8080"]\n')
    rules = titan_file.read(Folder(tmp_path))
    assert (rules.api.same_server, rules.problems) == (("old.example:8080",), ())
    (tmp_path / "titan.toml").write_text("[api]\nsame_server = 3\n")
    assert titan_file.read(Folder(tmp_path)).problems


def _wrong_server(bench: Bench, name: str = "other.example") -> Sandbox:
    """From now on the bench's engine talks to another server; batches run at the first."""
    other = Sandbox(bench.clock)
    bench.engine = _engine(bench, name, other)
    return other


@pytest.mark.parametrize(
    ("first", "second"), [("gateway.example", "other.example"), (FIRST, SECOND)]
)
def test_nothing_runs_synchronously_at_another_server(
    bench: Bench, first: str, second: str
) -> None:
    bench.engine = _engine(bench, first)
    bench.submit(2)
    right = bench.engine
    leases.set_hold(right.context.ledger, "create", until=bench.clock.now() + HOUR, reason="x")
    other = _wrong_server(bench, second)
    taken = bench.submit(1, tag="b", on_failure=OnFailure.SYNC)
    assert f"The server is {second}" in (taken.problem or "")
    assert other.billing_log().messages == ()
    leases.end_hold(right.context.ledger, "create", reason="x")
    bench.engine = right
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}


def test_a_fallback_file_is_not_run_at_another_server(bench: Bench) -> None:
    bench.engine = _engine(bench, "gateway.example")
    bench.submit(2)
    options = SubmitOptions(tag="b", on_failure=OnFailure.SYNC)
    lost = LedgerUnusable("locked")
    kept = fallback_files.save(
        bench.folder, some_requests(1), options, clock=bench.clock, actor="t", error=lost
    )
    other = Sandbox(bench.clock)
    api = _api(client(other))()
    with pytest.raises(SettingsError, check=code_is("other_server")):
        fallback_files.run_sync(bench.folder, kept, api, bench.clock, server="other.example")
    assert other.billing_log().messages == ()
    assert (
        fallback_files.run_sync(
            bench.folder, kept, bench.api(), bench.clock, server="gateway.example"
        )
        is None
    )


class _Counted(_Unnamed):
    """Notes each call."""

    def __init__(self, inner: httpx2.Client) -> None:
        super().__init__(inner)
        self.calls: list[str] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(f"{request.method} {request.url.path}")
        return super().handle_request(request)


def _cancel(bench: Bench, tag: str) -> None:
    context = bench.engine.context
    wanted = CommandRequest(action=Action.CANCEL, wanted=Filter(names=(tag,)))
    planner.submit(context, planner.plan(context, wanted), delay=timedelta())


def test_a_refused_poll_calls_nothing_more_and_does_the_local_work(bench: Bench) -> None:
    bench.engine = _engine(bench, "gateway.example")
    bench.submit(2, tag="ended")
    bench.submit(2, tag="open")
    context = bench.engine.context
    leases.set_hold(context.ledger, "create", until=bench.clock.now() + HOUR, reason="x")
    bench.submit(2, tag="queued")
    _cancel(bench, "open")
    _cancel(bench, "queued")
    counted = _Counted(client(Sandbox(bench.clock)))
    engine = bench.new_engine(api=_api(httpx2.Client(transport=counted)))
    wrong = Engine(replace(engine.context, server="other.example"))
    bench.clock.advance(7200)
    with pytest.raises(SettingsError, check=code_is("other_server")):
        wrong.poll()
    assert counted.calls == ["GET /v1/messages/batches"]
    states = {command.state for command in commands.latest(context.ledger, limit=9)}
    assert states == {CommandState.RUNNING, CommandState.DONE}
    assert [row["outcome"] for row in staged(bench)] == ["canceled"] * 2
    assert len(list(bench.folder.backups.glob("*.db"))) == 1
    poll_until_done(bench)
    assert bench.engine.is_finished("ended")


def test_a_sync_on_another_server_takes_nothing_out_of_its_batch(bench: Bench) -> None:
    bench.engine = _engine(bench, "gateway.example")
    bench.submit(4)
    context = bench.engine.context
    (first, *_) = [int(row[0]) for row in context.ledger.rows("SELECT id FROM requests")]
    wanted = NewCommand(
        action=Action.SYNC, items=[first], reason="t", not_before=context.clock.now()
    )
    commands.enqueue(context.ledger, wanted)
    with pytest.raises(SettingsError, check=code_is("other_server")):
        _engine(bench, "other.example", Sandbox(bench.clock)).poll()
    assert requests(bench) == {RequestStatus.IN_FLIGHT: 4}
