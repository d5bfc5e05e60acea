"""Time a peer's work in its own process, and print the result as one line of JSON."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Work = Callable[[Path], dict[str, Any]]


def measure(works: Mapping[str, Work]) -> None:
    """Run the work that the command line names: ``program.py WORK PRICES --runs N [--warm-up M]``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=sorted(works))
    parser.add_argument("prices", type=Path, help="folder of the .npy files")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=1)
    options = parser.parse_args()
    work = works[options.work]
    began = time.perf_counter()
    for _ in range(options.warm_up):
        work(options.prices)
    cold_s = time.perf_counter() - began
    seconds, figures = [], {}
    for _ in range(options.runs):
        began = time.perf_counter()
        figures = work(options.prices)
        seconds.append(time.perf_counter() - began - figures.pop("loading_s", 0.0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump({"seconds": seconds, "cold_s": cold_s, "peak_rss_mb": peak, "figures": figures}, sys.stdout)
    sys.stdout.write("\n")
