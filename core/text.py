"""Plurals for messages, and text that SQLite can store."""

_TEN_MB = 10_000_000
_SHOWN_LINES = 5


def pluralize(number: int, one: str, many: str = "") -> str:
    """The number and its noun, such as `3 requests`; `many` is an irregular plural.

    >>> pluralize(1, "batch", "batches"), pluralize(1200, "request")
    ('1 batch', '1,200 requests')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def megabytes(octets: int) -> str:
    """A size in MB; something is never 0 MB.

    >>> megabytes(0), megabytes(20_000), megabytes(8_300_000), megabytes(1_200_000_000)
    ('0 MB', '0.1 MB', '8.3 MB', '1,200 MB')
    """
    if octets >= _TEN_MB:
        return f"{octets / 1e6:,.0f} MB"
    return f"{max(octets / 1e6, 0.1):.1f} MB" if octets else "0 MB"


def unreadable_lines(lines: list[int]) -> str:
    """The numbers of lines that could not be read, the first of them.

    >>> unreadable_lines([3]), unreadable_lines([1, 2, 3, 4, 5, 6, 7])
    ('1 unreadable line (3)', '7 unreadable lines (1, 2, 3, 4, 5, ...)')
    """
    numbers = [*map(str, lines[:_SHOWN_LINES]), *(["..."] if len(lines) > _SHOWN_LINES else [])]
    return f"{pluralize(len(lines), 'unreadable line')} ({', '.join(numbers)})"


def sentence(text: str) -> str:
    """The text with a full stop, unless it ends as a sentence does.

    >>> sentence("Connection refused"), sentence("No."), sentence("Why?")
    ('Connection refused.', 'No.', 'Why?')
    """
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def are(number: int) -> str:
    """Return "is" or "are", depending on the count."""
    return "is" if number == 1 else "are"


def sanitize(text: str) -> str:
    """Replace each unpaired surrogate with a question mark: SQLite stores valid UTF-8 only."""
    return text.encode("utf-8", "replace").decode()


def printable(text: str) -> str:
    r"""The text as one line: a space for each character that a terminal might obey.

    >>> printable("500 \x1b[2J\nbad")
    '500  [2J bad'
    """
    return "".join(c if c.isprintable() else " " for c in text)


def duration_text(seconds: float, *, is_exact: bool = False) -> str:
    """A duration in at most two units, or `is_exact` in one more; a negative one is 0s.

    >>> [duration_text(s) for s in (4, 720, 4 * 3600 + 300, 25 * 3600)]
    ['4s', '12m', '4h 05m', '1d 01h']
    >>> [duration_text(s, is_exact=True) for s in (4, 725, 4 * 3600 + 300, 25 * 3600)]
    ['4s', '12m 05s', '4h 05m 00s', '1d 01h 00m']
    """
    left = max(0, int(seconds))
    minutes, second = divmod(left, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if not minutes:
        return f"{second}s"
    if not hours:
        return f"{minute}m {second:02d}s" if is_exact else f"{minute}m"
    if not days:
        return f"{hour}h {minute:02d}m" + (f" {second:02d}s" if is_exact else "")
    return f"{days}d {hour:02d}h" + (f" {minute:02d}m" if is_exact else "")
