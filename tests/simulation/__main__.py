"""``python -m tests.simulation``: play seeds, or one of them with a readable trace."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.simulation.quiet import without_logs
from tests.simulation.world import play, trace


def main(arguments: list[str]) -> int:
    """Play; returns 1 when an invariant does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed (%(default)s)")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many (%(default)s)")
    parser.add_argument("--trace", action="store_true", help="play only the first seed and tell what happens")
    parser.add_argument("--most", type=int, default=10, help="stop after so many failures (%(default)s)")
    options = parser.parse_args(arguments)
    with without_logs():
        if options.trace:
            lines, error = trace(options.seed)
            print("\n".join(lines))
            if error is not None:
                traceback.print_exception(error)
            return 1 if error is not None else 0
        return _play_many(options.seed, options.seeds, options.most)


def _play_many(first: int, count: int, most: int) -> int:
    began, failed = time.process_time(), 0
    for seed in range(first, first + count):
        try:
            play(seed)
        except Exception as error:  # noqa: BLE001 (any error is a result of its seed)
            failed += 1
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}")
            print(f"  python -m tests.simulation --seed {seed} --trace")
            if failed >= most:
                break
    spent = time.process_time() - began
    done = seed - first + 1
    print(f"{done} seeds, {failed} failures, {done / spent * 60:,.0f} seeds a minute of processor time")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
