"""A task for the Windows Task Scheduler, as XML for schtasks."""

from dataclasses import replace
from xml.sax.saxutils import escape

from core.errors import InputError
from titan_console.schedule.poller import ARGUMENTS, MINUTES, Poller

# Characters that cmd.exe interprets even within quotes.
_UNSAFE = '%"'


def example(poller: Poller) -> Poller:
    """The poller with example paths of a Windows machine."""
    home = r"C:\Users\YOU\titan"
    return replace(poller, home=home, python=home + r"\.venv\Scripts\python.exe")


def xml(poller: Poller) -> str:
    """The task. The schema fixes the order of the elements within a trigger."""
    return f"""\
<?xml version="1.0" encoding="UTF-16"?>
<!-- The API key is not stored here: set ANTHROPIC_API_KEY as a user environment variable. -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Titan Console: batch poller, every {MINUTES} minutes.</Description>
  </RegistrationInfo>
  <Triggers>
    <TimeTrigger>
      <Enabled>true</Enabled>
      <StartBoundary>2026-01-01T00:00:00</StartBoundary>
      <Repetition>
        <Interval>PT{MINUTES}M</Interval>
        <StopAtDurationEnd>false</StopAtDurationEnd>
      </Repetition>
    </TimeTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT6H</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>cmd.exe</Command>
      <Arguments>{escape(_arguments(poller))}</Arguments>
    </Exec>
  </Actions>
</Task>
"""


def _arguments(poller: Poller) -> str:
    """A task has no environment of its own, so cmd.exe sets TITAN_HOME.

    cmd.exe removes the outer quotes; within the inner ones only percent signs are special.
    """
    for path in (poller.python, poller.home):
        if set(path) & set(_UNSAFE):
            raise InputError(
                f"A Windows task does not support % or quotes in a path: {path!r}.",
                code="unsupported_path",
            )
    run = f'"{poller.python}" {" ".join(ARGUMENTS)}'
    return f'/d /v:off /c "set "TITAN_HOME={poller.home}"&& {run}"'
