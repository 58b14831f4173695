"""Who is let in: the guard's decisions, and a real server against the ways around them."""

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest
from support.console.example_ledgers import a_busy_ledger
from support.processes.terminal import Terminal
from support.processes.web_server import KEY, LINK, Served, served

from titan_console.web.guard import Guard

PORT = 8765
OURS = f"127.0.0.1:{PORT}"


def token_of(guard: Guard) -> str:
    found = LINK.match(guard.link())
    assert found
    return found[1]


def test_secrets_that_are_no_text_are_refused() -> None:
    guard = Guard(PORT)
    for wrong in ("\udcff\udcfe", "\ud800", guard.session + "\udcff"):
        assert not guard.admits(host=OURS, origin=None, cookie=wrong)
        assert not guard.redeem(host=OURS, token=wrong)


def test_the_cookie_s_name_tells_the_port() -> None:
    assert Guard(1).cookie != Guard(2).cookie


async def test_a_cookie_that_is_no_utf_8_is_refused_without_a_traceback(home: Path) -> None:
    async with served(home) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        name = f"titan_console_{server.port}".encode()
        for path in (b"/", b"/ws", b"/?token=%ff"):
            writer.write(
                b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nCookie: %b=\xff\xfe\r\n\r\n"
                % (path, server.port, name)
            )
            assert b" 403 " in await reader.readline()
            while (await reader.readline()).strip():
                pass
            await reader.readline()
        writer.close()
        server.process.terminate()
        assert server.process.stderr is not None
        assert b"Traceback" not in await server.process.stderr.read()


async def test_what_is_no_http_is_refused_without_a_traceback(home: Path) -> None:
    async with served(home) as server:
        for sent in (
            b"GET /?token=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
            b"\x16\x03\x01\xff\xff",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(sent)
            assert b" 400 " in await reader.readline()
            writer.close()
        server.process.terminate()
        assert server.process.stderr is not None
        assert (await server.process.stderr.read()).count(b"\n") == 1


async def test_no_link_is_printed_where_the_port_is_taken(home: Path) -> None:
    async with served(home) as server:
        second = Terminal(home).run("serve", "--port", str(server.port))
    assert (second.code, second.out, second.err.count("\n")) == (3, "", 1)


def test_a_token_opens_once_and_makes_another() -> None:
    guard = Guard(PORT)
    token = token_of(guard)
    assert not guard.redeem(host="evil.example", token=token)
    assert not guard.redeem(host=OURS, token=token + "x")
    assert not guard.redeem(host=OURS, token=None)
    assert guard.redeem(host=OURS, token=token)
    assert not guard.redeem(host=OURS, token=token)
    assert guard.redeem(host=f"localhost:{PORT}", token=token_of(guard))


@pytest.mark.parametrize(
    ("host", "origin", "is_in"),
    [
        (OURS, None, True),
        (OURS, f"http://{OURS}", True),
        (OURS, f"http://localhost:{PORT}", True),
        ("evil.example", None, False),
        (f"evil.example:{PORT}", f"http://evil.example:{PORT}", False),
        (None, None, False),
        (OURS, "http://evil.example", False),
        (OURS, f"https://{OURS}", False),
        (OURS, f"http://{OURS}.evil.example", False),
        (OURS, "null", False),
        (OURS, "http://[", False),
    ],
)
def test_only_our_own_pages_come_in(host: str | None, origin: str | None, is_in: bool) -> None:
    guard = Guard(PORT)
    cookie = guard.session
    assert guard.admits(host=host, origin=origin, cookie=cookie) == is_in
    assert not guard.admits(host=host, origin=origin, cookie="ü")
    assert not guard.admits(host=host, origin=origin, cookie=None)
    is_in_by_socket = is_in and origin is not None
    assert guard.admits_socket(host=host, origin=origin, cookie=cookie) == is_in_by_socket


@pytest.fixture
def home(tmp_path: Path) -> Path:
    a_busy_ledger(tmp_path).close()
    return tmp_path


async def _status(http: aiohttp.ClientSession, address: str, **headers: str) -> int:
    named = {name.capitalize(): value for name, value in headers.items()}
    async with http.get(address, headers=named, allow_redirects=False) as answer:
        return answer.status


async def test_the_ways_around_are_closed_and_the_link_leads_in(home: Path) -> None:
    async with (
        served(home) as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        console = f"{server.address}/ws"
        for path in ("/", "/ws", "/static/js/textual.js", "/static/", "/?token=guess"):
            assert await _status(http, server.address + path) == 403
        assert await _status(http, server.link, host="evil.example") == 403
        assert await _status(http, server.link) == 302
        assert await _status(http, server.link) == 403
        assert await _status(http, await server.next_link(), host="evil.example:80") == 403
        async with http.get(server.address) as page:
            assert page.status == 200
            assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
            text = await page.text()
        assert "token" not in text
        assert "//" not in text.replace(f"ws://127.0.0.1:{server.port}/ws", "")
        assert await _status(http, f"{server.address}/static/js/textual.js") == 200
        for path in ("/static/", "/static/../server.py", "/static/%2e%2e/server.py", "/download/x"):
            assert await _status(http, server.address + path) in (403, 404)
        assert await _status(http, server.address, host="evil.example") == 403
        assert await _status(http, server.address, origin="http://evil.example") == 403
        for origin in (None, "http://evil.example", "null"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(console, origin=origin)
            assert refused.value.status == 403


async def _console(http: aiohttp.ClientSession, server: Served) -> aiohttp.ClientWebSocketResponse:
    """A console, once it has drawn something."""
    size = "?width=100&height=30"
    opened = await http.ws_connect(f"{server.address}/ws{size}", origin=server.address)
    while not (await opened.receive_bytes(timeout=30)):
        pass
    return opened


async def test_a_flood_and_nonsense_do_not_stop_the_console(home: Path) -> None:
    async with (
        served(home) as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        assert await _status(http, server.link) == 302
        console = await _console(http, server)
        for message in (
            "",
            "{}",
            "[]",
            "7",
            '["resize"]',
            '["resize", {"width": "x"}]',
            '["no", 1]',
            '["ping", ' + "[" * 5000 + "]" * 5000 + "]",
        ):
            await console.send_str(message)
        for width in range(2000):
            await console.send_json(["resize", {"width": 40 + width, "height": -width}])
        await console.send_json(["ping", 42])
        while True:
            answer = await console.receive(timeout=30)
            assert answer.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT)
            if answer.type == aiohttp.WSMsgType.TEXT:
                assert answer.json() == ["pong", 42]
                break
        await console.send_json(["resize", {"width": 90, "height": 25}])
        await console.send_json(["stdin", "q"])
        while (await console.receive(timeout=30)).type == aiohttp.WSMsgType.BINARY:
            pass
        assert console.closed


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [
        int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()
    ]


def _environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def _alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")
async def test_a_console_holds_no_key_and_ends_with_its_server(home: Path) -> None:
    async with (
        served(home) as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        assert await _status(http, server.link) == 302
        await _console(http, server)
        consoles = _children(server.process.pid)
        assert consoles
        assert not any(KEY.encode() in _environment(console) for console in consoles)
        server.process.send_signal(signal.SIGKILL)
        for _ in range(600):
            if not _alive(consoles):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the console outlived its server")


async def test_the_cookie_is_for_this_site_and_no_script(home: Path) -> None:
    async with served(home) as server, aiohttp.ClientSession() as http:
        async with http.get(server.link, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"titan_console_{server.port}=")
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
