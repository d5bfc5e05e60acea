"""``python -m tests.bench``: measure, print a table, write ``results/bench.json``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    bench_bars,
    bench_command,
    bench_fold,
    bench_kill,
    bench_tca,
    bench_ticks,
    bench_veto,
    bench_watchdog,
)
from tests.bench.machine import describe_run
from tests.bench.report import Row, table, write_json
from tests.bench.research import bench_research
from tests.bench.research.bench_research import ResearchRow
from tests.bench.stage import BenchFailed

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_RUNS = 100
Bench = Callable[[int, Callable[[str], None]], list[Row]]
BENCHES: dict[str, Bench] = {
    "watchdog": bench_watchdog.run,
    "ticks": bench_ticks.run,
    "bars": bench_bars.run,
    "tca": bench_tca.run,
    "fold": bench_fold.run,
    "veto": bench_veto.run,
    "command": bench_command.run,
    "kill": bench_kill.run,
}
RESEARCH = tuple(bench_research.WORKS)
"""Works that peers do too; each is a bench of its own."""
RESEARCH_RUNS = 7
"""How often our own side of them is timed at most."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--runs",
        type=int,
        default=int(os.environ.get("BENCH_RUNS", DEFAULT_RUNS)),
        help="size of the run: kills a case; the others follow it (%(default)s; also BENCH_RUNS)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=(*BENCHES, *RESEARCH),
        default=[*BENCHES, *RESEARCH],
        metavar="BENCH",
        help=f"which ones: {', '.join((*BENCHES, *RESEARCH))}",
    )
    parser.add_argument(
        "--json", type=Path, default=ROOT / "results" / "bench.json", help="where it is written"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run the chosen benches one after another; a missed target is told, not punished."""
    options = parse(arguments)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {text}", file=sys.stderr, flush=True)

    run = describe_run(options.runs, options.only)
    rows: list[Row] = []
    against_peers: list[ResearchRow] = []
    failed: list[str] = []
    for name in options.only:
        try:
            if name in RESEARCH:
                against_peers += bench_research.run(min(options.runs, RESEARCH_RUNS), say, (name,))
            else:
                rows += BENCHES[name](options.runs, say)
        except BenchFailed as problem:
            say(f"{name} FAILED: {problem}")
            failed.append(name)
        run |= {
            "load_after": [round(one, 2) for one in os.getloadavg()],
            "took_s": round(time.monotonic() - began),
            "failed": failed,
        }
        # After each: what was measured is kept whatever follows.
        write_json(options.json, run, [*rows, *against_peers])
    print("\n".join(f"{key}: {value}" for key, value in run.items()))
    print(f"\n{table(rows)}\n\n{bench_research.table(against_peers)}\nwritten to {options.json}")
    missed = [f"{one.work}, {one.case}" for one in rows if one.verdict == "MISSED"]
    missed += [f"{one.work}, {one.system}" for one in against_peers if one.verdict == "MISSED"]
    print(f"targets missed: {'; '.join(missed) if missed else 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
