"""poller.env as editors, PowerShell and people write it; nothing in it is run or shown."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.env_file import line, parse

KEY = "sk-ant-very-secret"


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        (b"ANTHROPIC_API_KEY=sk-ant-1\n", {"ANTHROPIC_API_KEY": "sk-ant-1"}),
        (b"\xef\xbb\xbfA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2".encode("utf-16"), {"A": "1", "B": "2"}),
        ("\ufeffA=1\n".encode("utf-16-be"), {"A": "1"}),
        (b"A=1\rB=2\r", {"A": "1", "B": "2"}),
        (b"# note\n\n  export A = 1\nexport B=2 # why\n", {"B": "2"}),
        (
            b'A=\'one # two\'\nB="say \\"x\\" $HOME `id`" # note\n',
            {"A": "one # two", "B": 'say "x" $HOME `id`'},
        ),
        (
            b'H="A: 1\\nB: 2"\nI="A: 1\nB: 2"\nJ=3\n',
            {"H": "A: 1\nB: 2", "I": "A: 1\nB: 2", "J": "3"},
        ),
        (b"P=C:\\certs\\new.pem\nQ='C:\\new'\n", {"P": "C:\\certs\\new.pem", "Q": "C:\\new"}),
        (b"A=$(touch /tmp/x)\nB=a#b\nC=\n", {"A": "$(touch /tmp/x)", "B": "a#b", "C": ""}),
        (b"A=1\nA=2\n", {"A": "2"}),
        (b"", {}),
    ],
)
def test_it_is_read_as_sh_and_systemd_would_without_running_it(
    raw: bytes, values: dict[str, str]
) -> None:
    assert parse(raw).values == values


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (f"A=1\n{KEY}\n".encode(), "line 2"),
        (f"A=1\nB='{KEY}\nC=3\n".encode(), "line 2"),
        (f"A=1\nANTHROPIC API KEY={KEY}\n".encode(), "line 2"),
        (f"A={KEY}\n".encode("utf-16-le"), "UTF-8"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line_alone(raw: bytes, number: str) -> None:
    found = parse(raw)
    (problem,) = found.problems
    assert number in problem
    assert KEY not in problem


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff")).map(str.strip))
def test_a_line_that_is_written_is_read_again(value: str) -> None:
    found = parse(f"{line('A', value)}\n".encode())
    assert (found.values, found.problems) == ({"A": value}, ())


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs sh")
@pytest.mark.parametrize("value", ["https://h/x?a=b", "a, b", 'it\'s $HOME `id` "x" \\', "[::1],~"])
def test_sh_reads_the_same_from_it(value: str) -> None:
    script = f'{line("A", value)}\nprintf %s "$A"'
    assert (
        subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
        == value
    )
