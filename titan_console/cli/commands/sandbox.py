"""`titan-console sandbox`: an emulator of the Message Batches API on loopback."""

import secrets
from pathlib import Path

import click

from core.clock import SystemClock
from core.config.settings import is_proxied
from titan_console.cli.output import Number, print_json
from titan_console.cli.stderr import print_stderr
from titan_console.verify_api.session import read

_PORT = 8765


@click.command
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 picks a free one.",
)
@click.option(
    "--seed",
    type=int,
    help="The same seed gives the same answers and ids. Default: another one at each start.",
)
@click.option(
    "--plan",
    "plan_text",
    default="5-20",
    show_default=True,
    help="Duration of a batch: instant, realistic (mostly 4 to 20 minutes), manual (until it is"
    " canceled or expires), or seconds such as 30 or 5-20.",
)
@click.option(
    "--speed",
    type=Number(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Sandbox seconds per real second.",
)
@click.option(
    "--fault",
    "fault_specs",
    multiple=True,
    metavar="CALL:WHAT[:OPTION=VALUE]",
    help="Inject a fault, for example create:drop:times=1 or results:missing:p=0.1; repeatable."
    " A wrong CALL or WHAT prints the known ones.",
)
@click.option(
    "--cache",
    "cache_text",
    default="always",
    show_default=True,
    help="Which requests read the prompt cache when they have a common prefix: always, never,"
    " across (only a prefix that an earlier batch wrote), shared (also one that a Messages call"
    " wrote) or a rate such as 0.3.",
)
@click.option(
    "--replay",
    "replay_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Answer as the API did in a recording of verify-api; the options above do nothing then.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the address as one JSON object.")
def command(
    *,
    port: int,
    seed: int | None,
    plan_text: str,
    speed: float,
    fault_specs: tuple[str, ...],
    cache_text: str,
    replay_path: Path | None,
    as_json: bool,
) -> None:
    """Run an emulator of the Message Batches API until Ctrl-C.

    It accepts any API key but sk-ant-invalid.
    """
    # Imported here: the server's libraries are slow to load.
    from titan_console.sandbox.api import Sandbox  # noqa: PLC0415 - as said
    from titan_console.sandbox.faults.profile import Faults  # noqa: PLC0415 - as said
    from titan_console.sandbox.http.server import serve  # noqa: PLC0415 - as said
    from titan_console.sandbox.model.accelerated_clock import AcceleratedClock  # noqa: PLC0415 - as said
    from titan_console.sandbox.model.prompt_cache import PromptCache  # noqa: PLC0415 - as said
    from titan_console.sandbox.model.timing import Plan  # noqa: PLC0415 - as said
    from titan_console.sandbox.replay import Replay  # noqa: PLC0415 - as said

    # A sandbox that is started again must not give ids that a ledger has already.
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    recorded = read(replay_path) if replay_path else None
    try:
        sandbox = (
            Replay(recorded, SystemClock())
            if recorded
            else Sandbox(
                AcceleratedClock(SystemClock(), speed=speed),
                seed=seed,
                plan=Plan.parse(plan_text),
                faults=Faults.parse(fault_specs, seed=seed),
                cache=PromptCache.parse(cache_text, seed=seed),
            )
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error

    def ready(address: str) -> None:
        if as_json:
            print_json({"base_url": address, "seed": seed, "plan": plan_text, "speed": speed})
        print_stderr(f"Sandbox listening on {address}; stop it with Ctrl-C. In another terminal:")
        # A proxy of the environment would be asked for this machine's own address.
        direct = ' NO_PROXY="$NO_PROXY,127.0.0.1"' if is_proxied(address) else ""
        print_stderr(f"  export ANTHROPIC_BASE_URL={address} ANTHROPIC_API_KEY=any{direct}")

    try:
        serve(sandbox, port=port, ready=ready)
    except OSError as error:
        raise click.UsageError(
            f"Cannot listen on port {port}: {error.strerror}; use another --port"
        ) from error
    except KeyboardInterrupt:
        print_stderr("Sandbox stopped.")
