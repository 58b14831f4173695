"""The command line. Commands are imported when they run, so that `--help` and `--poll` are fast."""

import errno
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType

import click

from core.errors import problems_of
from core.gc_pause import gc_paused
from state.files.system_errors import cause
from state.model.errors import TitanError
from titan_console.cli.early_interrupt import exit_on_interrupt
from titan_console.cli.exit_codes import Exit, exit_code_of
from titan_console.cli.stderr import print_error, print_stderr, use_utf8

_CONTEXT = {"help_option_names": ["-h", "--help"]}
# Name -> one line of help. Each is titan_console.cli.commands.<name>.command, or <module>.<name>.
COMMANDS = {
    "run": "Ask about each row of a table and write the table with the answers.",
    "submit": "Store requests from a file and send them as batches.",
    "poll": "Poll once: check status, send queued batches, download results. Same as --poll.",
    "status": "Show open batches, totals, savings and alerts.",
    "show": "Show a submission, batch or request with its history.",
    "wait": "Wait until every request of a tag, submission or batch has ended.",
    "results": "Print the results of a tag, submission or batch in input order.",
    "errors": "List errored requests, and answers that need review.",
    "export": "Export requests and answers as JSON Lines or CSV.",
    "query": "Run a SQL query on the ledger, read-only.",
    "savings": "Show spend and savings; explain a number or compare it with a usage export.",
    "digest": "Print a short summary for an hourly e-mail.",
    "metrics": "Print metrics for Prometheus, or write them for the node exporter.",
    "kpis": "Show the KPIs with their targets.",
    "forecast": "Estimate the monthly cost of the jobs in titan.toml, batched and synchronously.",
    "jobs": "List the jobs in titan.toml; create, check or edit the file.",
    "scan": "List which scheduled tasks and skills can move to batches, and what it saves.",
    "orphans": "List batches at the API that the ledger has no record of.",
    "adopt": "Import an orphaned batch with its results and cost.",
    "schedule": "Show, install or remove the schedule of the poller.",
    "replay": "Run errored requests again, optionally with changed parameters.",
    "cancel": "Cancel open batches.",
    "sync": "Run requests without an answer synchronously, at full price.",
    "acknowledge": "Acknowledge errored requests without replaying them.",
    "alerts": "List the raised alerts; acknowledge or mute them.",
    "pause": "Stop sending batches of a workflow.",
    "resume": "Resume a paused workflow, or its cache priming.",
    "withdraw": "Withdraw a command that has not started.",
    "commands": "List replays, cancels and other operator commands, with their results.",
    "events": "Print the event log, newest first.",
    "prune": "Delete old request bodies and results; compress more recent ones.",
    "restore": "List the backups of the ledger, or restore one.",
    "ledger": "Move the ledger to another database, complete and verified.",
    "rebuild": "Rebuild a damaged ledger from the files beside it.",
    "keys": "List the key bindings of the console, with the ids that titan.toml uses.",
    "doctor": "Check the installation, the ledger and the configuration.",
    "verify-api": "Check at the API what Titan Console assumes about it, for at most $1.",
    "sandbox": "Run an emulator of the Message Batches API on this machine.",
    "demo": "Run a demo on sample texts; needs no API key.",
    "mcp": "Serve the ledger to an AI agent over MCP, read-only by default.",
    "skill": "Show, install or remove a skill that tells Claude how to use Titan Console.",
    "serve": "Serve the console to a browser on this machine, read-only by default.",
    "completion": "Print the shell completion for bash, zsh or fish.",
}
# Those that store or send requests; without a command, the console or a poll.
_WRITE = {
    *("run", "submit", "poll", "wait", "adopt", "replay", "cancel", "sync", "acknowledge"),
    *("pause", "resume", "withdraw", "prune", "restore", "rebuild", "mcp"),
}
_ACTIONS = ["replay", "cancel", "sync", "acknowledge", "pause", "resume", "withdraw", "commands"]
_STDERR = 2
_MODULES = dict.fromkeys(_ACTIONS, "actions") | {"adopt": "orphans", "orphans": "orphans"}


def _load(name: str) -> ModuleType:
    with gc_paused(), exit_on_interrupt():
        return import_module(f"titan_console.cli.commands.{name.replace('-', '_')}")


class _LazyGroup(click.Group):
    """A group that lists its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = _MODULES.get(cmd_name)
        command: click.Command = (
            getattr(_load(module), cmd_name) if module else _load(cmd_name).command
        )
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, invoke_without_command=True, context_settings=_CONTEXT)
@click.option("--poll", "poll", is_flag=True, help="Poll once without a console, then exit.")
@click.option("--json", "as_json", is_flag=True, help="With --poll: print the summary as JSON.")
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="With --poll: poll this TITAN_HOME, with the variables of its poller.env. For schedulers.",
)
@click.option("--read-only", is_flag=True, help="Open a read-only console.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw the console with ASCII only.")
@click.version_option(package_name="titan-console", prog_name="titan-console")
@click.pass_context
def cli(
    ctx: click.Context,
    *,
    poll: bool,
    as_json: bool,
    home: Path | None,
    read_only: bool,
    ascii_only: bool,
) -> None:
    """Run scheduled Claude jobs at half price through the Message Batches API.

    Without a command, titan-console opens the console. Everything is stored under TITAN_HOME, in
    an SQLite database (the ledger) and files beside it. The API key is read from ANTHROPIC_API_KEY.

    Exit codes: 0 success, 1 completed but needs attention, 2 wrong usage or input, 3 configuration,
    API key or ledger unusable, 4 still running (`wait`, `run`), 130 stopped with Ctrl-C.
    """
    if home is not None and (not poll or ctx.invoked_subcommand is not None):
        raise click.UsageError("--home requires --poll.")
    if ctx.invoked_subcommand is not None:
        return
    if poll:
        ctx.exit(_load("poll").run(as_json=as_json, home=home))
    if as_json:
        raise click.UsageError("--json requires --poll or a command.")
    ctx.exit(_load("console").run(read_only=read_only, ascii_only=ascii_only))


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and leave the process with its exit code."""
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    _open_standard_streams()
    _choose_encodings(as_json=as_json)
    sys.exit(_run(arguments, as_json=as_json))


def _choose_encodings(*, as_json: bool) -> None:
    """JSON is UTF-8; other text is in the encoding of its reader, with `?` for what that lacks."""
    for stream in (sys.stdout, sys.stderr):
        if as_json:
            use_utf8(stream)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _open_standard_streams() -> None:
    """Nothing is printed where stdout or stderr is closed, as under pythonw.

    A file that is opened later must not get the descriptor of a closed one: a child process would
    write to it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as above


def _run(arguments: list[str] | None, *, as_json: bool) -> int:  # noqa: PLR0911 - one for each way to end
    try:
        code = cli.main(args=arguments, prog_name="titan-console", standalone_mode=False)
    except click.ClickException as error:
        _report_usage(error, as_json=as_json)
        return error.exit_code
    except TitanError as error:
        message, *problems = problems_of(error)
        print_error(error.code, message, as_json=as_json, problems=problems)
        return exit_code_of(error)
    except (KeyboardInterrupt, click.Abort):
        print_stderr(_stopped(sys.argv[1:] if arguments is None else arguments))
        return Exit.STOPPED
    except SystemExit:
        # Click exits like this only when the reader of our output has closed the pipe.
        return Exit.DONE
    except OSError as error:
        return _unwritable(error, as_json=as_json)
    except RuntimeError as error:
        if "sys.stdin" not in str(error):
            raise
        print_error("stdin_closed", "Standard input is closed.", as_json=as_json)
        return Exit.USAGE
    return code if isinstance(code, int) else Exit.DONE


def _stopped(arguments: list[str]) -> str:
    """What to know after Ctrl-C; a command that only reads has nothing to add."""
    name = next((argument for argument in arguments if argument in COMMANDS), "poll")
    if name == "ledger":
        return "titan-console: Stopped. Run the same command again: it ends the copy."
    if name not in _WRITE:
        return "titan-console: Stopped."
    return "titan-console: Stopped. Stored requests are safe; see `titan-console status`."


def _report_usage(error: click.ClickException, *, as_json: bool) -> None:
    """One line; click itself would print the usage above it."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    text = error.format_message()
    end = "" if text.endswith((".", "?", "?)")) else "."
    see = f"See: {ctx.command_path if ctx else 'titan-console'} --help"
    print_error("usage", f"{text}{end} {see}", as_json=as_json)


def _unwritable(error: OSError, *, as_json: bool) -> int:
    """A file that cannot be used; without a name it is standard output, full or closed."""
    if error.filename is not None:
        found = cause(error, Path())
        name = os.fsdecode(error.filename)
        print_error(found.code, f"cannot use {name}: {found.text}.", as_json=as_json)
        return Exit.UNUSABLE
    sys.stdout = None  # Python would complain once more at exit
    if error.errno == errno.EPIPE:
        return Exit.DONE
    message = f"Cannot write to standard output: {error.strerror or error}."
    print_error("output_unwritable", message, as_json=as_json)
    return Exit.UNUSABLE
