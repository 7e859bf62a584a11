"""`python -m simulations [--seeds N] [--from SEED]`: play histories, print what they came to."""

from __future__ import annotations

import argparse
import sys
import time

from simulations.catalog_checkers import Violation
from simulations.run import simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulations", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many histories")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    wanted = parser.parse_args()
    began_s, outcomes, violations = time.monotonic(), [], 0
    for seed in range(wanted.first, wanted.first + wanted.seeds):
        try:
            outcomes.append(simulate(seed))
        except Violation as violation:
            violations += 1
            sys.stderr.write(
                f"{violation}\n  again: python -m simulations --from {seed} --seeds 1\n"
            )
    faults = {
        name: sum(getattr(outcome, name) for outcome in outcomes)
        for name in ("delivered", "lost", "crashes", "partitions", "contested")
    }
    words = ", ".join(f"{count:,} {name}" for name, count in faults.items())
    seconds = time.monotonic() - began_s
    sys.stdout.write(f"{len(outcomes)} histories in {seconds:.1f} s: {words}; ")
    sys.stdout.write(f"{violations} violations\n")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
