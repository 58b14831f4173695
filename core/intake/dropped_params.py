"""Removes parameters that the API no longer accepts from the requests of an older file."""

from collections.abc import Iterable, Iterator
from typing import cast

from core.errors import InputError

_REQUIRED = frozenset({"custom_id", "params", "messages", "max_tokens"})


class DroppedParams:
    """The names to remove, and how many requests had each."""

    def __init__(self, names: Iterable[str]) -> None:
        """Raises InputError for a parameter that no request may lack."""
        stripped = (name.strip() for name in names)
        self.counts = {name: 0 for name in stripped if name}
        if required := sorted(_REQUIRED.intersection(self.counts)):
            raise InputError(f"--drop {required[0]}: no request may be without it.")

    def remove_from(self, requests: Iterable[object]) -> Iterator[object]:
        """The same requests without the parameters, in either form; counts what was removed."""
        return map(self._without, requests) if self.counts else iter(requests)

    def _without(self, request: object) -> object:
        """Changes the request itself: it was read from a file for this."""
        if not isinstance(request, dict):
            return request
        fields = cast("dict[str, object]", request)
        inner = fields.get("params", fields)
        params = cast("dict[str, object]", inner) if isinstance(inner, dict) else fields
        for name in self.counts.keys() & params.keys():
            del params[name]
            self.counts[name] += 1
        return fields
