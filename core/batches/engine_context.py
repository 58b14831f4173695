"""The collaborators of every operation of the engine; made by `core.bootstrap`, or by tests."""

import random
from collections.abc import Callable

from msgspec import Struct, field

from core.api.protocol import BatchApi
from core.batches.poll_time_limit import PollTimeLimit
from core.clock import Clock
from core.config.sending_settings import Recovery
from core.money.pricing import PriceBook
from core.requests.payload import Limits
from state.db.ledger import Ledger
from state.files.folder import Folder


class Context(Struct, frozen=True, kw_only=True):
    """The collaborators of one engine, on one thread.

    `api` opens the API client on first use, and raises SettingsError where there is no key; `close`
    closes it. `instance_id` names this process in leases and sends. `progress` gets the activity,
    the number of finished requests, and of all. `runs_hooks`: whether its polls run delivery hooks.
    `poll_max_min` limits a poll, and `time` is the one of the poll that runs.
    `server` is the host, port and path of the API, "" where that is not to be checked;
    `same_servers` are other names of it.
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
    poll_max_min: int = 30
    time: PollTimeLimit = field(default_factory=PollTimeLimit)
    server: str = ""
    same_servers: tuple[str, ...] = ()
