"""`titan-console demo`: a demo on sample texts, without an API key."""

import subprocess
import sys
import tempfile
from pathlib import Path

import click

from core.config.settings import Settings, forget_key
from core.config.toml_reader import FILE
from state.files.folder import make_private
from state.model.errors import TitanError
from titan_console.cli import progress
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo, is_terminal, json_option, print_json
from titan_console.cli.stderr import print_stderr
from titan_console.demo import texts
from titan_console.demo.jobs import DAYS
from titan_console.demo.texts import Text
from titan_console.session.poll_helper import PollHelper


@click.command
@click.option(
    "--input",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with your own texts. Default: docstrings of the Python standard library.",
)
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same answers.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the ledger. Default: a new temporary folder.",
)
@click.option(
    "--print", "printed", is_flag=True, help="Print a summary instead of opening the console."
)
@click.option(
    "--live", is_flag=True, hidden=True, help="Internal: keeps the jobs running behind the console."
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    folder: Path | None,
    seed: int,
    home: Path | None,
    printed: bool,
    live: bool,
    as_json: bool,
) -> None:
    """Run three jobs on real texts against an emulated API, and show the savings.

    On a terminal, opens the console with a month of past jobs, while new jobs keep running. Try
    replay, cancel and synchronous runs; quit with q. --print prints a summary instead, within a
    minute.
    """
    _require_unused(home)
    home = (home or Path(tempfile.mkdtemp(prefix="titan-demo-"))).absolute()
    if live:
        _live(home, _texts(folder), seed)
    elif printed or as_json or not is_terminal(sys.stdout):
        _play(home, folder, seed, as_json=as_json)
    else:
        _play_in_console(home, folder, seed)
    ctx.exit(Exit.DONE)


def _require_unused(home: Path | None) -> None:
    """The demo must not write into a folder that a real poller uses."""
    used = [name for name in ("titan.db", FILE) if home is not None and (home / name).exists()]
    if used:
        raise click.UsageError(
            f"{home} already contains {used[0]}; the demo needs an unused folder:"
            " choose another --home or omit it"
        )


def _play(home: Path, folder: Path | None, seed: int, *, as_json: bool) -> None:
    from titan_console.cli.demo_summary import print_summary, report  # noqa: PLC0415 - with the engine
    from titan_console.demo.play import play  # noqa: PLC0415 - loads the engine

    def say_step(line: str) -> None:
        (print_stderr if as_json else echo)(line)

    found = _texts(folder)
    source = str(folder) if folder else "the standard library's docstrings"
    say_step(f"Read {len(found):,} texts from {source}.")
    play(home, found, seed=seed, say=say_step)
    if as_json:
        print_json(report(home))
    else:
        print_summary(home)


def _texts(folder: Path | None) -> list[Text]:
    return texts.folder(folder) if folder else texts.standard_library()


def _live(home: Path, texts: list[Text], seed: int) -> None:
    """Runs in its own process because the console never calls the API."""
    from titan_console.demo.live import run, tell_parent  # noqa: PLC0415 - loads the engine

    run(home, texts, seed=seed, tell=tell_parent)


def _play_in_console(home: Path, folder: Path | None, seed: int) -> None:
    from titan_console.cli.demo_summary import print_summary  # noqa: PLC0415 - only at the end
    from titan_console.tui.app import run  # noqa: PLC0415 - loads Textual

    arguments = ["demo", "--live", "--home", str(home), "--seed", str(seed)]
    if folder:
        arguments += ["--input", str(folder)]
    make_private(home)
    player = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-P", "-m", "titan_console", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    helper: PollHelper | None = None
    try:
        address = _wait_for_history(player)
        helper = PollHelper(Settings(home=home, base_url=address, api_key="sandbox"))
        forget_key()
        run(home, poll_runner=helper, is_demo=True)
    finally:
        player.terminate()
        player.wait()
        if helper is not None:
            helper.close()
    if (home / "titan.db").exists():
        print_summary(home)


def _wait_for_history(player: "subprocess.Popen[str]") -> str:
    """Show progress while the past month is created; returns the sandbox's address."""
    with progress.shown() as bar:
        for line in player.stdout or ():
            if not line.strip().isdecimal():
                return line.strip()
            bar("running a month of past jobs", int(line), DAYS)
    raise TitanError("The demo's jobs did not start; run `titan-console demo --print` to see why.")
