"""`titan-console demo`: see it work, without a key."""

import subprocess
import sys
import tempfile
from pathlib import Path

import click

from core.config.settings import Settings, forget_key
from core.config.toml_reader import FILE
from state.model.errors import TitanError
from titan_console.cli import progress
from titan_console.cli.diagnostics import Exit
from titan_console.cli.output import print_json
from titan_console.demo import texts
from titan_console.demo.jobs import DAYS
from titan_console.demo.texts import Text
from titan_console.session.poll_runner import Keeper


@click.command
@click.option(
    "--input",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of your own texts. Default: the standard library's docstrings.",
)
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same answers.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put the ledger. Default: a new temporary folder.",
)
@click.option("--print", "printed", is_flag=True, help="Print only, also on a terminal.")
@click.option("--live", is_flag=True, hidden=True, help="For the console's demo: play on.")
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as one JSON object.")
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
    """Run three jobs on real texts through a sandbox, and show what it saved.

    On a terminal it opens the console on a month of such jobs and on new ones that go on until q
    leaves it; replay, cancel and force sync work. Printed, it takes under a minute.
    """
    _refuse_what_is_used(home)
    home = home or Path(tempfile.mkdtemp(prefix="titan-demo-"))
    if live:
        _live(home, _texts(folder), seed)
    elif printed or as_json or not sys.stdout.isatty():
        _play(home, folder, seed, as_json=as_json)
    else:
        _play_behind_the_console(home, folder, seed)
    ctx.exit(Exit.DONE)


def _refuse_what_is_used(home: Path | None) -> None:
    """The demo writes into its folder what no real poll may find there."""
    used = [name for name in ("titan.db", FILE) if home is not None and (home / name).exists()]
    if used:
        raise click.UsageError(
            f"{home} has a {used[0]} already, and the demo wants a folder of its own:"
            " name another one, or leave --home out"
        )


def _play(home: Path, folder: Path | None, seed: int, *, as_json: bool) -> None:
    from titan_console.cli.demo_summary import report, tell  # noqa: PLC0415 - with the engine
    from titan_console.demo.play import play  # noqa: PLC0415 - loads the engine

    def tell_step(line: str) -> None:
        click.echo(line, err=as_json)

    found = _texts(folder)
    source = str(folder) if folder else "the standard library's docstrings"
    tell_step(f"{len(found):,} texts from {source}.")
    play(home, found, seed=seed, say=tell_step)
    if as_json:
        print_json(report(home))
    else:
        tell(home)


def _texts(folder: Path | None) -> list[Text]:
    return texts.folder(folder) if folder else texts.standard_library()


def _live(home: Path, texts: list[Text], seed: int) -> None:
    """In a process of its own, for the console never speaks to the API."""
    from titan_console.demo.live import run, tell_parent  # noqa: PLC0415 - loads the engine

    run(home, texts, seed=seed, tell=tell_parent)


def _play_behind_the_console(home: Path, folder: Path | None, seed: int) -> None:
    from titan_console.cli.demo_summary import tell  # noqa: PLC0415 - only at the end
    from titan_console.tui.app import run  # noqa: PLC0415 - loads Textual

    arguments = ["demo", "--live", "--home", str(home), "--seed", str(seed)]
    if folder:
        arguments += ["--input", str(folder)]
    home.mkdir(parents=True, exist_ok=True)
    player = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-P", "-m", "titan_console", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    keeper: Keeper | None = None
    try:
        address = _wait_for_the_past(player)
        keeper = Keeper(Settings(home=home, base_url=address, api_key="sandbox"))
        forget_key()
        run(home, polls=keeper)
    finally:
        player.terminate()
        player.wait()
        if keeper is not None:
            keeper.close()
    if (home / "titan.db").exists():
        tell(home)


def _wait_for_the_past(player: "subprocess.Popen[str]") -> str:
    """Show how the month comes about; the address of the sandbox in which the jobs go on."""
    with progress.shown() as bar:
        for line in player.stdout or ():
            if not line.strip().isdecimal():
                return line.strip()
            bar("a month of jobs", int(line), DAYS)
    raise TitanError("The demo's jobs did not start; `titan-console demo --print` says why.")
