"""Loads the price list on a thread of its own while the caller waits for the API."""

import sys
from contextlib import suppress
from importlib import import_module
from threading import Thread

_MODULE = "genai_prices"


def start() -> None:
    """Start loading, unless it is loaded."""
    if _MODULE not in sys.modules:
        Thread(target=_load, name="titan-prices").start()


def _load() -> None:
    # An import error is reported where a price is needed.
    with suppress(Exception):
        import_module(_MODULE)
