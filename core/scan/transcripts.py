"""Token usage that Claude Code recorded: counts, folder, model and the beginning of the prompt.

A transcript is JSON Lines, one session a file; subagents have files of their own with the id of
their session. An answer has one line for each of its blocks, which all repeat its usage, and the
first of them may hold a partial count; a copied or resumed session repeats answers of another file.
So an answer is counted once by its message id, with the largest count.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct, field

from core.api.usage_schema import read_usage
from core.money.pricing import PriceBook
from core.scan.task import Problem
from state.files.regular_file import open_regular
from state.files.system_errors import cause
from state.model.records import BatchKind
from state.model.timestamps import from_text
from state.model.usage import Usage

# Longer lines hold images and files, never usage.
_LONGEST_LINE = 2_000_000
# Lines of one answer are close to each other.
_OPEN_ANSWERS = 256
_PROMPT_CHARS = 4_000
_USAGE = b'"usage"'
# What Claude Code writes instead of a model for messages of its own.
_NO_MODEL = "<synthetic>"
_SUBAGENTS = "subagents"


class SessionUsage(Struct, kw_only=True):
    """What one session used in the days that were asked for. Money in nano-dollars.

    `tokens_in` is input and cache writes: each token once, when it was new. `cache_read` is what
    later turns read again. `cost_nano` is the synchronous list price of all.
    """

    prompt: str = ""
    folder: str = ""
    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cache_read: int = 0
    cost_nano: int = 0
    unpriced: int = 0
    models: dict[str, int] = field(default_factory=dict[str, int])
    days: set[str] = field(default_factory=set[str])


class Recorded(Struct, kw_only=True):
    """The sessions by id, and how much was read."""

    sessions: dict[str, SessionUsage] = field(default_factory=dict[str, SessionUsage])
    files: int = 0
    malformed: int = 0
    first_day: str | None = None


class _Message(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: msgspec.Raw = msgspec.Raw()
    content: msgspec.Raw = msgspec.Raw()


class _Line(Struct, gc=False, rename="camel"):
    type: str = ""
    timestamp: str = ""
    session_id: str = ""
    request_id: str | None = None
    cwd: str = ""
    is_sidechain: bool = False
    is_meta: bool = False
    message: _Message | None = None
    content: msgspec.Raw = msgspec.Raw()


class _Answer(Struct, gc=False):
    session: str
    day: str
    at: datetime
    model: str
    usage: Usage


_decoder = msgspec.json.Decoder(_Line)
_text_decoder = msgspec.json.Decoder(str | list[dict[str, object]])
_REMINDER, _REMINDER_END = "<system-reminder>", "</system-reminder>"


def read_usage_of(
    paths: Iterable[Path], prices: PriceBook, *, now: datetime, days: int, problems: list[Problem]
) -> Recorded:
    """The usage of the last days in these files. They are read line by line, in any size."""
    reading = _Reading(prices, since=now - timedelta(days=days), until=now)
    for path in paths:
        try:
            if datetime.fromtimestamp(path.stat().st_mtime, UTC) < reading.since:
                continue
            with open_regular(path) as file:
                reading.read(file, path)
        except OSError as error:
            problems.append(Problem(str(path), cause(error, path).text))
    return reading.found


class _Reading:
    """One reading of all files: what is counted, and the answers that may have further lines."""

    def __init__(self, prices: PriceBook, *, since: datetime, until: datetime) -> None:
        self.since, self._until = since, until
        self.found = Recorded()
        self._prices = prices
        self._open = OrderedDict[str, _Answer]()
        # Hashes, 8 bytes each and their place in the set: the ids of a million answers need 90 MB.
        self._counted = set[int]()

    def read(self, file: BinaryIO, path: Path) -> None:
        """Count one file."""
        self.found.files += 1
        is_main = _SUBAGENTS not in path.parts
        needs_prompt = is_main
        for raw in _lines(file):
            if not needs_prompt and _USAGE not in raw:
                continue
            try:
                line = _decoder.decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                self.found.malformed += bool(raw.strip())
                continue
            session = self._session(line.session_id or path.stem)
            session.folder = session.folder or line.cwd
            if needs_prompt and (prompt := _prompt(line)):
                session.prompt, needs_prompt = prompt[:_PROMPT_CHARS], False
            if line.type == "assistant" and line.message is not None:
                self._take(line, line.message, line.session_id or path.stem)
        for key in list(self._open):
            self._count(key)

    def _session(self, name: str) -> SessionUsage:
        return self.found.sessions.setdefault(name, SessionUsage())

    def _take(self, line: _Line, message: _Message, session: str) -> None:
        model = message.model
        if model is None or model == _NO_MODEL or not bytes(message.usage):
            return
        try:
            # Without a zone it is the time of this machine.
            at = from_text(line.timestamp).astimezone(UTC)
        except (ValueError, OverflowError):
            self.found.malformed += 1
            return
        if not self.since <= at <= self._until:
            return
        usage = read_usage(message.usage, model)
        key = message.id or line.request_id or f"{session} {line.timestamp}"
        known = self._open.pop(key, None)
        if known is None or usage.output_tokens >= known.usage.output_tokens:
            known = _Answer(session, str(at.date()), at, model, usage)
        self._open[key] = known
        if len(self._open) > _OPEN_ANSWERS:
            self._count(next(iter(self._open)))

    def _count(self, key: str) -> None:
        answer = self._open.pop(key)
        if hash(key) in self._counted:
            return
        self._counted.add(hash(key))
        usage, session = answer.usage, self._session(answer.session)
        charge = self._prices.charge(answer.model, usage, at=answer.at, kind=BatchKind.SYNC)
        new = usage.input_tokens + usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
        session.answers += 1
        session.tokens_in += new
        session.tokens_out += usage.output_tokens
        session.cache_read += usage.cache_read_tokens
        session.cost_nano += charge.sync_cost_nano or 0
        session.unpriced += charge.sync_cost_nano is None
        session.models[answer.model] = session.models.get(answer.model, 0) + new
        session.days.add(answer.day)
        self.found.first_day = min(self.found.first_day or answer.day, answer.day)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines but for those that are too long, of which only a part is in memory."""
    while raw := file.readline(_LONGEST_LINE):
        if raw.endswith(b"\n") or len(raw) < _LONGEST_LINE:
            yield raw
            continue
        while (rest := file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
            pass


def _prompt(line: _Line) -> str:
    """The text of a line, if a person or a scheduler wrote it."""
    raw = msgspec.Raw()
    if line.type == "user" and line.message is not None and not line.is_meta:
        raw = b"" if line.is_sidechain else line.message.content
    elif line.type == "queue-operation":
        raw = line.content
    if not bytes(raw):
        return ""
    try:
        content = _text_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(content, str):
        texts = (
            str(part["text"]) for part in content if part.get("type") == "text" and "text" in part
        )
        content = "\n".join(texts)
    return _without_reminders(content.strip())


def _without_reminders(text: str) -> str:
    """The text after the notes that Claude Code puts before a prompt."""
    while text.startswith(_REMINDER):
        text = text.partition(_REMINDER_END)[2].strip()
    return text
