"""The models as `/v1/models` lists them."""

from collections.abc import Mapping, Sequence

from titan_console.sandbox.model.http_messages import ErrorResponse
from titan_console.sandbox.model.models import MODELS, Model, find_model
from titan_console.sandbox.rules.listing import read_limit

# The API's own value for an unknown date.
_UNKNOWN_DATE = "1970-01-01T00:00:00Z"
_CONTEXT = 200_000


def model_list(query: Mapping[str, str]) -> dict[str, object]:
    """One page of the models."""
    limit, ids = read_limit(query), [model.id for model in MODELS]
    if before := query.get("before_id"):
        end = _index(ids, "before_id", before)
        start = max(end - limit, 0)
        has_more = start > 0
    else:
        after = query.get("after_id")
        start = _index(ids, "after_id", after) + 1 if after else 0
        end = min(start + limit, len(ids))
        has_more = end < len(ids)
    found = MODELS[start:end]
    return {
        "data": list(map(_info, found)),
        "has_more": has_more,
        "first_id": found[0].id if found else None,
        "last_id": found[-1].id if found else None,
    }


def model_info(name: str) -> dict[str, object]:
    """One model, by its id or alias."""
    model = find_model(name)
    if model is None:
        raise ErrorResponse(404, f"model: {name}")
    return _info(model)


def _index(ids: Sequence[str], what: str, name: str) -> int:
    if name not in ids:
        raise ErrorResponse(400, f"{what}: {name} not found.")
    return ids.index(name)


def _info(model: Model) -> dict[str, object]:
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.id.replace("-", " ").title(),
        "created_at": _UNKNOWN_DATE,
        "lifecycle": "active",
        "max_input_tokens": _CONTEXT,
        "max_tokens": model.max_output,
    }
