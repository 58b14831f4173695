"""The command line. Commands load when they run, so that `--help` and `--poll` stay quick."""

import errno
import sys
from importlib import import_module
from types import ModuleType

import click

from core.gc_pause import gc_paused
from state.model.errors import TitanError
from titan_console.cli.diagnostics import Exit, exit_code_of, report, say

_CONTEXT = {"help_option_names": ["-h", "--help"]}
# Name -> what the list of commands says of it. Each lives in titan_console.cli.commands.<name>.
COMMANDS = {
    "submit": "Take requests in from a JSONL file and send them as batches.",
    "poll": "Make one poll: look, collect, deliver. The same as --poll.",
    "status": "Show the open batches, the totals and what was saved.",
    "show": "Show one submission or batch with its history.",
    "results": "Print the results of a tag, a submission or a batch.",
    "errors": "List the requests that failed.",
    "export": "Write requests and answers out as JSON lines or CSV.",
    "savings": "Show what was saved, by what; open a figure; check it against the bill.",
    "digest": "Print the lines of an hourly e-mail: saved, open, ended, and what needs a look.",
    "kpis": "Show the five figures, their targets, and whether they are met.",
    "forecast": "Show what a month of the jobs costs, in batch and synchronously.",
    "jobs": "Show the jobs of titan.toml; init, check and set it.",
    "orphans": "List the batches at the API that are not of this ledger.",
    "adopt": "Take one of those in, with its results and what it cost.",
    "schedule": "Show, install or remove the 15-minute poller: cron, systemd, Windows, skill.",
    "replay": "Ask failed requests again, with an edit if need be.",
    "cancel": "Ask open batches to end early.",
    "sync": "Run what is missing synchronously, at the full price.",
    "acknowledge": "Settle failed requests without an answer.",
    "pause": "Hold what a workflow submits back until it is resumed.",
    "resume": "Let what a paused workflow submitted be sent.",
    "withdraw": "Take a command back before it is carried out.",
    "commands": "List what was asked for, by whom, and what came of it.",
    "events": "Print the audit log: who did what when, why, and what came of it.",
    "prune": "Remove the bodies of what is long over, and compress those of what is over.",
    "rebuild": "Make a new ledger from the files beside a damaged one.",
    "keys": "List the keys of the console and the ids by which titan.toml changes them.",
    "doctor": "Check the installation, the ledger and the settings.",
    "sandbox": "Serve an emulator of the Message Batches API on this machine.",
    "demo": "See it all work, without a key: real texts through a sandbox.",
    "serve": "Show the console in a browser on this machine, read-only unless asked.",
    "completion": "Print the shell completion for bash, zsh or fish.",
}


def _load(name: str) -> ModuleType:
    with gc_paused():
        return import_module(f"titan_console.cli.commands.{name}")


class _LazyGroup(click.Group):
    """A group that knows its commands' names and loads one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name, in the order of use."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = _load(cmd_name).command
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, invoke_without_command=True, context_settings=_CONTEXT)
@click.option("--poll", "poll", is_flag=True, help="Make one headless poll, then exit.")
@click.option("--json", "as_json", is_flag=True, help="With --poll: print the summary as JSON.")
@click.option("--read-only", is_flag=True, help="Open a console that takes no orders.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Open a console drawn in ASCII alone.")
@click.version_option(package_name="titan-console", prog_name="titan-console")
@click.pass_context
def cli(
    ctx: click.Context, *, poll: bool, as_json: bool, read_only: bool, ascii_only: bool
) -> None:
    """Run scheduled Claude jobs at half price through the Message Batches API.

    Without a command: the console. State lies under TITAN_HOME; the key comes from
    ANTHROPIC_API_KEY. Exit codes: 0 done, 1 done but something needs a person, 2 usage, 3
    configuration or ledger unusable.
    """
    if ctx.invoked_subcommand is not None:
        return
    if poll:
        ctx.exit(_load("poll").run(as_json=as_json))
    if as_json:
        raise click.UsageError("--json goes with --poll or with a command.")
    ctx.exit(_load("console").run(read_only=read_only, ascii_only=ascii_only))


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and leave the process with its exit code."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:  # noqa: PLR0911 - one for each way to end
    try:
        code = cli.main(args=arguments, prog_name="titan-console", standalone_mode=False)
    except click.ClickException as error:
        _complain(error)
        return error.exit_code
    except TitanError as error:
        report(error, as_json="--json" in (arguments or sys.argv[1:]))
        return exit_code_of(error)
    except (KeyboardInterrupt, click.Abort):
        say("titan-console: stopped. What was taken in is safe; `titan-console status` shows it.")
        return Exit.STOPPED
    except SystemExit:
        # Click leaves in this way only when the reader of our output has seen enough.
        return Exit.DONE
    except OSError as error:
        return _unwritable(error)
    except RuntimeError as error:
        if "sys.stdin" not in str(error):
            raise
        say("titan-console: standard input is closed.")
        return Exit.USAGE
    return code if isinstance(code, int) else Exit.DONE


def _complain(error: click.ClickException) -> None:
    """One line; click's own has the usage above it."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    said = error.format_message()
    end = "" if said.endswith((".", "?", "?)")) else "."
    say(f"titan-console: {said}{end} See: {ctx.command_path if ctx else 'titan-console'} --help")


def _unwritable(error: OSError) -> int:
    """Standard output is full or closed; Python would complain once more at exit."""
    sys.stdout = None
    if error.errno == errno.EPIPE:
        return Exit.DONE
    say(f"titan-console: the output cannot be written: {error.strerror or error}.")
    return Exit.UNUSABLE
