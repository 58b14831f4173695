"""`python -m titan_console`."""

from titan_console.cli.main import main

main()
