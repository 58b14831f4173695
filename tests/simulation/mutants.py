"""Deliberate bugs in the protocol: each must be found, or the simulation proves nothing.

Production code carries no switches for them: they are patched in from here. `FIRST_SEED` is where
each was found, so that a test needs one seed for each; `run.py --mutant NAME` looks for others.
"""

from collections.abc import Generator
from contextlib import contextmanager

from simulation import collecting_mutants as collecting
from simulation import sending_mutants as sending
from simulation.patching import Mutant

FIRST_SEED: dict[Mutant, int] = {
    sending.settle_zero: -1,
    sending.stale_listing: -1,
    sending.first_page_only: -1,
    sending.incomplete_list: -1,
    sending.timeout_is_failure: -1,
    sending.server_error_is_failure: -1,
    sending.uncertain_is_refused: -1,
    sending.no_frozen_check: -1,
    sending.adopt_by_count: -1,
    sending.no_fence: -1,
    sending.sdk_retries: -1,
    sending.intent_after_post: -1,
    collecting.collected_before_rows: -1,
    collecting.no_line_count: -1,
    collecting.cost_is_a_counter: -1,
    sending.release_all: -1,
    sending.rows_before_list: -1,
    sending.forgotten_suspects: -1,
    sending.ignored_twins: -1,
    collecting.one_results_file: -1,
    collecting.unsynced_spool: -1,
}
# Equivalent: what holds without it is the point of the ledger's own rules.
HARMLESS: tuple[Mutant, ...] = (sending.no_lease,)


@contextmanager
def switched_on(name: str | None) -> Generator[None, None, None]:
    """Production code with that one bug in it, or with none."""
    mutants = {mutant.__name__: mutant for mutant in (*FIRST_SEED, *HARMLESS)}
    if name is None:
        yield
    else:
        with contextmanager(mutants[name])():
            yield
