"""Fault profiles of histories, drawn from a seed."""

from dataclasses import dataclass, field, replace
from random import Random

from titan_console.sandbox.faults.profile import AFTER_STATUSES, Fault
from titan_console.sandbox.faults.profile import LINES as ALL_LINES
from titan_console.sandbox.model.timing import Plan

# A create that is late by less than the recovery wait must be found; after it, a second payment is
# accepted.
LATE = (1.0, 1500.0)
VERY_LATE = (2400.0, 9000.0)
LONGEST_LAG_S = 120.0

_CREATE_REFUSED = (
    *("connect", "drop-before", "timeout-before", "spend-cap", "usage-limit", "413"),
    *("credit", "disabled", "budget", "redirect", "html-403", "412"),
    *("html-502", "401", "402", "403", "404", "408", "409", "429", "500", "503", "529"),
)
_CREATE_LOST = (
    *("drop", "timeout", "garbage", "truncated", "slow", "drop", "timeout", "late", "late"),
    *(f"{status}-after" for status in AFTER_STATUSES),
)
_READ = (
    *("connect", "drop-before", "timeout-before", "401", "404", "408", "429", "500", "529"),
    *("drop", "timeout", "garbage", "truncated", "slow", "500-after", "html-502"),
)
# Lines of another batch cannot be report from a batch's own where its owner is still to be found.
_LINES = tuple(what for what in ALL_LINES if what != "foreign")
_MESSAGES = (
    *("connect", "drop-before", "timeout-before", "credit", "401", "429", "500", "529"),
    *("drop", "timeout", "garbage", "500-after"),
)
# What a rejection of the account says; `unnamed` has words that the product does not know.
ACCOUNT_REJECTIONS = ("unnamed", "credit", "disabled", "budget")
_ROWS = ("overloaded", "api-error", "timeout", "invalid", "refusal", "max-tokens", "pause-turn")


@dataclass(frozen=True, kw_only=True)
class FaultProfile:
    """Probabilities of one history, each per step or per call."""

    plan: Plan
    faults: tuple[Fault, ...]
    kill: float
    kill_in_transaction: float
    power_cut: float
    ledger_failures: float
    freeze: float
    jump: float
    skew: float
    foreign: float
    outside: float
    repeat: float
    busy_together: int
    burst: float
    steps: int
    list_page: int
    max_requests: int
    submissions: tuple[int, ...] = field(default=(2,))
    newest_first: float = 0.0
    # The operation faults, off in a base profile.
    operators: float = 0.0
    sync_jobs: float = 0.0
    fallback: float = 0.0
    unreadable_files: float = 0.0
    defects: float = 0.0
    vanish: float = 0.0
    endless: float = 0.0
    # Rebuilds and restores, and backups taken at any moment beside the daily ones.
    replacements: float = 0.0
    backups: float = 0.0
    # Limits that are set and removed, which hold what is queued.
    budgets: float = 0.0
    # Whether the requests have a common prefix that one of them writes to the cache first.
    primed: bool = False
    # The share of jobs whose answers have a schema.
    structured: float = 0
    # Hosts that share a ledger in PostgreSQL, by how many seconds the clock of each is ahead of the
    # one before, and how often a connection to the server ends.
    hosts: int = 1
    clocks_apart: float = 0.0
    lost_connections: float = 0.0


def no_faults() -> FaultProfile:
    """No random faults, for tests that inject their own."""
    return FaultProfile(
        plan=Plan.seconds(600, 600),
        faults=(),
        kill=0,
        kill_in_transaction=0,
        power_cut=0,
        ledger_failures=0,
        freeze=0,
        jump=0,
        skew=0,
        foreign=0,
        outside=0,
        repeat=0,
        busy_together=1,
        burst=0,
        steps=0,
        list_page=3,
        max_requests=2,
    )


def slow_lists() -> FaultProfile:
    """Creates become visible late, and processes freeze while they read the list."""
    return replace(
        no_faults(),
        faults=(Fault(call="create", what="late", p=0.7, seconds=1400),),
        freeze=0.02,
        busy_together=1,
        burst=0.9,
        steps=800,
        max_requests=10,
        submissions=(1, 2, 3, 4, 5, 6, 7, 8, 9),
    )


def unanswered_calls() -> FaultProfile:
    """Batches are rejected, so that jobs run synchronously, and responses of calls are lost."""
    return replace(
        no_faults(),
        faults=(
            Fault(call="create", what="credit", p=0.5),
            Fault(call="messages", what="drop", p=0.3),
        ),
        burst=0.9,
        steps=400,
        sync_jobs=1,
    )


def three_hosts() -> FaultProfile:
    """Creates become visible late, clocks are an hour apart, and connections are lost."""
    return replace(
        slow_lists(),
        freeze=0,
        busy_together=2,
        steps=150,
        submissions=(1, 2, 3),
        hosts=3,
        clocks_apart=3600,
        lost_connections=0.03,
    )


def overtaken_lists() -> FaultProfile:
    """Processes freeze before they read the list, and others send meanwhile."""
    return replace(
        no_faults(),
        plan=Plan.seconds(4000, 9000),
        faults=(Fault(call="create", what="drop", p=0.5),),
        freeze=0.03,
        busy_together=4,
        burst=0.97,
        newest_first=0.7,
        steps=600,
        max_requests=10,
        submissions=(1, 2, 3, 4, 5, 6, 7, 8, 9),
    )


def broken_lists() -> FaultProfile:
    """Responses to creates are lost, and the list is truncated before these batches."""
    return replace(
        no_faults(),
        faults=(
            Fault(call="create", what="timeout", p=0.6),
            Fault(call="list", what="drop", p=0.7),
        ),
        foreign=0.04,
        busy_together=2,
        burst=0.9,
        steps=600,
        list_page=1,
        submissions=(2, 2, 3),
    )


def draw(rng: Random) -> FaultProfile:
    """The profile of one history: some have few kinds, so that faults do not hide others.

    >>> draw(Random(1)) == draw(Random(1))
    True
    """
    is_faulty = rng.random() < 0.8
    list_page = rng.choice((2, 3, 5, 1000))
    profile = FaultProfile(
        plan=_plan(rng),
        faults=tuple(_faults(rng)) if is_faulty else (),
        kill=rng.choice((0, 0.004, 0.015, 0.04)),
        kill_in_transaction=rng.choice((0, 0.01, 0.04)),
        power_cut=rng.choice((0, 0, 0.004)),
        ledger_failures=rng.choice((0, 0, 0, 0.01)),
        freeze=rng.choice((0, 0, 0.01, 0.03)),
        jump=rng.choice((0, 0, 0, 0, 0.004)),
        skew=rng.choice((0, 0, 5, 60)),
        foreign=rng.choice((0, 0.01, 0.04)),
        outside=rng.choice((0, 0, 0.01)),
        # Where the list breaks off, a duplicate that a proxy made behind its end may stay unseen.
        repeat=rng.choice((0, 0.3, 0.3)) if list_page == 1000 else 0,
        busy_together=rng.choice((1, 2, 3, 4)),
        burst=rng.choice((0.3, 0.7, 0.9, 0.97)),
        steps=rng.choice((200, 400, 800)),
        list_page=list_page,
        max_requests=rng.choice((1, 2, 3, 10)),
        submissions=tuple(rng.choice((1, 2, 2, 3, 4)) for _ in range(rng.choice((1, 2, 3, 5)))),
    )
    if rng.random() < 0.75:
        return profile
    # No two batches of one size, so that a count identifies a batch.
    sizes = rng.sample(range(1, 10), len(profile.submissions))
    # The oldest process waits long, then acts on outdated information.
    newest_first = rng.choice((0.0, 0.5, 0.9))
    return replace(profile, submissions=tuple(sizes), max_requests=10, newest_first=newest_first)


def base_profile(seed: int) -> FaultProfile:
    """The profile of the seed without operators, synchronous runs and machine faults."""
    return draw(Random(f"weather {seed}"))


def draw_with_operations(seed: int) -> FaultProfile:
    """The base profile of the seed with operators, synchronous runs and machine faults."""
    base, rng = base_profile(seed), Random(f"operations {seed}")
    return replace(
        base,
        operators=rng.choice((0, 0.01, 0.03)),
        sync_jobs=rng.choice((0, 0.3, 1)),
        fallback=rng.choice((0, 0.2, 0.6)),
        unreadable_files=rng.choice((0, 0.01, 0.03)),
        defects=rng.choice((0, 0.2, 0.3)),
        vanish=rng.choice((0, 0.02, 0.03)),
        endless=rng.choice((0, 0.02, 0.03)),
        faults=(
            *base.faults,
            *_some(rng, "messages", _MESSAGES, rng.choice((0.0, 0.1, 0.4))),
            *_account_faults(Random(f"account {seed}")),
            *_row_faults(Random(f"rows {seed}")),
        ),
        structured=Random(f"structured {seed}").choice((0, 0.5, 1)),
        replacements=rng.choice((0, 0.002, 0.003, 0.01)),
        backups=rng.choice((0, 0.005, 0.03)),
        budgets=rng.choice((0, 0.1, 0.1)),
    )


def among_hosts(seed: int, profile: FaultProfile) -> FaultProfile:
    """The profile for a ledger in PostgreSQL: with hosts, and without what is of a ledger file."""
    rng = Random(f"hosts {seed}")
    if profile.hosts > 1:
        return profile
    return replace(
        profile,
        hosts=rng.choice((1, 2, 3, 3)),
        clocks_apart=rng.choice((0, 0, 3600)),
        lost_connections=rng.choice((0, 0.002, 0.01)),
        replacements=0,
        backups=0,
    )


def _row_faults(rng: Random) -> list[Fault]:
    """Answers that are asked for again: invalid, where they have a schema, or paused."""
    return [
        Fault(call="row", what=what, p=p)
        for what, p in (
            ("wrong-output", rng.choice((0.0, 0.3, 0.6))),
            ("pause-turn", rng.choice((0.0, 0.0, 0.2))),
        )
        if p
    ]


def _account_faults(rng: Random) -> list[Fault]:
    """The account is rejected with a 400, in batches and in synchronous calls."""
    p = rng.choice((0.0, 0.2, 0.4))
    what = rng.choice(("unnamed", rng.choice(ACCOUNT_REJECTIONS)))
    return [Fault(call=call, what=what, p=p) for call in ("create", "messages") if p]


def _plan(rng: Random) -> Plan:
    shortest, longest = rng.choice(((30, 30), (30, 900), (60, 7200), (100, 90_000)))
    return Plan(
        shortest=shortest,
        longest=longest,
        cancel=rng.choice((1.0, 40.0)),
        grace=rng.choice((0.0, 60.0)),
        expired=rng.choice((0.0, 0.0, 0.0, 0.3)),
    )


def _faults(rng: Random) -> list[Fault]:
    very_late = rng.random() < 0.15
    create = rng.choice((0.0, 0.3, 0.6, 0.9))
    faults = [
        *_some(
            rng,
            "create",
            rng.choice((_CREATE_LOST, _CREATE_LOST, ("late",))),
            create * 0.7,
            very_late=very_late,
        ),
        *_some(rng, "create", _CREATE_REFUSED, create * 0.3),
        *_some(rng, "list", _READ, rng.choice((0.0, 0.1, 0.3))),
        *_some(rng, "retrieve", _READ, rng.choice((0.0, 0.1, 0.3))),
        *_some(rng, "results", _READ, rng.choice((0.0, 0.1, 0.3))),
        *_some(rng, "results", _LINES, rng.choice((0.0, 0.2, 0.5))),
        *(Fault(call="row", what=rng.choice(_ROWS), p=p) for p in rng.choice(((), (0.2,), (0.5,)))),
    ]
    lag = rng.choice((0.0, 0.0, 0.5))
    hidden = rng.uniform(5, LONGEST_LAG_S)
    if lag:
        faults += [Fault(call=c, what="lag", p=lag, seconds=hidden) for c in ("list", "retrieve")]
    return faults


def _some(
    rng: Random, call: str, kinds: tuple[str, ...], p: float, *, very_late: bool = False
) -> list[Fault]:
    """A few kinds of faults for the call, with total probability `p`."""
    if not p:
        return []
    chosen = rng.sample(kinds, min(len(kinds), rng.choice((1, 2, 4))))
    each = p / len(chosen)
    return [_fault(rng, call, what, each, very_late=very_late) for what in chosen]


def _fault(rng: Random, call: str, what: str, p: float, *, very_late: bool) -> Fault:
    seconds = rng.choice((20.0, 200.0, 700.0))
    if what == "late":
        seconds = rng.uniform(*(VERY_LATE if very_late else LATE))
    retry = rng.choice((-1.0, 2.0, 30.0, 1000.0)) if what == "429" else -1.0
    lines = rng.choice((1, 2))
    return Fault(call=call, what=what, p=p, seconds=seconds, retry=retry, lines=lines)
