"""The proposed change of a Python job: valid, never applied, and it works."""

import ast
import subprocess
from pathlib import Path

import pytest
from support.made_home import JOB
from support.processes.terminal import Terminal, a_server

from core.scan.python_change import Change, change_of
from titan_console.sandbox.model.timing import Plan

LOOP = """import anthropic
def main(client, texts):
    for number, text in enumerate(texts):
        if not text:
            continue
        answer = client.messages.create(
            model="m", max_tokens=5, timeout=60, **EXTRA,
            messages=[
                {"role": "user", "content": text},
            ],
        )
        print(number, "ü", answer.content[0].text, answer.usage.output_tokens, answer.id, answer)
"""


def changed(code: str, tmp_path: Path, job: str = "pages") -> tuple[str, Change]:
    """The script after the change, applied by `patch`."""
    change = change_of(code, "job.py", job)
    (tmp_path / "job.py").write_text(code, "utf-8")
    done = subprocess.run(
        ["patch", "-s", "job.py"], input=change.diff.encode(), cwd=tmp_path, check=False
    )
    assert done.returncode == 0
    return (tmp_path / "job.py").read_text("utf-8"), change


def test_a_loop_becomes_requests_and_a_loop_over_results(tmp_path: Path) -> None:
    after, change = changed(LOOP, tmp_path)
    ast.parse(after)
    assert change.by_hand == []
    assert 'key = titan_batch.submit(requests, tag=f"pages-{today}")' in after
    assert "inputs[custom_id] = number, text" in after
    assert 'number, text = inputs[result["custom_id"]]' in after
    assert (
        'print(number, "ü", result["text"], result["usage"]["output_tokens"],'
        ' result["message"]["id"], result["message"])'
    ) in after
    assert "timeout" not in after
    assert "**EXTRA," in after


def test_the_changed_job_runs_against_the_sandbox(tmp_path: Path) -> None:
    after, _ = changed(JOB, tmp_path, "translate-pages")
    (tmp_path / "pages.py").write_text(
        "def pages():\n    return ['one', 'two']\n"
        "def store(*values):\n    print('STORED', *values[:1], bool(values[1]), values[2] > 0)\n",
        "utf-8",
    )
    assert after != JOB
    with a_server(Plan.instant()) as (_, address):
        terminal = Terminal(tmp_path / "titan", address)
        done = terminal.python("job.py")
        shown = terminal.run("status", "--json").json()
    assert done.code == 0, done.err
    assert done.out.splitlines() == ["STORED one True True", "STORED two True True"]
    assert shown["totals"]["requests"] == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def f(c):\n    return c.messages.create(model='m')\n", "larger expression"),
        ("x = [c.messages.create(model='m') for a in b]\n", "larger expression"),
        ("def f(c):\n    a = c.messages.create(model='m')\n    return a\n", "returns its answer"),
        ("a = c.messages.create(model='m', stream=True)\n", "streams"),
        ("a = c.messages.create(model='m', system='''a\nb''')\n", "several lines"),
    ],
)
def test_what_cannot_be_rewritten_is_named_with_its_line(code: str, words: str) -> None:
    change = change_of(code, "job.py", "x")
    assert change.diff == ""
    assert len(change.by_hand) == 1
    assert change.by_hand[0].startswith("line ")
    assert words in change.by_hand[0]


def test_two_calls_have_names_of_their_own(tmp_path: Path) -> None:
    code = "a = c.messages.create(model='m')\nprint(a.id)\n"
    function = "def f(c):\n    b = c.messages.create(model='n')\n    print(b)\n"
    after, _ = changed(f"{function}\n{code}", tmp_path)
    assert "pages-{today}" in after
    assert "pages-2-{today}" in after


@pytest.mark.parametrize("code", ["", "print(1)\n", "client.messages.stream(x)\n"])
def test_a_script_without_a_call_has_no_change(code: str) -> None:
    assert change_of(code, "job.py", "x") == Change()


def test_a_script_that_is_no_python_is_an_error() -> None:
    with pytest.raises(SyntaxError):
        change_of("print 1", "job.py", "x")
