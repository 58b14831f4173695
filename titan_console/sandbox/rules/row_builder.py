"""Turns the requests of a create into rows: validated, measured, with their answer chosen."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from titan_console.sandbox.answers.prompts import detect_format
from titan_console.sandbox.answers.texts import choose_answer
from titan_console.sandbox.answers.tokens import Measure, measure
from titan_console.sandbox.model.http_messages import ErrorResponse
from titan_console.sandbox.model.ids import digest
from titan_console.sandbox.model.json_access import as_dict, as_int, as_str
from titan_console.sandbox.model.models import Model, find_model
from titan_console.sandbox.model.rows import Row, RowError
from titan_console.sandbox.rules.create import Entry, read_object
from titan_console.sandbox.rules.rows import CallOptions, row_error

# The injected fault of a row: an error, a stop reason, or None.
RowFault = Callable[[str], "RowError | str | None"]


def no_fault(_custom_id: str) -> None:
    """No row has a fault."""


class RowBuilder:
    """Turn requests into rows; the first of equal cached prefixes writes, later ones read."""

    def __init__(self, seed: int, options: CallOptions, fault: RowFault = no_fault) -> None:
        """One builder per create or Messages call."""
        self._seed = seed
        self._options = options
        self._fault = fault
        self._written: set[tuple[str, int]] = set()

    def rows(self, entries: Sequence[Entry]) -> Iterator[Row]:
        """All rows of a create."""
        for entry in entries:
            raw = bytes(memoryview(entry.params))
            yield self.row(entry.custom_id, raw)

    def row(self, custom_id: str, raw: bytes) -> Row:
        """One row from its id and its params."""
        params = read_object(raw)
        seed = digest(self._seed, custom_id, raw)
        model = find_model(as_str(params.get("model")))
        error = row_error(params, model, self._options)
        injected = self._fault(custom_id)
        if isinstance(injected, RowError):
            error = error or injected
        if error or model is None:
            return Row(custom_id=custom_id, digest=seed, error=error)
        stop = injected if isinstance(injected, str) else ""
        return self._valid_row(custom_id, seed, params, model, stop)

    def _valid_row(
        self, custom_id: str, seed: int, params: dict[str, object], model: Model, stop: str
    ) -> Row:
        size = measure(params, minimum=model.cache_minimum)
        wrote = self._writes(model, size)
        kind, text, tool = choose_answer(detect_format(params), seed)
        return Row(
            custom_id=custom_id,
            digest=seed,
            model=model.id,
            kind=kind,
            text=text,
            tool=tool,
            max_tokens=as_int(params["max_tokens"]) or 0,
            thinking=as_str(as_dict(params.get("thinking")).get("type")) in {"enabled", "adaptive"},
            stop=stop,
            input_tokens=size.total - size.cached,
            write_5m=size.cached if wrote and not size.hour else 0,
            write_1h=size.cached if wrote and size.hour else 0,
            read=0 if wrote else size.cached,
        )

    def _writes(self, model: Model, size: Measure) -> bool:
        """Whether this row is the first with its prefix."""
        key = (model.id, size.cache_key)
        first = key not in self._written
        self._written.add(key)
        return first


def sync_row(seed: int, params: dict[str, object], options: CallOptions) -> Row:
    """A Messages call as a row; an errored row fails at once here."""
    # Streamed or not, the same question gets the same answer.
    asked = {name: value for name, value in params.items() if name != "stream"}
    row = RowBuilder(seed, options).row("", msgspec.json.encode(asked))
    if row.error:
        status = 404 if row.error.type == "not_found_error" else 400
        raise ErrorResponse(status, row.error.message)
    return row
