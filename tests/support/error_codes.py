"""Matches an error by its code, which is stable, and not by its message, which may improve."""

from collections.abc import Callable

from state.model.errors import TitanError


def code_is(code: str) -> Callable[[TitanError], bool]:
    """For `pytest.raises(..., check=code_is("output_exists"))`."""
    return lambda error: error.code == code
