"""Loads pyarrow, which only Parquet needs: it is the extra `titan-console[parquet]`."""

from importlib import import_module
from typing import Any

from core.errors import InputError


def pyarrow(module: str = "pyarrow") -> Any:  # noqa: ANN401 - it has no types
    """The module. Raises InputError where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            "Parquet needs pyarrow: pip install 'titan-console[parquet]'.", code="parquet_missing"
        ) from error
