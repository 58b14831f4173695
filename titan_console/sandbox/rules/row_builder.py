"""Turns the requests of a create into rows: validated, measured, with their answer chosen."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from core.requests.json_access import as_dict, as_int, as_str
from titan_console.sandbox.answers.prompts import detect_format
from titan_console.sandbox.answers.texts import choose_answer, wrong_output
from titan_console.sandbox.answers.tokens import measure
from titan_console.sandbox.model.http_messages import ErrorResponse
from titan_console.sandbox.model.ids import digest
from titan_console.sandbox.model.models import Model, find_model
from titan_console.sandbox.model.prompt_cache import PromptCache
from titan_console.sandbox.model.rows import WRONG_OUTPUT, Row, RowError
from titan_console.sandbox.rules.billed_extras import extras
from titan_console.sandbox.rules.create import Entry, read_object
from titan_console.sandbox.rules.rows import CallOptions, row_error, rules_of

_NEVER = datetime.min.replace(tzinfo=UTC)
# The injected fault of a row: an error, a stop reason, or None.
RowFault = Callable[[str], "RowError | str | None"]


def no_fault(_custom_id: str) -> None:
    """No row has a fault."""


class RowBuilder:
    """Turn requests into rows; the cache decides which of equal prefixes are written or read."""

    def __init__(
        self,
        seed: int,
        options: CallOptions,
        fault: RowFault = no_fault,
        *,
        cache: PromptCache | None = None,
        now: datetime = _NEVER,
    ) -> None:
        """One builder per create or Messages call; without a cache it has one of its own."""
        self._seed = seed
        self._options = options
        self._rules = rules_of(options)
        self._fault = fault
        self._cache = cache or PromptCache()
        self._call = self._cache.next_call()
        self._now = now

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
        error = row_error(params, model, self._options, self._rules)
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
        wrote = not self._cache.reads(
            (model.id, size.cache_key), custom_id, hour=size.hour, call=self._call, now=self._now
        )
        wanted = detect_format(params)
        kind, text, tool = choose_answer(wanted, seed)
        if stop == WRONG_OUTPUT:
            stop, text = "", text if wanted.schema is None else wrong_output(text)
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
            extras=extras(params, size.total, seed),
        )


def sync_row(
    seed: int,
    params: dict[str, object],
    options: CallOptions,
    *,
    cache: PromptCache | None = None,
    now: datetime = _NEVER,
) -> Row:
    """A Messages call as a row; an errored row fails at once here."""
    # Streamed or not, the same question gets the same answer.
    asked = {name: value for name, value in params.items() if name != "stream"}
    row = RowBuilder(seed, options, cache=cache, now=now).row("", msgspec.json.encode(asked))
    if row.error:
        status = 404 if row.error.type == "not_found_error" else 400
        raise ErrorResponse(status, row.error.message)
    return row


def token_count(seed: int, params: dict[str, object], options: CallOptions) -> int:
    """The input tokens of a request without max_tokens, cached ones among them."""
    if "max_tokens" in params:
        raise ErrorResponse(400, "max_tokens: Extra inputs are not permitted")
    model = find_model(as_str(params.get("model")))
    row = sync_row(seed, {**params, "max_tokens": model.max_output if model else 1}, options)
    return row.input_tokens + row.write_5m + row.write_1h + row.read
