"""The instance of a type in a result: what `poll_and_collect(key, output=Model)` adds."""

import msgspec

from core.api.result_schema import final_text
from core.delivery.results import Result
from core.requests.output_schema import NotAnInstance, to_instance
from core.text import printable
from state.model.records import REVIEW_STOP_REASONS


def with_output(result: Result, output: object) -> Result:
    """The result with `output`, the instance, and in `invalid` why an answer has none.

    A refused, cut off or unfinished answer has none, and says so in its stop reason.
    """
    message = result["message"]
    if not message or result["invalid"] or message.get("stop_reason") in REVIEW_STOP_REASONS:
        return {**result, "output": None}
    instance, problem = instance_of(final_text(message), output)
    return {**result, "output": instance, "invalid": problem}


def instance_of(text: str | None, output: object) -> tuple[object, str | None]:
    """The instance in the text of an answer, or None and why there is none."""
    try:
        return to_instance(output, msgspec.json.decode(text or "")), None
    except (NotAnInstance, msgspec.DecodeError, RecursionError) as error:
        return None, printable(str(error))
