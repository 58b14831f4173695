"""Run histories: `python tests/simulation/run.py --seeds 5000 [--start N] [--mutant NAME]`."""

import argparse
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.history import relevant_lines, run_history
from simulation.mutants import profile_for, switched_on
from simulation.world import Figures


def main() -> int:
    """Run the seeds; 1 if one of them shows a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--tail", type=int, default=60)
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--mutant", help="a deliberate bug, named in mutants.py")
    options = parser.parse_args()
    with switched_on(options.mutant):
        return run_seeds(options)


def run_seeds(options: argparse.Namespace) -> int:
    """Run the seeds one after the other and print the figures."""
    began, figures, bad, done = perf_counter(), Figures(), list[int](), 0
    kinds = Kinds()
    for seed in range(options.start, options.start + options.seeds):
        history = run_history(seed, profile_for(options.mutant, seed))
        done += 1
        figures.add(history.figures)
        kinds.add(history.figures)
        if not history.violations:
            continue
        bad.append(seed)
        print_lines(f"seed {seed}:", *(f"  {line}" for line in history.violations[:8]))
        if not options.keep_going:
            print_lines(*relevant_lines(history.log)[-options.tail :])
            break
    print_lines(
        f"{done} histories in {perf_counter() - began:.1f} s, {len(bad)} with violations: {bad}"
    )
    print_lines(*summary(figures), *kinds.summary())
    return bool(bad)


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
