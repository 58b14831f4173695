"""A task for the Windows Task Scheduler, as the XML that schtasks registers."""

from dataclasses import replace
from xml.sax.saxutils import escape

from core.errors import InputError
from titan_console.schedule.poller import ARGUMENTS, MINUTES, Poller

# What cmd.exe would read into a path even within quotes.
_UNSAFE = '%"'


def example(poller: Poller) -> Poller:
    """The poller with the paths of a Windows machine to put one's own in place of."""
    home = r"C:\Users\YOU\titan"
    return replace(poller, home=home, python=home + r"\.venv\Scripts\python.exe")


def xml(poller: Poller) -> str:
    """The task. Within a trigger the schema fixes the order of the elements."""
    return f"""\
<?xml version="1.0" encoding="UTF-16"?>
<!-- The API key is not in here: set ANTHROPIC_API_KEY as an environment variable of this user. -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Titan Console: one poll of the batch poller, every {MINUTES} minutes.</Description>
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
    """A task has no environment of its own, so cmd sets TITAN_HOME.

    cmd takes the outer quotes off; within the inner ones only a percent sign means something.
    """
    for path in (poller.python, poller.home):
        if set(path) & set(_UNSAFE):
            raise InputError(f"A Windows task cannot carry the path {path!r}: no % and no quotes.")
    run = f'"{poller.python}" {" ".join(ARGUMENTS)}'
    return f'/d /v:off /c "set "TITAN_HOME={poller.home}"&& {run}"'
