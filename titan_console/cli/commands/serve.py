"""`titan-console serve`: the console in a local browser."""

import click

from core.config.settings import from_environment, served_environment
from core.errors import SettingsError
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo
from titan_console.cli.stderr import print_stderr


@click.command
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    # The sandbox, which may run beside it, has 8765.
    default=8766,
    show_default=True,
    help="Port on 127.0.0.1.",
)
@click.option("--write", is_flag=True, help="Allow actions such as replay and cancel.")
@click.pass_context
def command(ctx: click.Context, *, port: int, write: bool) -> None:
    """Serve the console to a browser on this machine, read-only without --write.

    Prints a one-time link. Requires the extra: pip install 'titan-console[web]'.
    """
    try:
        from aiohttp import web  # noqa: PLC0415 - an extra, and slow to load

        from titan_console.web.server import ConsoleServer  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"serve requires {error.name}; run: pip install 'titan-console[web]'"
        ) from None
    from titan_console.web.guard import Guard  # noqa: PLC0415 - with them

    settings = from_environment()
    guard = Guard(port)
    server = ConsoleServer(
        guard,
        environment=served_environment(settings, with_key=write),
        arguments=() if write else ("--read-only",),
        say=print_stderr,
    )

    def announce(*_: object) -> None:
        echo(guard.link())
        print_stderr("Open the link in a browser on this machine; stop the server with Ctrl-C.")

    try:
        # It prints once it listens.
        web.run_app(server.app(), host="127.0.0.1", port=port, print=announce, access_log=None)
    except OSError as error:
        print_stderr(
            f"titan-console: Cannot listen on port {port}: {error.strerror}; use another --port."
        )
        ctx.exit(Exit.UNUSABLE)
