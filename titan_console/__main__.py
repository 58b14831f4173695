"""`python -m titan_console`, and the commands of the package."""

import os

_STDERR, _STOPPED = 2, 130


def main() -> None:
    """Run the command line of this process."""
    try:
        from titan_console.cli.early_interrupt import exit_on_interrupt  # noqa: PLC0415 - it takes a while
    except KeyboardInterrupt:
        # Before its handler is set.
        os.write(_STDERR, b"titan-console: Stopped.\n")
        os._exit(_STOPPED)
    with exit_on_interrupt():
        from titan_console.cli.main import main as run  # noqa: PLC0415 - it takes a while
    run()


if __name__ == "__main__":
    main()
