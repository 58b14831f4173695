"""`python -m titan_console`."""

from titan_console.cli import main

main()
