"""A task for the Windows Task Scheduler, as XML for schtasks."""

from dataclasses import replace
from subprocess import list2cmdline
from xml.sax.saxutils import escape

from core.errors import InputError
from titan_console.schedule.poller import MINUTES, Poller

# The Task Scheduler replaces variables: %NAME% and $(Arg0).
_UNSAFE = ("%", '"', "$(")
NEEDS_ADMINISTRATOR = (
    "A task that also runs while you are logged off can be registered by an administrator only:"
    " run this again in a PowerShell that was started with `Run as administrator`."
)


def example(poller: Poller) -> Poller:
    """The poller with example paths of a Windows machine."""
    home = r"C:\Users\YOU\titan"
    python = home + r"\.venv\Scripts\pythonw.exe"
    return replace(poller, home=home, python=python, user=r"COMPUTER\YOU")


def xml(poller: Poller) -> str:
    """The task. The schema fixes the order of the elements within a trigger.

    S4U runs it whether the user is logged on or not, without a password, and without a desktop:
    no window can open.
    """
    for path in (poller.python, poller.home):
        if any(unsafe in path for unsafe in _UNSAFE):
            raise InputError(
                f"A Windows task does not support % or quotes or $( in a path: {path!r}.",
                code="unsupported_path",
            )
    return f"""\
<?xml version="1.0" encoding="UTF-16"?>
<!-- The API key is not stored here: it is read from poller.env in the folder below. -->
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
      <UserId>{escape(poller.user)}</UserId>
      <LogonType>S4U</LogonType>
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
      <Command>{escape(poller.python)}</Command>
      <Arguments>{escape(list2cmdline(poller.arguments))}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
