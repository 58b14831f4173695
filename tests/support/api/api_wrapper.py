"""A client around another one, for tests of an API that responds in a special way."""

from typing import TYPE_CHECKING

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi

# For the type checker it is a client; at run time `__getattr__` passes on what no subclass defines.
_Base = AnthropicApi if TYPE_CHECKING else object


class ApiWrapper(_Base):
    """Passes each call on to `api`; a subclass changes one of them."""

    def __init__(self, api: BatchApi) -> None:
        self.api = api

    def __getattr__(self, name: str) -> object:
        return getattr(self.api, name)
