"""Run histories: `python tests/simulation/run.py --seeds 5000 [--start N] [--workers 2]`."""

import argparse
import sys
import traceback
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from itertools import combinations
from multiprocessing import Pool
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.history import History, relevant_lines, run_history
from simulation.mutants.registry import OF_A_FILE, profile_for, switched_on
from simulation.places import POSTGRES, SQLITE
from simulation.world import Figures


def main() -> int:
    """Run the seeds; 1 if one of them shows a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--tail", type=int, default=60)
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--workers", type=int, default=1, help="processes that run histories")
    parser.add_argument("--mutant", help="a deliberate bug, named in mutants/registry.py")
    parser.add_argument("--database", choices=(SQLITE, POSTGRES), default=SQLITE)
    options = parser.parse_args()
    if options.database == POSTGRES and options.mutant in OF_A_FILE:
        parser.error(f"{options.mutant} needs a ledger file")
    return run_seeds(options)


def run_seeds(options: argparse.Namespace) -> int:
    """Run the seeds and print the figures."""
    began, figures, bad, done = perf_counter(), Figures(), list[int](), 0
    kinds = Kinds()
    for history in histories(options):
        done += 1
        figures.add(history.figures)
        kinds.add(history.figures)
        if not history.violations:
            continue
        bad.append(history.seed)
        print_lines(f"seed {history.seed}:", *(f"  {line}" for line in history.violations[:8]))
        if not options.keep_going:
            print_lines(*relevant_lines(history.log)[-options.tail :])
            break
    print_lines(
        f"{done} histories in {perf_counter() - began:.1f} s, {len(bad)} with violations: {bad}"
    )
    print_lines(*summary(figures), *kinds.summary())
    return bool(bad)


def histories(options: argparse.Namespace) -> Generator[History, None, None]:
    """The histories of the seeds, as they end."""
    seeds = range(options.start, options.start + options.seeds)
    run = partial(one_history, options.mutant, options.database)
    if options.workers == 1:
        yield from map(run, seeds)
        return
    with Pool(options.workers) as pool:
        yield from pool.imap_unordered(run, seeds)


def one_history(mutant: str | None, database: str, seed: int) -> History:
    """Run one seed; the log only where there is a violation."""
    with switched_on(mutant):
        try:
            history = run_history(seed, profile_for(mutant, seed), database=database)
        except Exception:  # noqa: BLE001 - the other seeds run
            return History(seed=seed, violations=traceback.format_exc().splitlines(), log=[])
    return history if history.violations else replace(history, log=[])


class Kinds:
    """How many histories had each operation fault, and each pair of them."""

    def __init__(self) -> None:
        self._alone: Counter[str] = Counter()
        self._pairs: Counter[str] = Counter()

    def add(self, figures: Figures) -> None:
        """Count the kinds of one history."""
        kinds = sorted({kind.partition(":")[0] for kind in +figures.operations})
        self._alone.update(kinds)
        self._pairs.update(f"{one} + {two}" for one, two in combinations(kinds, 2))

    def summary(self) -> list[str]:
        """Histories by kind and by pair, the rarest first."""
        return [
            f"histories with {what}: "
            + ", ".join(f"{kind} {count}" for kind, count in reversed(counted.most_common()))
            for what, counted in (("each kind", self._alone), ("each pair", self._pairs))
        ]


def summary(figures: Figures) -> list[str]:
    """Counts by kind."""
    lines = [f"steps: {figures.steps.total()} at {len(figures.steps)} places"]
    for name in ("ledger", "operations", "accidents", "faults", "kills"):
        counted: Counter[str] = getattr(figures, name)
        kinds = ", ".join(f"{what} {count}" for what, count in sorted(counted.items()))
        lines.append(f"{name} ({counted.total()}): {kinds}")
    return lines


def print_lines(*lines: str) -> None:
    """Print lines and flush."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
