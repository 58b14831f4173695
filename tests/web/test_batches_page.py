"""The page of the batches: HTML without scripts and the same as JSON, mounted or served alone."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner
from msgspec import to_builtins
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.routing import Mount
from support.console.console_builders import Failure, LedgerBuilder
from support.console.example_ledgers import a_busy_ledger
from support.processes.web_server import served

from core.reporting import status_report
from state.files.folder import Folder
from state.operations import alerts
from titan_console.cli.main import cli
from titan_console.web import batches_html, batches_report
from titan_console.web.batches import App, batches_app

HOSTILE = "<script>alert(1)</script>&\"'\x1b[2J"


async def asked(app: App, path: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    """Status, headers and body, as a server gets them."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "root_path": ""}
    await app(scope | {"query_string": b"", "headers": []}, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(one.get("body", b"") for one in sent[1:]).decode()


async def test_the_page_has_no_script_and_shows_texts_as_texts(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    (tmp_path / "titan.toml").write_text('[console]\nname = "<b>prod"\n')
    made.submit("open-one", 3)
    made.collected("feed", 3, [Failure(message=HOSTILE)])
    alerts.update(made.ledger, [("errors", "day", HOSTILE), ("kpi", "x", "muted one")])
    (_, kpi) = alerts.raised(made.ledger)
    alerts.silence(made.ledger, [kpi.id], who="ops", until_ts=None)
    app = Starlette(routes=[Mount("/batches", batches_app(tmp_path, made.clock))])
    status, headers, html = await asked(app, "/batches/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"].startswith("default-src 'none';")
    assert "<script" not in html
    assert "<b>prod" not in html
    assert "\x1b" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    for text in ("open-one", "Errored", "KPIs", "Batch share", "saved (30 d)"):
        assert text in html
    assert "muted one" not in html
    assert 'href="/batches/batches.json"' in html
    made.close()


def test_a_replay_and_small_sums_are_named_as_in_the_console(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("feed", 1, cost_nano=20_000)
    found = batches_report.read(Folder(tmp_path), made.clock)
    made.close()
    assert found.replays == []
    html = batches_html.page(found, "", "batches.json")
    assert ">batch<" in html
    assert "&lt;$0.0001" in html
    again = replace(found, replays=[found.ended[0].batch_id])
    assert ">replay<" in batches_html.page(again, "", "batches.json")


async def test_the_json_is_that_of_the_commands(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    app = Starlette(routes=[Mount("/batches", batches_app(tmp_path, made.clock))])
    status, headers, body = await asked(app, "/batches/batches.json")
    found = json.loads(body)
    now_ts = made.ledger.now_text()
    assert (status, headers["content-type"]) == (200, "application/json")
    assert found["status"] == json.loads(
        json.dumps(to_builtins(status_report.status(made.ledger, now_ts=now_ts)))
    )
    assert set(found) == {"at", "status", "ended", "replays", "errors", "savings", "kpis"}
    assert len(found["kpis"]) == 6
    assert [one["tag"] for one in found["ended"]][:2] == ["alt-texts-1", "entities-backfill"]
    made.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/", 405), ("DELETE", "/batches.json", 405), ("GET", "/x", 404), ("HEAD", "/", 200)],
)
async def test_it_only_reads(tmp_path: Path, method: str, path: str, status: int) -> None:
    made = a_busy_ledger(tmp_path)
    app = batches_app(tmp_path, made.clock)
    answered, _, body = await asked(app, path, method)
    assert answered == status
    assert method != "HEAD" or not body
    made.close()


async def test_without_a_ledger_it_says_so(tmp_path: Path) -> None:
    status, _, body = await asked(batches_app(tmp_path), "/")
    assert status == 503
    assert body.startswith("The ledger cannot be read: ")
    assert body.count("\n") == 1


async def test_served_alone_it_needs_the_link(tmp_path: Path) -> None:
    a_busy_ledger(tmp_path).close()
    async with (
        served(tmp_path, "--page") as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client,
    ):
        for path in ("/", "/batches.json", "/?token=wrong"):
            async with client.get(f"{server.address}{path}") as refused:
                assert refused.status == 403
        async with client.get(server.link) as page:
            assert page.status == 200
            assert "moderation-sweep" in await page.text()
        async with client.get(f"{server.address}/batches.json") as data:
            assert data.status == 200
        async with client.get(f"{server.address}/", headers={"Host": "evil.example"}) as refused:
            assert refused.status == 403
        async with client.get(f"{server.address}/", headers={"Origin": "http://evil"}) as refused:
            assert refused.status == 403


def test_a_page_takes_no_commands() -> None:
    done = CliRunner().invoke(cli, ["serve", "--page", "--write"])
    assert (done.exit_code, "read-only" in done.output) == (2, True)
