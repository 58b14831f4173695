"""Parses a filter line, locates errors, and completes it. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from state.model.filter_terms import BoundTerm, Field, Relation, Term, ValuesTerm

# The names of the fields, and others that are accepted.
FIELDS = {field.value: field for field in Field} | {
    "state": Field.STATUS,
    "workflow": Field.WORKFLOW,
    "error": Field.ERROR,
    "tries": Field.ATTEMPTS,
}
COMPARED = (Field.AGE, Field.COST, Field.ATTEMPTS)
QUALIFIED = re.compile(r"([a-z]+)(:|>=|<=|>|<|=)", re.IGNORECASE)
# States that the screens name otherwise; both names are accepted.
_SHOWN = {"in_flight": "in_progress"}
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_NUMBER = r"(\d{1,12}(?:\.\d{1,9})?|\.\d{1,9})"
_AGE = re.compile(_NUMBER + r"([smhdw])", re.ASCII)
_COST = re.compile(r"\$?" + _NUMBER, re.ASCII)
_ATTEMPTS = re.compile(r"\d{1,9}", re.ASCII)
_A_HUNDRED_YEARS = 100 * 365 * 86_400
_NANO = 1_000_000_000
# What fits here is within SQLite's limits for every list.
_MOST_CHARACTERS = 3_000
_EXAMPLES = {Field.AGE: "age>2h", Field.COST: "cost>0.10", Field.ATTEMPTS: "attempts>1"}
_IN_QUOTES = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_QUOTES = re.compile(r'[\s",\\]')


class Vocabulary(Struct, frozen=True):
    """The fields and states that a list can be filtered by."""

    fields: tuple[Field, ...]
    states: tuple[str, ...]


class Mistake(Struct, frozen=True):
    """A span of the line that cannot be parsed, and the reason."""

    begin: int
    end: int
    reason: str


class Filter(Struct, frozen=True):
    """A parsed filter line; all terms must match. It is not applied while it has mistakes."""

    terms: tuple[Term, ...] = ()
    mistakes: tuple[Mistake, ...] = ()


class Token(Struct, frozen=True):
    """A span between unquoted spaces."""

    begin: int
    text: str
    is_closed: bool

    @property
    def end(self) -> int:
        """The position after it."""
        return self.begin + len(self.text)


class _NotUnderstood(ValueError):
    pass


def parse(line: str, vocabulary: Vocabulary) -> Filter:
    """Parse a line into terms and mistakes."""
    if len(line) > _MOST_CHARACTERS:
        reason = f"too long: {len(line):,} characters, at most {_MOST_CHARACTERS:,}"
        return Filter(mistakes=(Mistake(_MOST_CHARACTERS, len(line), reason),))
    terms: list[Term] = []
    mistakes: list[Mistake] = []
    for token in tokens(line):
        try:
            terms.append(_term(token, vocabulary))
        except _NotUnderstood as error:
            mistakes.append(Mistake(token.begin, token.end, str(error)))
    return Filter(tuple(terms), tuple(mistakes))


def write(terms: Sequence[Term]) -> str:
    """A line that parses to these terms."""
    return " ".join(map(_written, terms))


def tokens(line: str) -> Iterator[Token]:
    """Split the line at unquoted spaces."""
    begin, is_quoted, is_escaped = None, False, False
    for index, character in enumerate(line):
        if character.isspace() and not is_quoted:
            if begin is not None:
                yield Token(begin, line[begin:index], is_closed=True)
            begin = None
            continue
        begin = index if begin is None else begin
        if is_escaped:
            is_escaped = False
        elif is_quoted and character == "\\":
            is_escaped = True
        elif character == '"':
            is_quoted = not is_quoted
    if begin is not None:
        yield Token(begin, line[begin:], is_closed=not is_quoted)


def _term(token: Token, vocabulary: Vocabulary) -> Term:
    if not token.is_closed:
        raise _NotUnderstood('unclosed quote: write "two words"')
    is_not = token.text.startswith("!")
    text = token.text[1:] if is_not else token.text
    if not text:
        raise _NotUnderstood("! needs a term: !errored")
    found = QUALIFIED.match(text)
    if not found:
        return ValuesTerm(Field.TEXT, (_one_value(text),), is_not)
    field = _field(found[1], vocabulary)
    rest = text[found.end() :]
    if field in COMPARED:
        return _bound(field, found[2], rest, is_not=is_not)
    if found[2] not in (":", "="):
        raise _NotUnderstood(f"{field} takes a colon: {field}:…")
    return ValuesTerm(field, _values(field, rest, vocabulary), is_not)


def _field(word: str, vocabulary: Vocabulary) -> Field:
    field = FIELDS.get(word.lower())
    if field is None or field not in vocabulary.fields:
        names = ", ".join(field for field in vocabulary.fields if field != Field.TEXT)
        raise _NotUnderstood(
            f'unknown field {word}; use {names}, or quote text that has a colon: "{word}:…"'
        )
    return field


def _bound(field: Field, sign: str, rest: str, *, is_not: bool) -> BoundTerm:
    if sign == ":" or not rest:
        raise _NotUnderstood(f"{field} needs a comparison: {_EXAMPLES[field]}")
    return BoundTerm(field, Relation(sign), _amount(field, rest), is_not)


def _amount(field: Field, text: str) -> int:
    match field:
        case Field.AGE:
            found = _AGE.fullmatch(text)
            if found:
                seconds = int(Decimal(found[1]) * _SECONDS[found[2]])
                return min(seconds, _A_HUNDRED_YEARS)
            raise _NotUnderstood("age must be a number with s, m, h, d or w: age>2h")
        case Field.COST:
            found = _COST.fullmatch(text)
            if found and Decimal(found[1]) < _NANO:
                return int(Decimal(found[1]) * _NANO)
            raise _NotUnderstood("cost must be a number of dollars: cost>0.10")
        case _:
            if _ATTEMPTS.fullmatch(text):
                return int(text)
            raise _NotUnderstood("attempts must be an integer: attempts>1")


def _values(field: Field, text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    values = [_one_value(part) for part in _split(text)]
    if field != Field.STATUS:
        return tuple(values)
    return tuple(dict.fromkeys(state for value in values for state in _states(value, vocabulary)))


def _states(value: str, vocabulary: Vocabulary) -> list[str]:
    """The states with this prefix; an exact name matches only itself."""
    low = value.lower().replace(" ", "_")
    exact = [state for state in vocabulary.states if low in (state, _shown(state))]
    if exact:
        return exact
    found = [s for s in vocabulary.states if s.startswith(low) or _shown(s).startswith(low)]
    if not found:
        names = ", ".join(map(_shown, vocabulary.states))
        raise _NotUnderstood(f"unknown status {value}; use {names}")
    return found


def _shown(state: str) -> str:
    return _SHOWN.get(state, state)


def _split(text: str) -> list[str]:
    """Split at unquoted commas."""
    parts, begin, is_quoted, is_escaped = list[str](), 0, False, False
    for index, character in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif is_quoted and character == "\\":
            is_escaped = True
        elif character == '"':
            is_quoted = not is_quoted
        elif character == "," and not is_quoted:
            parts.append(text[begin:index])
            begin = index + 1
    return [*parts, text[begin:]]


def _one_value(text: str) -> str:
    """Without its quotes."""
    value = _IN_QUOTES.sub(lambda found: _ESCAPED.sub(r"\1", found[1]), text)
    if not value:
        raise _NotUnderstood("missing value")
    return value


def _written(term: Term) -> str:
    sign = "!" if term.is_not else ""
    if isinstance(term, BoundTerm):
        return f"{sign}{term.field}{term.relation}{_amount_written(term)}"
    if term.field == Field.TEXT:
        return sign + quoted(term.values[0], whole=True)
    values = map(_shown, term.values) if term.field == Field.STATUS else term.values
    return f"{sign}{term.field}:{','.join(map(quoted, values))}"


def _amount_written(term: BoundTerm) -> str:
    match term.field:
        case Field.AGE:
            unit = next(u for u, size in _SECONDS.items() if term.amount % size == 0)
            return f"{term.amount // _SECONDS[unit]}{unit}"
        case Field.COST:
            return f"{Decimal(term.amount).scaleb(-9).normalize():f}"
        case _:
            return str(term.amount)


def quoted(value: str, *, whole: bool = False) -> str:
    """Quoted where it would be parsed differently; `whole` for a text term."""
    is_plain = not _NEEDS_QUOTES.search(value) and not (
        whole and (value.startswith("!") or QUALIFIED.match(value))
    )
    if is_plain:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def complete(
    line: str, vocabulary: Vocabulary, known: Mapping[Field, Sequence[str]]
) -> tuple[str, ...]:
    """Completions of the last term, best first."""
    words = list(tokens(line))
    last = (
        words[-1] if words and words[-1].end == len(line) else Token(len(line), "", is_closed=True)
    )
    before = line[: last.begin]
    sign, text = ("!", last.text[1:]) if last.text.startswith("!") else ("", last.text)
    found = QUALIFIED.match(text)
    if not found:
        openings = (_opening(field) for field in vocabulary.fields if field != Field.TEXT)
        return tuple(f"{before}{sign}{w}" for w in openings if w.startswith(text.lower()))
    field = FIELDS.get(found[1].lower())
    if field is None or field in COMPARED:
        return ()
    done, _, begun = text[found.end() :].rpartition(",")
    states = tuple(map(_shown, vocabulary.states))
    values = states if field == Field.STATUS else known.get(field, ())
    stem = f"{before}{sign}{found[0]}{f'{done},' if done else ''}"
    return tuple(f"{stem}{quoted(value)}" for value in _fitting(values, begun.strip('"')))


def _fitting(values: Sequence[str], begun: str) -> list[str]:
    low = begun.lower()
    fit = [value for value in values if low in value.lower() and value != begun]
    return sorted(fit, key=lambda value: not value.lower().startswith(low))


def _opening(field: Field) -> str:
    return f"{field.value}{'>' if field in COMPARED else ':'}"
