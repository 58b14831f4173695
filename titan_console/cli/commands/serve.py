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
@click.option(
    "--page",
    is_flag=True,
    help="Serve a read-only page of the batches instead, without scripts and without the extra.",
)
@click.pass_context
def command(ctx: click.Context, *, port: int, write: bool, page: bool) -> None:
    """Serve the console to a browser on this machine, read-only without --write.

    Prints a one-time link. Requires the extra: pip install 'titan-console[web]'.

    --page serves one page with the open and ended batches, errors, savings and KPIs; the same as
    JSON is /batches.json. To have it in a web application of yours, mount
    titan_console.web.batches.batches_app(HOME) there, behind its access control.
    """
    if page:
        if write:
            raise click.UsageError("--page is read-only: leave --write out.")
        ctx.exit(_serve_page(port))
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


def _serve_page(port: int) -> int:
    from titan_console.web import page_server  # noqa: PLC0415 - loads a web server
    from titan_console.web.batches import batches_app  # noqa: PLC0415 - with it
    from titan_console.web.guard import Guard  # noqa: PLC0415 - with it

    guard = Guard(port)
    app = page_server.guarded(batches_app(from_environment().home), guard, print_stderr)

    def announce() -> None:
        echo(guard.link())
        print_stderr("Open the link in a browser on this machine; stop the server with Ctrl-C.")

    if page_server.run(app, port, announce):
        return Exit.DONE
    print_stderr(f"titan-console: Cannot listen on port {port}; use another --port.")
    return Exit.UNUSABLE
