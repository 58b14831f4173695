"""Eight processes with random commands and faults: `python tests/kill/stress.py --minutes 30`.

Few of them are killed. In the end faults stop, all work is run to its end, and the ledger is
compared with the sandbox's bill to the nano-dollar.
"""

import argparse
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from kill.run import Outcome, print_outcome, run

PROCESSES = 8
_KILLED_SHARE = 0.15


def stress(home: Path, *, seconds: float, processes: int = PROCESSES, seed: int = 0) -> Outcome:
    """Run for so long in that folder."""
    return run(
        home,
        kills=sys.maxsize,
        seconds=seconds,
        at_once=processes,
        seed=seed,
        killed_share=_KILLED_SHARE,
    )


def main() -> int:
    """Run and report; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="titan-stress-", ignore_cleanup_errors=True) as folder:
        outcome = stress(
            Path(folder) / "home",
            seconds=options.minutes * 60,
            processes=options.processes,
            seed=options.seed,
        )
    print_outcome(outcome)
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
