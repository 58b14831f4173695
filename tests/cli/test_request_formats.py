"""`submit` with the files that people have: taken in, or refused in one line, and nothing sent."""

import gzip
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import pyzstd
from support.builders import a_request, some_requests
from support.processes.terminal import Ended, Terminal, a_server

from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan

REQUESTS = some_requests(3)
LINES = "\n".join(map(json.dumps, REQUESTS))


def in_api_form(request: dict[str, Any]) -> dict[str, Any]:
    params = {name: value for name, value in request.items() if name != "custom_id"}
    return {"custom_id": request["custom_id"], "params": params}


TAKEN = {
    "array.json": json.dumps(REQUESTS).encode(),
    "pretty.json": "\n".join(json.dumps(request, indent=2) for request in REQUESTS).encode(),
    "joined.jsonl": "".join(map(json.dumps, REQUESTS)).encode(),
    "body.json": json.dumps({"requests": list(map(in_api_form, REQUESTS))}).encode(),
    "powershell.jsonl": LINES.replace("\n", "\r\n").encode("utf-16"),
    "packed.jsonl.gz": gzip.compress(LINES.encode()),
    "packed.jsonl.zst": pyzstd.compress(LINES.encode()),
}
OPENAI = {
    "custom_id": "q-1",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
}
BEDROCK = {"recordId": "q-1", "modelInput": {"anthropic_version": "x", "max_tokens": 50}}
REFUSED = {
    "openai.jsonl": (json.dumps(OPENAI).encode(), "OpenAI"),
    "bedrock.jsonl": (json.dumps(BEDROCK).encode(), "Amazon Bedrock"),
    "cut.jsonl.gz": (gzip.compress(LINES.encode())[:-9], "truncated"),
    "more.jsonl.gz": (gzip.compress(LINES.encode()) + b"more", "after its compressed data"),
    "empty.jsonl": (b"", "empty"),
    "latin.jsonl": (LINES.encode() + b'\n{"custom_id": "\xe9"}', "line 4, column 16: not UTF-8"),
    "id.jsonl": (f"\n\n{json.dumps(a_request('a.b'))}".encode(), "id.jsonl line 3: Request 1"),
    "twice.jsonl": (f"{LINES}\n{LINES}".encode(), "twice.jsonl line 4: Duplicate custom_id"),
}


@pytest.fixture
def shell(tmp_path: Path) -> Generator[tuple[Terminal, Sandbox], None, None]:
    with a_server(Plan.instant()) as (sandbox, address):
        yield Terminal(tmp_path / "home", address), sandbox


def is_refused(done: Ended, said: str) -> None:
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err


@pytest.mark.parametrize("name", TAKEN)
def test_each_layout_is_submitted_under_the_name_of_its_file(
    shell: tuple[Terminal, Sandbox], tmp_path: Path, name: str
) -> None:
    terminal, sandbox = shell
    (tmp_path / name).write_bytes(TAKEN[name])
    planned = terminal.run("submit", str(tmp_path / name), "--dry-run", "--json").json()
    assert (planned["request_count"], planned["tag"]) == (3, name.partition(".")[0])
    done = terminal.run("submit", str(tmp_path / name))
    assert (done.code, done.err) == (0, "Sent 3 requests in 1 batch.\n")
    terminal.run("--poll")
    assert [
        one["outcome"] for one in terminal.run("results", planned["tag"], "--json").lines()
    ] == ["succeeded"] * 3
    assert len(sandbox.billing_log().batches) == 1


def test_the_same_requests_in_another_layout_are_the_same_submission(
    shell: tuple[Terminal, Sandbox], tmp_path: Path
) -> None:
    terminal, sandbox = shell
    for name, content in TAKEN.items():
        (tmp_path / name).write_bytes(content)
        done = terminal.run("submit", str(tmp_path / name), "--tag", "t")
        assert done.code == 0
    assert sandbox.billing_log().creates == 1


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_request_file_is_refused_in_one_line(
    shell: tuple[Terminal, Sandbox], tmp_path: Path, name: str, *, dry_run: bool
) -> None:
    terminal, sandbox = shell
    content, said = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    is_refused(terminal.run("submit", str(tmp_path / name), *["--dry-run"] * dry_run), said)
    assert not sandbox.billing_log().posts
    assert not list((terminal.home / "spool").glob("*"))


def test_a_directory_and_a_named_pipe_are_refused_at_once(
    shell: tuple[Terminal, Sandbox], tmp_path: Path
) -> None:
    terminal, _ = shell
    is_refused(terminal.run("submit", str(tmp_path)), "directory")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        is_refused(terminal.run("submit", str(tmp_path / "pipe")), "is a named pipe")


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="no /dev/stdin")
def test_a_pipe_that_a_shell_has_opened_is_read(shell: tuple[Terminal, Sandbox]) -> None:
    terminal, _ = shell
    submit = ("-m", "titan_console", "submit", "/dev/stdin")
    is_refused(terminal.python(*submit, stdin=LINES), "--tag is required")
    done = terminal.python(*submit, "--tag", "t", stdin=LINES)
    assert (done.code, done.err) == (0, "Sent 3 requests in 1 batch.\n")


def test_parameters_of_an_older_api_version_are_dropped(
    shell: tuple[Terminal, Sandbox], tmp_path: Path
) -> None:
    terminal, sandbox = shell
    older = [a_request(f"a-{n}", temperature=0.5, **({"top_p": 1} if n else {})) for n in range(3)]
    file = tmp_path / "old.jsonl"
    file.write_text("\n".join(map(json.dumps, older)), "utf-8")
    is_refused(terminal.run("submit", str(file)), "--drop NAME removes a parameter")
    is_refused(terminal.run("submit", str(file), "--drop", "temperature,model,messages"), "--drop")
    drop = ("--drop", "temperature,top_p", "--drop", "top_k")
    said = "Removed temperature from 3 requests, top_p from 2 requests, top_k from 0 requests.\n"
    planned = terminal.run("submit", str(file), *drop, "--dry-run", "--json")
    assert (planned.code, planned.err, planned.json()["request_count"]) == (0, said, 3)
    done = terminal.run("submit", str(file), *drop)
    assert (done.code, done.err) == (0, said + "Sent 3 requests in 1 batch.\n")
    assert len(sandbox.billing_log().batches) == 1


def test_edits_come_in_any_layout(shell: tuple[Terminal, Sandbox], tmp_path: Path) -> None:
    terminal, sandbox = shell
    sandbox.faults.add("row:invalid")
    file = tmp_path / "in.jsonl"
    file.write_text(LINES, "utf-8")
    terminal.run("submit", str(file))
    terminal.run("--poll")
    sandbox.faults.clear()
    edits = tmp_path / "edits.json.gz"
    edits.write_bytes(
        gzip.compress(json.dumps([{**r, "max_tokens": 65} for r in REQUESTS]).encode())
    )
    assert terminal.run("replay", "in", "--edits", str(edits), "--yes").code == 0
    terminal.run("--poll")
    assert terminal.run("results", "in").code == 0
    edits.write_text('{"max_tokens": 5}', "utf-8")
    is_refused(terminal.run("replay", "in", "--edits", str(edits), "--yes"), "line 1: a request w")
