"""Entries of crontabs, systemd timers and the Windows Task Scheduler. Pure."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from msgspec import Struct
from msgspec.structs import replace

from core.scan import rhythm
from core.scan.task import Rhythm, Source

_ASSIGNED = re.compile(r"\s*[A-Za-z_]\w*\s*=")
_DURATION = re.compile(
    r"(\d+(?:\.\d+)?)\s*(minutes?|mins?|months?|m|hours?|hrs?|hr|h|days?|d|weeks?|w|seconds?|secs?|s)?"
    r"(?![a-z])"
)
_HOURS = {"s": 1 / 3600, "mi": 1 / 60, "m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0, "mo": 720.0}
_DAY_H, _MONTHS = 24.0, 12
_CALENDAR_CHARS = 200
_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_NAMED_CALENDARS = {
    **{name: f"@{name}" for name in ("hourly", "daily", "weekly", "monthly", "yearly")},
    "minutely": "* * * * *",
    "annually": "@yearly",
    "quarterly": "0 0 1 1,4,7,10 *",
    "semiannually": "0 0 1 1,7 *",
}
_CALENDAR = re.compile(
    r"(?:(?P<days>[A-Za-z][A-Za-z.,]*)\s*)?"
    r"(?:(?P<year>[\d*,./]+-)?(?P<month>[\d*,./]+)-(?P<day>[\d*,./~]+)\s*)?"
    r"(?:[T ]?(?P<hour>[\d*,./]+):(?P<minute>[\d*,./]+)(?::[\d*,./]+)?)?(?:\s+[A-Z]\S*)?"
)

_WINDOWS_WORDS = {
    "ScheduleByDay": "daily",
    "ScheduleByWeek": "weekly",
}


class Entry(Struct, frozen=True, kw_only=True):
    """One entry: what it runs, and when. `line` is that of a crontab; 0 without one."""

    source: Source
    name: str
    command: str
    rhythm: Rhythm | None
    description: str = ""
    folder: str = ""
    line: int = 0


def crontab(text: str, *, has_user: bool = False) -> Iterator[Entry]:
    """The entries of a crontab; comments directly above one describe it.

    `has_user`: a system's crontab, with the account before the command.
    """
    comment = list[str]()
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
            continue
        found = None if not line or _ASSIGNED.match(line) else rhythm.cron_fields(line)
        when = rhythm.of_cron(found[0]) if found else None
        if found and when:
            command = line[found[1] :].strip()
            if has_user:
                command = command.partition(" ")[2].strip() or command
            command, _, note = command.partition(" #")
            yield Entry(
                source=Source.CRONTAB,
                name="",
                command=command.replace("\\%", "%").strip(),
                rhythm=when,
                description=" ".join([*comment, note.strip()]).strip(),
                line=number,
            )
        comment = []


def unit(text: str) -> dict[str, list[str]]:
    """The settings of a systemd unit, by `Section.Key`; each may occur several times."""
    found, section = dict[str, list[str]](), ""
    for line in text.replace("\\\n", " ").split("\n"):
        plain = line.strip()
        if plain.startswith("[") and plain.endswith("]"):
            section = plain[1:-1]
        elif "=" in plain and not plain.startswith(("#", ";")):
            key, _, value = plain.partition("=")
            words = " ".join(value.split())
            found.setdefault(f"{section}.{key.strip()}", []).append(words)
    return found


def timer(name: str, timer_text: str, service_text: str) -> Entry:
    """A timer with the service that it starts."""
    of_timer, service = unit(timer_text), unit(service_text)
    rhythms = [one for text in of_timer.get("Timer.OnCalendar", []) if (one := of_calendar(text))]
    for key in ("OnUnitActiveSec", "OnUnitInactiveSec"):
        rhythms += [
            rhythm.every(hours, f"{key}={text}")
            for text in of_timer.get(f"Timer.{key}", [])
            if (hours := of_duration(text))
        ]
    if not rhythms and any(key.startswith("Timer.On") for key in of_timer):
        rhythms.append(Rhythm(text="at an event", gap_h=None, runs_a_month=0))
    said = [*of_timer.get("Unit.Description", []), *service.get("Unit.Description", [])]
    comments = [
        line.strip("#; ")
        for text in (timer_text, service_text)
        for line in text.split("\n")
        if line.strip().startswith(("#", ";"))
    ]
    return Entry(
        source=Source.SYSTEMD,
        name=name,
        command="; ".join(service.get("Service.ExecStart", [])),
        rhythm=rhythm.merged(rhythms),
        description=". ".join(dict.fromkeys([*said, *comments])),
        folder=next(iter(service.get("Service.WorkingDirectory", [])), "").lstrip("-"),
    )


def service(name: str, text: str) -> Entry:
    """A service that no timer starts."""
    all_the_time = Rhythm(text="all the time", gap_h=None, runs_a_month=0)
    return replace(timer(name, "", text), rhythm=all_the_time)


def of_calendar(text: str) -> Rhythm | None:
    """The rhythm of an OnCalendar.

    >>> of_calendar("Mon..Fri *-*-* 06:30:00").runs_a_month, of_calendar("*:0/10").gap_h
    (20.0, 0.16666666666666666)
    """
    plain = text.strip()[:_CALENDAR_CHARS]
    if known := _NAMED_CALENDARS.get(plain.lower()):
        found = rhythm.of_cron(known)
    elif (parts := _CALENDAR.fullmatch(plain)) is None:
        found = None
    else:
        fields = (
            parts["minute"] or "0",
            parts["hour"] or "0",
            parts["day"] or "*",
            parts["month"] or "*",
            _weekdays(parts["days"]),
        )
        found = rhythm.of_cron(" ".join(map(_cron_field, fields)))
    if found is None:
        return None
    return replace(found, text=plain)


def of_duration(text: str) -> float | None:
    """Hours of a systemd time span, which is in seconds without a unit."""
    hours = 0.0
    for number, unit_name in _DURATION.findall(text.lower()):
        short = unit_name or "s"
        key = next(k for k in (short[:2], short[:1]) if k in _HOURS)
        hours += float(number) * _HOURS[key]
    return hours or None


def _cron_field(field: str) -> str:
    return field.replace("..", "-").replace("~", "")


def _weekdays(days: str | None) -> str:
    if not days:
        return "*"
    ranges = [part.split("..") for part in days.split(",") if part]
    return ",".join("-".join(day[:3] for day in span) for span in ranges)


def windows_tasks(text: str, name: str) -> list[Entry]:
    """The tasks of an export of the Task Scheduler, one or many. Raises ValueError."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it declares entities")
    try:
        root = ET.fromstring(re.sub(r"^\s*<\?xml.*?\?>", "", text, flags=re.DOTALL))  # noqa: S314 - without entities
    except ET.ParseError as error:
        raise ValueError(f"it is not valid XML: {error}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    tasks = [root] if root.tag == "Task" else list(root.iter("Task"))
    return [
        entry
        for task in tasks
        if not (entry := _windows_task(task, name)).name.startswith("\\Microsoft\\")
    ]


def _windows_task(task: ET.Element, name: str) -> Entry:
    def text_of(path: str, within: ET.Element = task) -> str:
        return (within.findtext(path) or "").strip()

    triggers = task.find("Triggers")
    rhythms = [_at_start(one, trigger) for trigger in triggers or () if (one := _trigger(trigger))]
    commands = [
        f"{text_of('Command', action)} {text_of('Arguments', action)}".strip()
        for action in task.iter("Exec")
    ]
    return Entry(
        source=Source.WINDOWS,
        name=text_of("RegistrationInfo/URI") or name,
        command="; ".join(commands),
        rhythm=rhythm.merged(rhythms),
        description=text_of("RegistrationInfo/Description"),
        folder=text_of("Actions/Exec/WorkingDirectory"),
    )


def _trigger(trigger: ET.Element) -> Rhythm | None:
    again = _iso_hours(trigger.findtext("Repetition/Interval") or "")
    if again:
        return rhythm.every(again, f"every {trigger.findtext('Repetition/Interval')}")
    for tag, unit_hours in (("ScheduleByDay", 24.0), ("ScheduleByWeek", 168.0)):
        found = trigger.find(tag)
        if found is not None:
            step = found.findtext("DaysInterval") or found.findtext("WeeksInterval") or "1"
            number = int(step) if step.isdecimal() else 1
            days = found.find("DaysOfWeek")
            on_days = max(1, len(days)) if days is not None else 1
            hours = unit_hours * max(1, number)
            one = rhythm.every(hours, _WINDOWS_WORDS[tag])
            gap = hours if on_days == 1 else 24.0
            return Rhythm(text=one.text, gap_h=gap, runs_a_month=one.runs_a_month * on_days)
    for tag in ("ScheduleByMonth", "ScheduleByMonthDayOfWeek"):
        found = trigger.find(tag)
        if found is not None:
            months = found.find("Months")
            number = len(months) if months is not None and len(months) else _MONTHS
            words = "monthly" if number == _MONTHS else f"{number} months a year"
            return rhythm.every(720.0 * _MONTHS / number, words)
    if trigger.tag in ("BootTrigger", "LogonTrigger", "EventTrigger", "SessionStateChangeTrigger"):
        return Rhythm(text=trigger.tag, gap_h=None, runs_a_month=0)
    return None


def _at_start(found: Rhythm, trigger: ET.Element) -> Rhythm:
    """With the time of day of the trigger, unless it runs several times a day."""
    times = rhythm.times_in((trigger.findtext("StartBoundary") or "").partition("T")[2][:5])
    is_daily = found.gap_h is not None and found.gap_h >= _DAY_H and len(times) == 1
    return replace(found, minute=times.pop()) if is_daily else found


def _iso_hours(text: str) -> float:
    found = _ISO.fullmatch(text.strip())
    if not found:
        return 0.0
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * 24 + hours + minutes / 60 + seconds / 3600
