"""A key in use is in nothing that is stored or shown, whatever its format; words stay whole."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from support.builders import BASE_URL, JOB_WITH_HOOK, Bench, a_bench, client, some_requests
from support.processes.terminal import Terminal

from core.api.client import AnthropicApi
from core.config.settings import forget_key, from_environment
from core.delivery import run_command
from core.errors import ApiError
from core.intake.options import SubmitOptions
from core.redaction import redact, redact_bytes, remember
from titan_console.session import console_crash_log

KEY = 'plain"key-of-a-gateway'


class Echoing(httpx2.BaseTransport):
    """A gateway that echoes the key in the errors of single requests."""

    def __init__(self, inner: httpx2.Client) -> None:
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answered = self._inner.send(request)
        headers = {k: v for k, v in answered.headers.items() if "content-" not in k}
        body = answered.content.replace(b'"Overloaded"', json.dumps(f"bad {KEY}!").encode())
        return httpx2.Response(answered.status_code, headers=headers, content=iter([body]))


def with_gateway(bench: Bench) -> None:
    http = httpx2.Client(transport=Echoing(client(bench.sandbox)))
    bench.engine = bench.new_engine(
        api=lambda: AnthropicApi(api_key=KEY, base_url=BASE_URL, http_client=http)
    )


def test_a_key_in_the_error_of_a_result_is_stored_nowhere(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan") as bench:
        with_gateway(bench)
        bench.faults.add("row:overloaded:p=1")
        bench.engine.submit(some_requests(2), SubmitOptions(tag="t"))
        for _ in range(3):
            bench.poll_after(900)
        results = json.dumps(list(bench.engine.results("t")))
    terminal = Terminal(tmp_path / "titan")
    shown = [terminal.run(*words).out for words in (["errors"], ["export", "t"], ["events"])]
    files = [path.read_bytes() for path in (tmp_path / "titan").rglob("*") if path.is_file()]
    for text in (*(raw.decode("latin-1") for raw in files), *shown, results):
        assert "key-of-a-gateway" not in text
    assert "bad (key)!" in results
    assert "bad (key)!" in shown[0]
    assert b"bad (key)!" in (tmp_path / "titan" / "batch-errors.jsonl").read_bytes()


def test_a_key_in_a_hook_s_output_is_stored_nowhere(tmp_path: Path) -> None:
    remember(KEY)
    program = "import sys; sys.exit('+ curl -H ' + sys.argv[1])"
    with a_bench(tmp_path / "titan") as bench:
        bench.folder.root.mkdir(exist_ok=True)
        command = json.dumps([sys.executable, "-c", program, f"x-api-key: {KEY}"])
        settings = JOB_WITH_HOOK.format(command=command)
        (bench.folder.root / "titan.toml").write_text(settings, "utf-8")
        bench.submit(1, tag="t")
        (problem,) = bench.poll_after(900).problems
        rows = bench.engine.context.ledger.rows("SELECT problem FROM hook_runs")
    assert "x-api-key: (key)" in problem
    assert "gateway" not in problem + str([tuple(row) for row in rows])


def test_a_key_that_the_tail_of_an_output_cuts_in_two_is_left_out(tmp_path: Path) -> None:
    remember(KEY)
    program = f"import sys; sys.exit({KEY!r} + ' ' * {4096 - 10} + 'end')"
    ended = run_command.run(
        [sys.executable, "-c", program], folder=tmp_path, environment={}, timeout_s=30
    )
    assert ended.problem == "exit code 1: end"


def test_a_crash_log_has_no_key(tmp_path: Path) -> None:
    remember(KEY)
    error = ValueError(f"refused {KEY} and sk-ant-api03-x")
    written = console_crash_log.write(tmp_path, error, datetime(2026, 11, 22, tzinfo=UTC))
    assert written
    assert "refused (key) and (key)" in written.read_text("utf-8")


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_the_credentials_of_the_environment_are_known(name: str) -> None:
    secret = f"secret-of-{name.lower()}"
    from_environment({name: secret})
    assert redact(f"x{secret}y") == "x(key)y"
    forget_key()
    assert redact(secret) == secret


@pytest.mark.parametrize("key", ["k", "e", "any", "sandbox"])
def test_a_short_key_damages_no_text(key: str) -> None:
    said = "x-api-key header missing at any Gateway of a sandbox"
    error = {"type": "error", "error": {"type": "api_error", "message": said}}
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(500, json=error)))
    api = AnthropicApi(api_key=key, base_url=BASE_URL, http_client=http)
    with pytest.raises(ApiError, match=said):
        api.retrieve("msgbatch_1")


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    raw = b"\xff\xfe sk-ant-x \x80"
    assert redact_bytes(raw) == b"\xff\xfe (key) \x80"
    assert redact_bytes(b"\xff\x00") == b"\xff\x00"
