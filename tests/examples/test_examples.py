"""Every example, from its submission through a poll to what it prints, on a real server."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.processes.terminal import Ended, Terminal, a_server

from core.config.titan_file import template
from core.config.titan_tables import parse

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path for path in EXAMPLES.glob("*.py") if path.name != "inputs.py")


@dataclass(frozen=True)
class Day:
    """What a day of all the jobs came to."""

    terminal: Terminal
    submitted: dict[str, Ended]
    again: Ended
    polled: Ended
    creates: int


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Generator[Day, None, None]:
    """Every job submits under the template's rules and without a key; then two polls."""
    root = tmp_path_factory.mktemp("examples")
    with a_server() as (sandbox, address):
        jobs = Terminal(root / "home", address, api_key=None)
        assert jobs.run("jobs", "init").code == 0
        submitted = {path.stem: jobs.program(path) for path in PROGRAMS}
        again = jobs.program(EXAMPLES / "titan_daily_feed.py")
        terminal = Terminal(root / "home", address)
        assert terminal.run("--poll", "--json").json()["sent"] == len(PROGRAMS)
        polled = terminal.run("--poll", "--json")
        yield Day(terminal, submitted, again, polled, sandbox.billing_log().creates)


def test_every_job_of_the_template_has_its_example() -> None:
    assert {path.stem.replace("_", "-") for path in PROGRAMS} == set(parse(template()).jobs)
    table = (EXAMPLES / "README.md").read_text("utf-8")
    assert all(f"`{path.name}`" in table for path in PROGRAMS)


@pytest.mark.parametrize("name", [path.stem for path in PROGRAMS])
def test_an_example_submits_and_prints_its_results(day: Day, name: str) -> None:
    submitted = day.submitted[name]
    assert submitted.code == 0, submitted.err
    assert submitted.out.startswith("tb_")
    done = day.terminal.program(EXAMPLES / f"{name}.py", "--collect")
    assert done.code == 0, done.err
    assert done.out.strip()
    assert "errored" not in done.out
    (staged,) = day.terminal.home.glob(f"staging/{name.replace('_', '-')}-results-*.jsonl")
    assert staged.read_text("utf-8").count('"succeeded"') == len(staged.read_bytes().splitlines())


def test_submitting_twice_sends_once(day: Day) -> None:
    assert day.again.out == day.submitted["titan_daily_feed"].out
    assert day.polled.code == 0
    assert day.creates == len(PROGRAMS)


def test_with_a_key_a_job_sends_at_once_what_its_own_folder_holds(tmp_path: Path) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"Article {number}. " + "All about networks. " * 9)
    with a_server() as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        program = str(EXAMPLES / "titan_daily_feed.py")
        assert terminal.python(program, "--input", str(folder)).code == 0
        assert sandbox.billing_log().creates == 1
        done = terminal.python(program, "--collect")
        assert len(done.out.splitlines()) == 3
