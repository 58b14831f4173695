"""Stands in for a defect of ours: a function that raises for one item and works for the others."""

from collections.abc import Callable
from typing import Any


def breaks(
    error: Exception, is_sick: Callable[[Any], bool] = lambda _item: True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function raise for a sick item, its second argument, before it does anything."""

    def around(real: Callable[..., Any]) -> Callable[..., Any]:
        def broken(*args: object, **options: object) -> Any:
            if is_sick(args[1] if len(args) > 1 else None):
                raise error.with_traceback(None)
            return real(*args, **options)

        return broken

    return around
