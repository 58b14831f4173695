"""A connection that gives up a server that hangs, while its network still answers."""

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

import psycopg

from state.db.postgres.rows import Row

if TYPE_CHECKING:
    from psycopg.abc import PQGen

Value = TypeVar("Value")

# After so many seconds of silence the server is asked, on another connection, whether it lives.
PROBE_S = 20.0
# One that is overloaded may miss one of them.
_PROBES = 2
_PROBE_LIMIT_S = 10.0
_INTERVAL_S = 0.1


class ServerHangs(psycopg.OperationalError):
    """The server is silent; the connection has been closed, and what ran is unknown."""


class WatchedConnection(psycopg.Connection[Row]):
    """Raises ServerHangs where the server has stopped, or where a statement takes too long.

    Keep-alive packets do not find that: the kernel answers them for a process that is stopped. A
    server that lives ends a statement by itself (`statement_timeout`), so the limit here is for a
    session that has stopped alone, and for a commit.
    """

    #: Seconds of silence after which a statement is abandoned; None while the server lives.
    limit_s: float | None = None
    #: Opens another connection to the server. None: it is not asked.
    again: "Callable[[], WatchedConnection] | None" = None

    def wait(
        self,
        gen: "PQGen[Value]",
        interval: float = _INTERVAL_S,
        timeout: float | None = None,
    ) -> Value:
        """Wait for the server, as each statement does."""
        # Psycopg 3.2 has no `timeout`.
        limit: dict[str, float] = {} if timeout is None else {"timeout": timeout}
        return super().wait(self._watched(gen, interval), interval, **limit)

    def _watched(self, gen: "PQGen[Value]", interval: float) -> "PQGen[Value]":
        """The same generator, which counts how long the server is silent.

        Intervals are counted: the time that this process was suspended is none of the server's.
        """
        silent_s, probe_at = 0.0, PROBE_S
        try:
            state = next(gen)
            while True:
                ready = yield state
                silent_s = 0.0 if ready else silent_s + interval
                if not ready and self.limit_s is not None and silent_s >= self.limit_s:
                    raise self._abandoned(
                        f"it accepts connections, but a statement got no answer in {silent_s:,.0f}"
                        " s: look in pg_stat_activity for what its session waits for"
                    )
                if not ready and silent_s >= probe_at:
                    probe_at += PROBE_S
                    if not self._lives():
                        raise self._abandoned(
                            "it answers neither a statement nor a new connection: see whether it is"
                            " suspended, or its disk hangs"
                        )
                state = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _abandoned(self, why: str) -> ServerHangs:
        self.pgconn.finish()
        return ServerHangs(why)

    def _lives(self) -> bool:
        """Whether the server answers on another connection, be it with an error."""
        if self.again is None:
            return True
        return any(_answers(self.again) for _ in range(_PROBES))


def _answers(connect: Callable[[], WatchedConnection]) -> bool:
    try:
        with closing(connect()) as probe:
            probe.limit_s = _PROBE_LIMIT_S
            probe.execute("SELECT 1")
    except (psycopg.errors.ConnectionTimeout, ServerHangs):
        return False
    except psycopg.Error:
        pass
    return True
