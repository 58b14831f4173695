"""Run histories: `python tests/simulation/run.py --seeds 5000 [--start N] [--mutant NAME]`."""

import argparse
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.history import run_history
from simulation.world import Figures


def main() -> int:
    """Live through the seeds; 1 when one of them shows a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--tail", type=int, default=60)
    parser.add_argument("--keep-going", action="store_true")
    options = parser.parse_args()
    began, figures, bad, done = perf_counter(), Figures(), list[int](), 0
    for seed in range(options.start, options.start + options.seeds):
        history = run_history(seed)
        done += 1
        figures.add(history.figures)
        if not history.violations:
            continue
        bad.append(seed)
        print(f"seed {seed}:")
        print(*(f"  {line}" for line in history.violations[:8]), sep="\n")
        if not options.keep_going:
            print(*telling(history.log)[-options.tail :], sep="\n")
            break
    print(f"{done} histories in {perf_counter() - began:.1f} s, {len(bad)} with violations: {bad}")
    show(figures)
    return bool(bad)


def telling(log: list[str]) -> list[str]:
    """The steps without those that every pass makes."""
    return [line for line in log if not line.split()[-1].startswith(("lease:", "pass:"))]


def show(figures: Figures) -> None:
    for name in ("ledger", "accidents", "faults", "kills"):
        counted: Counter[str] = getattr(figures, name)
        print(f"{name} ({counted.total()}):", end=" ")
        print(*(f"{what} {count}" for what, count in sorted(counted.items())), sep=", ")
    print(f"steps: {figures.steps.total()} at {len(figures.steps)} places")


if __name__ == "__main__":
    sys.exit(main())
