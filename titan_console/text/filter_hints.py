"""How a filter line could go on: qualifiers, and the values that the ledger knows. Pure."""

from collections.abc import Mapping, Sequence

from state.model.filter_terms import Field
from titan_console.text.filters import (
    COMPARED,
    FIELDS,
    QUALIFIED,
    Token,
    Vocabulary,
    quoted,
    tokens,
)


def complete(
    line: str, vocabulary: Vocabulary, known: Mapping[Field, Sequence[str]]
) -> tuple[str, ...]:
    """What the line could go on to be: its last word completed, the likeliest first."""
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
    values = vocabulary.states if field == Field.STATE else known.get(field, ())
    stem = f"{before}{sign}{found[0]}{f'{done},' if done else ''}"
    return tuple(f"{stem}{quoted(value)}" for value in _fitting(values, begun.strip('"')))


def _fitting(values: Sequence[str], begun: str) -> list[str]:
    low = begun.lower()
    fit = [value for value in values if low in value.lower() and value != begun]
    return sorted(fit, key=lambda value: not value.lower().startswith(low))


def _opening(field: Field) -> str:
    return f"{field.value}{'>' if field in COMPARED else ':'}"
