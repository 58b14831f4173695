"""A client around another one, for tests of an API that responds in a special way."""

from core.api.protocol import BatchApi


class ApiWrapper:
    """Passes each call on to `api`; a subclass changes one of them."""

    def __init__(self, api: BatchApi) -> None:
        self.api = api

    def __getattr__(self, name: str) -> object:
        return getattr(self.api, name)
