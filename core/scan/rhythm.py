"""How often something runs: cron expressions, and the words for it in four languages. Pure."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from core.scan.task import Rhythm

_MONTH_DAYS = 30
_WEEK_H, _MONTH_H, _YEAR_H = 168.0, 720.0, 8760.0
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_DAYS = {name: n for n, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_MONTHS = {
    name: n
    for n, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_NO_NAMES = dict[str, int]()
_RANGES = (
    *((0, 59, _NO_NAMES), (0, 23, _NO_NAMES), (1, 31, _NO_NAMES)),
    *((1, 12, _MONTHS), (0, 7, _DAYS)),
)
_FIELD = r"[\w*?][\w*,/?-]{0,40}"
_EXPRESSION = re.compile(rf"(?<![\w*,/?-])({_FIELD}(?:[ \t]+{_FIELD}){{4}})(?![\w*/])")


def cron_fields(text: str) -> tuple[str, int] | None:
    """The five fields, or what a macro stands for, at the start of a line, and where they end."""
    if found := re.match(r"\s*(@\w+)(?=\s|$)", text):
        return found[1].lower(), found.end()
    found = re.match(r"\s*(\S+(?:[ \t]+\S+){4})(?=\s|$)", text)
    return (" ".join(found[1].split()), found.end()) if found else None


def of_cron(expression: str) -> Rhythm | None:
    """The rhythm of a cron expression or macro, None if it is none.

    >>> of_cron("*/15 9-17 * * 1-5").gap_h, of_cron("30 6 * * *").runs_a_month
    (0.25, 30)
    """
    if expression == "@reboot":
        return Rhythm(text=expression, gap_h=None, runs_a_month=0)
    fields = _MACROS.get(expression, expression).split()
    if len(fields) != len(_RANGES):
        return None
    try:
        sets = [_expand(field, *limits) for field, limits in zip(fields, _RANGES, strict=True)]
    except ValueError:
        return None
    minutes, hours, days, months, weekdays = sets
    weekdays = {day % 7 for day in weekdays}
    times = sorted(hour * 60 + minute for hour in hours for minute in minutes)
    by_day, by_weekday = fields[2] not in "*?", fields[4] not in "*?"
    days_a_month = _days_a_month(days if by_day else (), weekdays if by_weekday else ())
    gap = _gap(times, days if by_day else (), weekdays if by_weekday else (), len(months))
    runs = len(times) * days_a_month * len(months) / 12
    minute = times[0] if len(times) == 1 else None
    return Rhythm(text=expression, gap_h=gap, runs_a_month=round(runs, 3), minute=minute)


def _days_a_month(days: Iterable[int], weekdays: Iterable[int]) -> int:
    on_days, on_weekdays = len(list(days)), len(list(weekdays))
    if not on_days and (not on_weekdays or on_weekdays == len(_DAYS)):
        return _MONTH_DAYS
    return min(_MONTH_DAYS, on_days + 4 * on_weekdays)


def _gap(times: list[int], days: Iterable[int], weekdays: Iterable[int], months: int) -> float:
    within = [b - a for a, b in pairwise(times)]
    if within:
        night = [1440 - times[-1] + times[0]] if not list(days) and not list(weekdays) else []
        return min(within + night) / 60
    if on := sorted(days):
        gaps = [b - a for a, b in pairwise(on)]
        return 24.0 * min(gaps) if gaps else _MONTH_H * 12 / months
    on = sorted(weekdays)
    if not on:
        return 24.0
    return 24.0 * min(((b - a) % 7 or 7) for a, b in zip(on, [*on[1:], on[0]], strict=True))


def _expand(field: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    """The numbers of one field. Raises ValueError."""
    found = set[int]()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "?"):
            begin, end = low, high
        else:
            begin = names.get(first[:3], -1) if first.isalpha() else int(first)
            end = (
                names.get(last[:3], -1)
                if last.isalpha()
                else int(last or (high if step else begin))
            )
        found |= set(range(begin, end + 1, int(step or 1)))
    if not found or min(found) < low or max(found) > high:
        raise ValueError(field)
    return found


_NUMBERS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "eight": 8,
    "ten": 10,
    "twelve": 12,
    "fifteen": 15,
    "thirty": 30,
    "other": 2,
    "second": 2,
    "zwei": 2,
    "drei": 3,
    "vier": 4,
    "fünf": 5,
    "sechs": 6,
    "acht": 8,
    "zehn": 10,
    "dos": 2,
    "tres": 3,
    "cuatro": 4,
    "cinco": 5,
    "seis": 6,
    "ocho": 8,
    "diez": 10,
    "deux": 2,
    "trois": 3,
    "quatre": 4,
    "cinq": 5,
    "huit": 8,
    "dix": 10,
}
_SECOND = r"seconds?|secs?|s|sekunden?|segundos?|secondes?"
_MINUTE = r"minutes?|mins?|m|minuten?|minutos?"
_HOUR = r"hours?|hrs?|h|stunden?|horas?|heures?"
_DAY = r"days?|d|tage?n?|días?|dias?|jours?"
_WEEK = r"weeks?|w|wochen?|semanas?|semaines?"
_MONTH = r"months?|monate?|mes(?:es)?|mois"
_EVERY = r"every|each|alle|jede[rsn]?|cada|tou(?:te)?s\W+les|chaque"
_NUMBER = r"\d+(?:[.,]\d+)?|" + "|".join(_NUMBERS)
_COUNTED = re.compile(
    rf"(?:\b(?:{_EVERY})\W{{0,2}}(?P<n>{_NUMBER})?\W{{0,2}}"
    r"|(?<=-)(?P<short>\d+)(?=(?:m|min|h|hr|d|w)(?![\w.])))"
    rf"(?:(?P<s>{_SECOND})|(?P<m>{_MINUTE})|(?P<h>{_HOUR})|(?P<d>{_DAY})|(?P<w>{_WEEK})"
    rf"|(?P<mo>{_MONTH}))(?!\w)",
    re.IGNORECASE,
)
_WEEKDAY = (
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|(?:mon|diens|donners|frei|sams|sonn)tags?"
    r"|mittwochs?|lunes|martes|miércoles|jueves|viernes|sábados?|domingos?"
    r"|(?:lun|mar|mercre|jeu|vendre|same)dis?|dimanches?"
)
# In this order: what runs more often comes first where one text matches two at one place.
_WORDS = (
    (r"continuous(?:ly)?|around the clock|24/7|rund um die uhr|continu(?:ellement)?", 0.01),
    (r"minutely|once a minute", 1 / 60),
    (r"half[- ]hourly|halbstündlich", 0.5),
    (r"hourly|stündlich|horari[oa]|once an hour|on the hour", 1.0),
    (r"four times (?:a|per) day", 6.0),
    (r"three times (?:a|per) day|thrice (?:a|per) day", 8.0),
    (
        (
            r"twice (?:a|per) day|twice[- ]daily|zweimal (?:am tag|täglich)|dos veces al día"
            r"|deux fois par jour|morning and evening"
        ),
        12.0,
    ),
    (
        (
            rf"\b(?:{_EVERY})\W{{1,2}}(?:working |business |week)?(?:day|night|morning|evening|noon"
            r"|midnight|tag|nacht|morgen|abend|werktag|arbeitstag|día|noche|mañana|tarde|jour|nuit|matin"
            r"|soir|(?:jours|nuits|matins|soirs))"
        ),
        24.0,
    ),
    (
        (
            r"daily|nightly|overnight|täglich|nächtlich|allabendlich|diari[oa](?:mente)?|nocturn[oae]"
            r"|todos los días|todas las noches|quotidien(?:ne)?(?:ment)?|once a day|weekdays"
            r"|(?:per|a) day|am tag|al día|par jour"
        ),
        24.0,
    ),
    (r"(?:bi-?weekly|fortnightly|every other week|zweiwöchentlich|quincenal)", 2 * _WEEK_H),
    (
        (
            r"weekly|wöchentlich|semanal(?:mente)?|hebdo(?:madaire)?(?:ment)?|once a week"
            r"|(?:per|a) week|pro woche|por semana|par semaine"
        ),
        _WEEK_H,
    ),
    (rf"(?:{_EVERY}|on|am|los|le|les)\W{{1,2}}(?:{_WEEKDAY})|(?:{_WEEKDAY})", _WEEK_H),
    (
        (
            r"quarterly|every quarter|each quarter|vierteljährlich|quartalsweise|jedes quartal"
            r"|trimestral(?:mente)?|cada trimestre|trimestriel(?:le)?(?:ment)?|chaque trimestre"
        ),
        2190.0,
    ),
    (
        (
            r"monthly|monatlich|mensual(?:mente)?|mensuel(?:le)?(?:ment)?|once a month"
            r"|(?:first|last|1st) of (?:the|each|every) month|(?:per|a) month|am monatsende"
            r"|jeden monat|cada mes|chaque mois"
        ),
        _MONTH_H,
    ),
    (r"yearly|annual(?:ly)?|jährlich|anual(?:mente)?|annuel(?:le)?", _YEAR_H),
)
_WORDED = [(re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE), h) for words, h in _WORDS]


# Hours and minutes; hours of a half day; hours with a word.
_TIME = re.compile(
    r"(?<![\d:.,])(?:(?P<h>[01]?\d|2[0-3])[:h](?P<m>[0-5]\d)(?![\d:])"
    r"|(?P<h12>1[0-2]|[1-9])(?::(?P<m12>[0-5]\d))? ?(?P<half>[ap])\.?m\b"
    r"|(?P<h24>[01]?\d|2[0-3]) ?(?:uhr|o'clock|h)\b)",
    re.IGNORECASE,
)


def of_words(text: str) -> Rhythm | None:
    """The first rhythm that a text names.

    >>> of_words("probe-10m").gap_h, of_words("Jeden Montag um 7").gap_h, of_words("x")
    (0.16666666666666666, 168.0, None)
    """
    found = sorted(_found(text.replace("_", "-")), key=lambda one: one[0])
    if not found:
        return None
    _, words, hours = found[0]
    return every(hours, words)


def in_text(text: str) -> Rhythm | None:
    """The first cron expression in a text, else the first rhythm that it names."""
    for found in _EXPRESSION.finditer(text):
        if any(mark in found[1] for mark in "*") and (known := of_cron(found[1])):
            return known
    return of_words(text)


def every(hours: float, text: str) -> Rhythm:
    """The rhythm with that time between two runs."""
    month = _MONTH_H if hours < _WEEK_H or hours >= _MONTH_H else 4 * _WEEK_H
    return Rhythm(text=" ".join(text.split()), gap_h=hours, runs_a_month=round(month / hours, 3))


def times_in(text: str) -> set[int]:
    """The times of day that a text names, in minutes.

    >>> sorted(times_in("from 06:35 to 7 am, um 8 Uhr, à 9h30")), times_in("1,200 of 300")
    ([395, 420, 480, 570], set())
    """
    found = set[int]()
    for match in _TIME.finditer(text):
        hour = int(match["h"] or match["h12"] or match["h24"])
        if match["h12"]:
            hour = hour % 12 + (12 if match["half"].lower() == "p" else 0)
        found.add(hour * 60 + int(match["m"] or match["m12"] or 0))
    return found


def merged(rhythms: list[Rhythm]) -> Rhythm | None:
    """One for several triggers of a task."""
    timed = [one for one in rhythms if one.gap_h is not None]
    if len(rhythms) <= 1 or not timed:
        return rhythms[0] if rhythms else None
    return Rhythm(
        text="; ".join(one.text for one in rhythms),
        gap_h=min(one.gap_h or 0 for one in timed),
        runs_a_month=sum(one.runs_a_month for one in timed),
    )


def _found(text: str) -> Iterator[tuple[int, str, float]]:
    for found in _COUNTED.finditer(text):
        number = (found["n"] or found["short"] or "1").lower().replace(",", ".")
        count = _NUMBERS.get(number) or float(number)
        units = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "d": 24.0, "w": _WEEK_H, "mo": _MONTH_H}
        unit = next(hours for name, hours in units.items() if found[name])
        if count:
            yield found.start(), found[0], count * unit
    for words, hours in _WORDED:
        if found := words.search(text):
            yield found.start(), found[0], hours
