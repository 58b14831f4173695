"""Simulated histories: nothing is lost, duplicate charges are reported, ledger and bill agree."""

import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from simulation.fault_profile import FaultProfile, base_profile
from simulation.history import relevant_lines, run_history

# A process that is killed closes none of its files.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FIXED = 200
FRESH = 100
PRIMED = 120
_GROUPS = 40
# One group of fixed seeds and one of fresh seeds run in every test run, the others with `-m slow`.
_SEED_GROUPS = [0, *(pytest.param(group, marks=pytest.mark.slow) for group in range(1, _GROUPS))]
_FRESH_BASE = 1_000_000 + secrets.randbelow(1_000_000_000)
KEPT = [
    int(line.split()[0])
    for line in Path(__file__).with_name("regression_seeds.txt").read_text().splitlines()
    if not line.startswith("#")
]


# Found with operators, synchronous runs and machine faults, unlike those in regression_seeds.txt.
KEPT_WITH_OPERATIONS = (
    *(207, 214, 332, 440, 1127, 1165, 1334, 31665),
    # A local clock that was ahead, in a rebuild (tests/recovery/test_unsent_submissions.py).
    *(200330, 200421, 3100087),
    # A create that was also rejected (tests/batches/unresolved/test_late_duplicates.py).
    210541,
    # Answers of a killed import, and the key of a file without a batch (test_fallback_crashes.py).
    *(1000982, 1002428),
    # Answers that a discarded restore had collected (test_unsent_submissions.py).
    *(1001180, 1001936),
    # A restored ledger that replaced a partial file of another (test_collecting.py).
    6001162,
    # A candidate that vanished twenty times, with two polls at once (test_listing.py).
    6000512,
    # A written-off batch that was collected in part and returns (test_stuck_batches.py).
    2000704,
    # Two ledgers gave a key to a batch each, a submission two keys; errors of a run were taken for
    # those of a batch (test_several_ledgers.py, test_lost_mirror.py).
    *(3000803, 3000949, 3001617),
    # A batch whose requests all returned to the queue, in a restore (test_unsent_submissions.py).
    222015775,
    # Follow-ups that were to be sent, in a restore (test_follow_ups.py).
    *(40000358, 40000694),
    # Edits that a restore found again, with fewer follow-ups wanted and an answer before them still
    # to come (test_rebuilt_edits.py).
    *(80000051, 91000509),
    # A local clock days ahead, and a candidate that vanished and was unreadable once
    # (test_unconfirmed_candidates.py, test_listing.py).
    *(98000366, 98000537),
    # A duplicate batch whose answer to an edited body a rebuild collected first
    # (test_rebuilt_edits.py).
    99003523,
    # What was known of a batch that a rebuild does not make again (test_unsent_submissions.py).
    99002992,
    # Two submissions of a day with the same ids, of which one was acknowledged after its delivery.
    110000480,
    # Results of a duplicate whose key another ledger gave to the first batch, in a restore
    # (test_several_ledgers.py).
    110004260,
)


def assert_holds(seed: int, profile: FaultProfile | None = None) -> None:
    history = run_history(seed, profile)
    if history.violations:
        report = "\n".join((*history.violations[:8], "", *relevant_lines(history.log)[-60:]))
        pytest.fail(
            f"seed {seed}: add it to regression_seeds.txt; again with"
            f" `python tests/simulation/run.py --start {seed} --seeds 1`\n{report}"
        )


@pytest.mark.parametrize("group", _SEED_GROUPS)
def test_the_fixed_seeds_hold(group: int) -> None:
    for seed in range(group, FIXED, _GROUPS):
        assert_holds(seed)


@pytest.mark.parametrize("group", _SEED_GROUPS)
def test_fresh_seeds_hold(group: int) -> None:
    for seed in range(group, FRESH, _GROUPS):
        assert_holds(_FRESH_BASE + seed)


@pytest.mark.parametrize("seed", KEPT)
def test_a_seed_that_once_failed_holds(seed: int) -> None:
    assert_holds(seed, base_profile(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", KEPT_WITH_OPERATIONS)
def test_a_seed_that_once_failed_with_operations_holds(seed: int) -> None:
    assert_holds(seed)


@pytest.mark.parametrize("group", _SEED_GROUPS)
def test_primed_submissions_hold(group: int) -> None:
    for seed in range(group, PRIMED, _GROUPS):
        assert_holds(seed, replace(base_profile(seed), primed=True, submissions=(4, 5)))


def test_a_seed_is_the_same_history_again() -> None:
    assert run_history(3).log == run_history(3).log
