"""Read JSON of unknown shape without trusting it."""

from typing import cast


def as_dict(value: object) -> dict[str, object]:
    """The value if it is an object, else an empty one."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """The value if it is a list, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def as_str(value: object) -> str:
    """The value if it is text, else an empty one."""
    return value if isinstance(value, str) else ""


def as_int(value: object) -> int | None:
    """The value if it is a whole number and no boolean."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_dict(value: object) -> bool:
    """Whether the value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> bool:
    """Whether the value is a list."""
    return isinstance(value, list)
