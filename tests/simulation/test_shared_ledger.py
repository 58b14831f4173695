"""Histories of hosts that share a ledger in PostgreSQL; more of them with `run.py --database`."""

import pytest
from simulation.fault_profile import three_hosts
from simulation.history import run_history
from simulation.mutants.registry import AMONG_HOSTS, switched_on
from simulation.places import POSTGRES

# A process that is killed closes none of its files.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
_SEEDS = (0, 1)
# With the other one, nothing ends before the polls are over.
_BUGS = [(mutant, seed) for mutant, seed in AMONG_HOSTS.items() if mutant != "files_not_kept"]


@pytest.mark.parametrize("seed", _SEEDS)
def test_hosts_lose_nothing_and_pay_for_nothing_twice(seed: int) -> None:
    assert run_history(seed, three_hosts(), database=POSTGRES).violations == []


@pytest.mark.parametrize(("mutant", "seed"), _BUGS)
def test_a_bug_in_sharing_is_found(mutant: str, seed: int) -> None:
    with switched_on(mutant):
        assert run_history(seed, three_hosts(), database=POSTGRES).violations
