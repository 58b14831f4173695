"""Decides how many synchronous calls run at once while the API rejects some (429, 529). Pure.

`core/batches/create_error_policy.py` lists what a 429 does to each kind of call.
"""

from enum import Enum, auto

# The lowest limit, however many calls were rejected.
FEWEST = 8
# The waits before the rounds of probes while nothing succeeds, in seconds.
_WAITS_S = (1.0, 4.0)
_LONGEST_WAIT_S = 30.0


class Permit(Enum):
    """The next step of the caller.

    START a call, a due retry first. PROBE: start one at `retry_at`, a new one first, since there
    may be no capacity for the retries alone. WAIT for a running call to end. GIVE_UP: two rounds
    of probes were rejected.
    """

    START = auto()
    PROBE = auto()
    WAIT = auto()
    GIVE_UP = auto()


class ConcurrencyLimiter:
    """The limit of concurrent calls: lowered by a rejection, raised by one per full round.

    A rejected call lowers the limit to the number of running calls. Only a few calls run before
    the first success, and again after a rejection until the next success, since the reason of one
    rejection may apply to all.
    """

    def __init__(self, most: int) -> None:
        """`most` is the limit from the first success on."""
        self.retry_at = 0.0
        self.limit = min(FEWEST, most)
        self._is_new = True
        self._most = most
        self._successes = 0
        self._is_blocked = False
        self._rounds = self._probes = 0

    def permit(self, *, running: int, retries: int) -> Permit:
        """Whether to start another call, by the number of running and of rejected calls."""
        if running >= self.limit:
            return Permit.WAIT
        if not (self._is_blocked and retries):
            return Permit.START
        if not self._probes:
            if running:
                return Permit.WAIT
            if self._rounds == len(_WAITS_S):
                return Permit.GIVE_UP
            # The first calls were few, so the first probes are many.
            self._probes = self._most if self._is_new and not self._rounds else FEWEST
            self._rounds += 1
        self._probes -= 1
        return Permit.PROBE

    def on_last_new_call(self) -> None:
        """Limit the probes: without new calls, a probe repeats a call, and a few suffice."""
        self._probes = min(self._probes, FEWEST - 1)

    def on_success(self, count: int) -> None:
        """Record that this number of calls have a response."""
        if not count:
            return
        if self._is_new:
            self.limit = self.limit if self._is_blocked else self._most
            self._is_new = False
        self._is_blocked = False
        self._rounds = self._probes = 0
        self._successes += count
        if self.limit < self._most and self._successes >= self.limit:
            self.limit, self._successes = self.limit + 1, 0

    def on_rejection(self, now: float, *, running: int, retry_after_s: float | None) -> bool:
        """Record a rejection at `now` (monotonic seconds) while `running` other calls run.

        Sets `retry_at`. False if the API asks for a longer wait than a run should last.
        """
        if (retry_after_s or 0.0) > _LONGEST_WAIT_S:
            return False
        wait = _WAITS_S[min(self._rounds, len(_WAITS_S) - 1)]
        self.retry_at = now + max(wait, retry_after_s or 0.0)
        self.limit, self._successes = max(FEWEST, min(self.limit, running)), 0
        self._is_blocked = True
        return True
