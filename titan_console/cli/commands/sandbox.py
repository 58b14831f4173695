"""`titan-console sandbox`: the emulator of the Message Batches API on loopback."""

import click

from core.clock import SystemClock
from titan_console.cli.diagnostics import say
from titan_console.cli.output import print_json

_PORT = 8765


@click.command
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    help="On 127.0.0.1; 0 takes a free one.",
)
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same answers.")
@click.option(
    "--plan",
    "plan_text",
    default="5-20",
    show_default=True,
    help="How long batches take: instant, realistic, manual, or seconds as 30 or 5-20.",
)
@click.option("--speed", default=1.0, show_default=True, help="Seconds in the sandbox per second.")
@click.option(
    "--fault",
    "fault_specs",
    multiple=True,
    metavar="CALL:WHAT[:OPTION=VALUE]",
    help="Break something, as create:drop:times=1 or results:missing:p=0.1; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the address as a JSON object.")
def command(
    *,
    port: int,
    seed: int,
    plan_text: str,
    speed: float,
    fault_specs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Serve an emulator of the Message Batches API until Ctrl-C. It takes any key."""
    # Here, since the server's libraries take a while to load.
    from titan_console.sandbox.api import Sandbox  # noqa: PLC0415 - as said
    from titan_console.sandbox.faults.profile import Faults  # noqa: PLC0415 - as said
    from titan_console.sandbox.http.server import serve  # noqa: PLC0415 - as said
    from titan_console.sandbox.model.accelerated_clock import AcceleratedClock  # noqa: PLC0415 - as said
    from titan_console.sandbox.model.timing import Plan  # noqa: PLC0415 - as said

    try:
        sandbox = Sandbox(
            AcceleratedClock(SystemClock(), speed=speed),
            seed=seed,
            plan=Plan.parse(plan_text),
            faults=Faults.parse(fault_specs, seed=seed),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error

    def ready(address: str) -> None:
        if as_json:
            print_json({"base_url": address, "seed": seed, "plan": plan_text, "speed": speed})
        say(f"The sandbox answers on {address} until Ctrl-C. In another terminal:")
        say(f"  export ANTHROPIC_BASE_URL={address} ANTHROPIC_API_KEY=any")

    try:
        serve(sandbox, port=port, ready=ready)
    except OSError as error:
        raise click.UsageError(f"Port {port} cannot be used: {error.strerror}.") from error
    except KeyboardInterrupt:
        say("The sandbox is closed.")
