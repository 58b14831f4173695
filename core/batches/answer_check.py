"""Checks the answers of a batch against the schemas of their requests."""

from core.api.result_schema import final_text, message_of
from core.requests.answer_validation import Validator
from state.batches import output_schemas
from state.db.ledger import Ledger
from state.model.records import REVIEW_STOP_REASONS, Batch

# So many compiled schemas are kept; most batches have one.
_KEPT = 64
# An answer that is to be reviewed anyway has no second label, and a tool call no text to check.
_UNCHECKED = (*REVIEW_STOP_REASONS, "tool_use")


class AnswerCheck:
    """Finds the schema of each request, once where all requests of the batch have the same."""

    def __init__(self, ledger: Ledger, batch: Batch) -> None:
        """Read which schemas the requests of the batch have."""
        self._ledger = ledger
        self._batch = batch
        self._ids = output_schemas.ids_of(ledger, batch)
        self._validators: dict[int, Validator | None] = {}

    def problem(self, request_id: int, stop_reason: str | None, line: bytes) -> str | None:
        """Why the answer in this line of the results is invalid; None where it is not."""
        if self._ids == [None] or stop_reason in _UNCHECKED:
            return None
        validator = self._validator(request_id)
        return validator.problem(final_text(message_of(line) or {})) if validator else None

    def _validator(self, request_id: int) -> Validator | None:
        if len(self._ids) == 1:
            schema_id = self._ids[0]
        else:
            schema_id = output_schemas.id_of(self._ledger, self._batch, request_id)
        if schema_id is None:
            return None
        if schema_id not in self._validators:
            if len(self._validators) == _KEPT:
                self._validators.clear()
            self._validators[schema_id] = self._compiled(schema_id)
        return self._validators[schema_id]

    def _compiled(self, schema_id: int) -> Validator | None:
        """None for a schema of an older version that is none: the API checked its answers."""
        try:
            return Validator(output_schemas.text_of(self._ledger, schema_id))
        except ValueError:
            return None
