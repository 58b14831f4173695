"""Another server than that of the open batches is refused: its list proves nothing about them."""

from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from msgspec.structs import replace
from support.builders import BASE_URL, KEY, Bench
from support.lifecycle import check_once, poll_until_done

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi
from core.config import titan_file
from core.config.settings import from_environment
from core.engine import Engine
from core.errors import SettingsError
from state.files.folder import Folder
from state.model.records import BatchStatus
from state.queries import batch_list
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.http.transport import client

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
        with pytest.raises(SettingsError, match=f"unfinished batches are on {FIRST}") as refused:
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
    assert "This server is other.example" in (taken.problem or "")
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
