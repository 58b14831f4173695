"""[api], [recovery] and [limits] of titan.toml: the server, lost creates, sizes and times."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from core.config.toml_reader import Record, TextList
from core.requests.payload import Limits

_Seconds = Annotated[int, Meta(ge=1, le=86_400)]


class Recovery(Record, frozen=True, kw_only=True):
    """[recovery]: how long the API may still accept a create without a response."""

    #: After a create that got no response.
    wait_after_timeout_s: _Seconds = 1800
    #: After a create that the API answered with a server error.
    wait_after_error_s: _Seconds = 300

    @staticmethod
    def old_names() -> Mapping[str, str]:
        """See `Record.old_names`."""
        return {
            "settle_after_timeout_s": "wait_after_timeout_s",
            "settle_after_error_s": "wait_after_error_s",
        }


class ApiSettings(Record, frozen=True, kw_only=True):
    """[api]: other names of the server, under which batches were sent, and where calls may go."""

    same_server: TextList = ()
    #: The only host that is called, on any lane and port, such as that of the demo. Empty: any.
    only_host: str = ""


class BatchLimits(Record, frozen=True, kw_only=True):
    """[limits]: the most requests and bytes of one batch, within the API's own limits.

    After `poll_max_min` a poll begins nothing new.
    """

    max_requests: Annotated[int, Meta(ge=1, le=100_000)] = Limits().max_requests
    max_bytes: Annotated[int, Meta(ge=10_000, le=256_000_000)] = Limits().max_bytes
    poll_max_min: Annotated[int, Meta(ge=1, le=1440)] = 30

    def limits(self) -> Limits:
        """As the splitter takes them."""
        return Limits(max_requests=self.max_requests, max_bytes=self.max_bytes)
