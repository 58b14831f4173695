"""The command line, the terminal console and the sandbox."""
