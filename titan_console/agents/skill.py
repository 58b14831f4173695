"""The skill that tells an agent how to use the product: a SKILL.md."""

import shlex
from importlib.resources import files
from pathlib import Path

NAME = "titan-console"
# A comment of the front matter: the file was written by `titan-console skill`.
MARK = "# written by titan-console skill --install"


def path(agent_folder: Path) -> Path:
    """Where Claude looks for it."""
    return agent_folder / "skills" / NAME / "SKILL.md"


def markdown(python: str, home: str, *, for_windows: bool) -> str:
    """The text, with the command line of this installation on this TITAN_HOME."""
    text = files("titan_console.agents").joinpath("skill.md").read_text("utf-8")
    return text.format(
        mark=MARK,
        date="YYYY-MM-DD",
        shell="powershell" if for_windows else "sh",
        command=_powershell(python, home) if for_windows else _sh(python, home),
    )


def server(python: str, home: str) -> list[str]:
    """The command that adds the MCP server to Claude Code."""
    program = [python, "-P", "-m", "titan_console", "mcp", "--home", home]
    return ["claude", "mcp", "add", NAME, "--scope", "user", "--", *program]


def _sh(python: str, home: str) -> str:
    return f"TITAN_HOME={shlex.quote(home)} {shlex.quote(python)} -P -m titan_console"


def _powershell(python: str, home: str) -> str:
    python, home = (text.replace("'", "''") for text in (python, home))
    return f"$env:TITAN_HOME = '{home}'; & '{python}' -P -m titan_console"
