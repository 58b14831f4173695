"""Deliberate bugs in the protocol: the simulation must find each of them.

Production code carries no switches for them: they are patched in from here. `FIRST_SEED` is where
each was found, so that a test needs one seed for each; `run.py --mutant NAME` looks for others.
"""

from collections.abc import Generator
from contextlib import contextmanager

from simulation.fault_profile import (
    FaultProfile,
    base_profile,
    broken_lists,
    draw_with_operations,
    overtaken_lists,
    slow_lists,
    three_hosts,
    unanswered_calls,
)
from simulation.mutants import collecting, operations, replacing, sending, sharing
from simulation.mutants.patching import Mutant

_MUTANTS: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        sending.settle_zero,
        sending.stale_listing,
        sending.first_page_only,
        sending.incomplete_list,
        sending.timeout_is_failure,
        sending.server_error_is_failure,
        sending.unconfirmed_is_rejected,
        sending.no_frozen_check,
        sending.adopt_by_count,
        sending.no_watermark,
        sending.sdk_retries,
        sending.record_after_post,
        sending.rows_before_list,
        sending.forgotten_candidates,
        sending.ignored_duplicates,
        sending.no_lease,
        collecting.collected_before_rows,
        collecting.no_line_count,
        collecting.cost_is_a_counter,
        collecting.unsynced_spool,
        *operations.MUTANTS,
        *replacing.MUTANTS,
        *sharing.MUTANTS,
    )
}
FIRST_SEED = {
    "settle_zero": 7,
    "stale_listing": 3,
    "first_page_only": 9,
    "incomplete_list": 8,
    "timeout_is_failure": 20,
    "server_error_is_failure": 29,
    "unconfirmed_is_rejected": 8,
    "no_frozen_check": 9,
    "adopt_by_count": 8,
    "no_watermark": 9,
    "sdk_retries": 8,
    "record_after_post": 4,
    "rows_before_list": 4,
    "forgotten_candidates": 4,
    "ignored_duplicates": 8,
    "collected_before_rows": 26,
    "no_line_count": 28,
    "cost_is_a_counter": 10,
    "unsynced_spool": 16,
    "unanswered_call_is_repeated": 4,
}
# Found within a second: these run in every test run, the others with `-m slow`.
QUICK = (
    "record_after_post",
    "ignored_duplicates",
    "sdk_retries",
    "unsynced_spool",
)
# These run with operators, synchronous runs and machine faults.
WITH_OPERATIONS = {
    "blocked_is_rejected": 2,
    "unwarned_sync_calls": 44,
    "fallback_answers_dropped": 5,
    "command_without_end": 0,
    "one_404_is_gone": 13,
    "waited_for_without_end": 13,
    "candidate_without_end": 16,
    "fallback_without_reading": 4,
    "calls_without_a_line": 28,
    "replaced_without_a_lock": 4,
    "killed_submit_is_another_submission": 17,
    "fallback_keys_are_forgotten": 11,
    "limit_is_ignored": 12,
}
# These need a ledger that hosts share.
AMONG_HOSTS = {"own_clocks": 1, "assumed_commits": 0, "files_not_kept": 0, "delivered_by_any": 0}
# Not on PostgreSQL: its bodies are in no spool file, and its server has backups of its own, so that
# it is not rebuilt or replaced from files.
OF_A_FILE = (
    "replaced_without_a_lock",
    "fallback_keys_are_forgotten",
    "unsynced_spool",
    "killed_submit_is_another_submission",
    "calls_without_a_line",
)
# Bugs that most histories hide, and the fault profile that shows them.
PROFILES = {
    "stale_listing": slow_lists(),
    "incomplete_list": broken_lists(),
    "rows_before_list": overtaken_lists(),
    "unanswered_call_is_repeated": unanswered_calls(),
    **dict.fromkeys(AMONG_HOSTS, three_hosts()),
}
# Not a bug: the ledger's own rules hold without it.
HARMLESS = ("no_lease",)


def profile_for(mutant: str | None, seed: int) -> FaultProfile:
    """The fault profile in which to look for that mutant."""
    if mutant is None or mutant in WITH_OPERATIONS:
        return draw_with_operations(seed)
    return PROFILES.get(mutant) or base_profile(seed)


@contextmanager
def switched_on(name: str | None) -> Generator[None, None, None]:
    """Production code with that bug, or without one."""
    if name is None:
        yield
    else:
        with contextmanager(_MUTANTS[name])():
            yield
