"""What a database server says of itself, for `doctor`."""

from datetime import timedelta

from msgspec import Struct


class ServerFacts(Struct, frozen=True, kw_only=True):
    """A server of PostgreSQL, its database, and the role that connects to it."""

    #: As it names itself, such as `15.6 (Debian 15.6-0+deb12u1)`.
    version: str
    #: Whether ledgers work with that version.
    is_supported: bool
    encoding: str
    synchronous_commit: str
    #: Whether it only follows another server.
    is_standby: bool
    #: Standbys that follow it, as far as the role may see them, and how many seconds they lag.
    standbys: int
    standby_lag_s: float
    #: The first schema of the search_path that exists.
    schema_name: str | None
    role: str
    may_create: bool
    #: Whether it may make temporary tables, which submissions and collections need.
    may_stage: bool
    #: What it may not do of SELECT, INSERT, UPDATE and DELETE, and in which tables, with commas.
    denied: tuple[tuple[str, str], ...]
    #: The database, with its bodies and results.
    bytes: int
    connections: int
    most_connections: int
    #: One round trip; the shortest of several, in seconds.
    latency_s: float
    #: The server's clock minus that of this host; exact to half of the round trip.
    clock_offset: timedelta
    #: Whether a pooler gives each transaction another session.
    pools_transactions: bool
