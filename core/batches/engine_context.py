"""The collaborators of every operation of the engine; made by `core.bootstrap`, or by tests."""

import random
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from msgspec import Struct, field
from msgspec.structs import replace

from core.api.protocol import BatchApi
from core.batches.poll_time_limit import PollTimeLimit
from core.clock import Clock
from core.config.sending_settings import Recovery
from core.errors import LaneError, SettingsError
from core.money.pricing import PriceBook
from core.requests.payload import Limits
from state.db.ledger import Ledger
from state.files.folder import Folder
from state.model.records import DEFAULT_LANE, of_lane

# Codes of a SettingsError after which the API must not be called: it is the wrong one, or the key.
WRONG_API = ("other_server", "other_account", "api_key_rejected")


class LaneAccess(Struct, frozen=True, kw_only=True):
    """How a lane of titan.toml reaches its API; the fields are those of `Context`."""

    api: Callable[[], BatchApi]
    limits: Limits
    server: str = ""
    same_servers: tuple[str, ...] = ()


class Context(Struct, frozen=True, kw_only=True):
    """The collaborators of one engine, on one thread.

    `api` opens the API client on first use, and raises SettingsError where there is no key; `close`
    closes it. `instance_id` names this process in leases and sends. `progress` gets the activity,
    the number of finished requests, and of all. `runs_hooks`: whether its polls run delivery hooks.
    `writes_mirrors`: whether it appends to the mirror files of this host.
    `poll_max_min` limits a poll, and `time` is the one of the poll that runs.
    `server` is the host, port and path of the API, "" where that is not to be checked;
    `same_servers` are other names of it. These, `api`, `prices` and `limits` are those of `lane`;
    `lanes` has the other ones, and `refused` those whose API must not be called in this poll.
    """

    ledger: Ledger
    folder: Folder
    clock: Clock
    api: Callable[[], BatchApi]
    prices: PriceBook
    instance_id: str
    limits: Limits = field(default_factory=Limits)
    recovery: Recovery = field(default_factory=Recovery)
    rng: random.Random = field(default_factory=random.Random)
    progress: Callable[[str, int, int], None] = lambda _what, _done, _of: None
    close: Callable[[], None] = lambda: None
    runs_hooks: bool = True
    writes_mirrors: bool = True
    poll_max_min: int = 30
    time: PollTimeLimit = field(default_factory=PollTimeLimit)
    lane: str = DEFAULT_LANE
    lanes: Mapping[str, LaneAccess] = field(default_factory=dict[str, LaneAccess])
    refused: dict[str, SettingsError] = field(default_factory=dict[str, SettingsError])
    server: str = ""
    same_servers: tuple[str, ...] = ()

    def on(self, lane: str) -> "Context":
        """The same for a lane; one that titan.toml does not name has an API that cannot be called.

        A batch is sent, listed, collected and canceled by the context of its lane, and by no other.
        """
        if lane == self.lane:
            return self
        found = self.lanes.get(lane)
        if found is None:
            api = _raising(_missing(lane))
            return replace(self, lane=lane, api=api, prices=self.prices.of(lane), server="")
        refused = self.refused.get(lane)
        return replace(
            self,
            lane=lane,
            api=_raising(refused) if refused else found.api,
            prices=self.prices.of(lane),
            limits=found.limits,
            server=found.server,
            same_servers=found.same_servers,
        )

    @property
    def of_lane(self) -> str:
        """What a message says of the lane; nothing of the default one."""
        return of_lane(self.lane)

    @contextmanager
    def lane_errors(self) -> Generator[None, None, None]:
        """A SettingsError inside, of a lane of titan.toml, is a LaneError: the others go on."""
        try:
            yield
        except LaneError:
            raise
        except SettingsError as error:
            if self.lane == DEFAULT_LANE:
                raise
            self.refused[self.lane] = error
            raise LaneError(f"Lane {self.lane}: {error}", code=error.code) from error


def _missing(lane: str) -> SettingsError:
    return SettingsError(
        f"it is not in titan.toml, and has unfinished work. Add [lanes.{lane}] again as it was:"
        " nothing was sent elsewhere.",
        code="lane_missing",
    )


def _raising(error: SettingsError) -> Callable[[], BatchApi]:
    def refuse() -> BatchApi:
        raise error

    return refuse
