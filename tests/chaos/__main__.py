"""``python -m tests.chaos``: play the fault catalogue at random, print one line a row, write ``results/chaos.json``."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.machine import describe_run
from tests.chaos import report
from tests.chaos.plan import CAMPAIGNS, TITLES, files_by_row
from tests.chaos.pool import play_all
from tests.chaos.store import Store
from tests.chaos.suite import run_suite

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"
PLAYED = (
    "core",
    "data",
    "execution",
    "paper_gateway",
    "portfolio",
    "risk",
    "strategy",
    "main.py",
    "risk_monitor.py",
    "requirements.lock",
)
"""What the units run. ``config.yaml`` isn't among it: every unit writes its own."""
EPILOG = """examples:
  make chaos                                          the small campaign, about eleven minutes on two processors
  CHAOS_SCALE=full make chaos                         the full one, many hours; stop it and start it again as you like
  python -m tests.chaos --only P1,N2 --seed 7 --runs 3
  python -m tests.chaos --only N8 --seed 12 --runs 1  play a failing seed again
a unit is what one seed plays (P1: 20 kills, P7 and P9: 5 liquidations, N2: 25 restarts, N8: 80 bursts, SIM: 1000 seeds of each simulation); --runs counts units.
"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--scale",
        choices=("small", "full"),
        default=os.environ.get("CHAOS_SCALE", "small"),
        help="size (%(default)s; also CHAOS_SCALE)",
    )
    add("--only", metavar="IDS", help="rows, separated by commas (all)")
    add("--seed", type=int, default=1, help="seed of the first unit (%(default)s)")
    add("--runs", type=int, metavar="N", help="units of each row (by the scale)")
    add("--jobs", type=int, default=2, help="units at once (%(default)s)")
    add("--minutes", type=float, metavar="M", help="begin no further unit after so long (no limit)")
    add("--fresh", action="store_true", help="forget earlier results of this version and scale")
    add("--no-tests", action="store_true", help="only the random units, not the fault tests")
    options = parser.parse_args(arguments)
    options.rows = list(TITLES)
    if options.only:
        options.rows = [one.strip().upper() for one in options.only.split(",")]
        unknown = [one for one in options.rows if one not in TITLES]
        if unknown:
            parser.error(f"there is no row {', '.join(unknown)}; rows: {', '.join(TITLES)}")
    if options.scale not in ("small", "full"):
        parser.error(f"CHAOS_SCALE is {options.scale!r}: small or full")
    if options.jobs < 1 or (options.runs is not None and options.runs < 1):
        parser.error("--jobs and --runs must be at least 1")
    return options


def version() -> str:
    """Last commit of the code that the campaign plays, with a mark when files of it differ.

    Research, documents and tests may change without making the results those of another system.
    """
    commit = _git("log", "-1", "--format=%h", "--abbrev=10", "--", *PLAYED)
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *PLAYED)
    return (commit + ("-dirty" if changed else "")) or "unknown"


def _git(*arguments: str) -> str:
    git = shutil.which("git") or "git"
    done = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def plan(options: argparse.Namespace) -> list[tuple[str, int]]:
    """Units to play: rows in turn, so that an early stop leaves something of each."""
    wanted = {row: CAMPAIGNS[row].units[options.scale] for row in options.rows if row in CAMPAIGNS}
    if options.runs is not None:
        wanted = dict.fromkeys(wanted, options.runs)
    rounds = max(wanted.values(), default=0)
    return [(row, options.seed + n) for n in range(rounds) for row, count in wanted.items() if n < count]


def main(arguments: list[str]) -> int:
    """Play what is missing, then print and write what is known."""
    options = parse(arguments)
    began = time.monotonic()
    store = Store(RESULTS / "chaos" / f"{version()}-{options.scale}.jsonl")
    if options.fresh:
        store.path.unlink(missing_ok=True)
        store = Store(store.path)

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {text}", file=sys.stderr, flush=True)

    def write() -> list[dict[str, Any]]:
        machine = describe_run(0, [])
        rows = report.collect(store)
        planned = plan(options)
        run = {
            "scale": options.scale,
            "version": version(),
            "when": machine["date"],
            "machine": f"{machine['processor']}, {machine['cores']} processors, {machine['system']}, Python {machine['python']}",
            "load": ", ".join(f"{one:.1f}" for one in os.getloadavg()),
            "units": sum(1 for unit in planned if unit in store.done),
            "units_planned": len(planned),
            "took_s": round(time.monotonic() - began),
        }
        report.write(RESULTS, run, rows)
        return rows

    try:
        if not options.no_tests:
            held = files_by_row()
            missing = [
                row for row in options.rows if row in held and (report.SUITE + row, 0) not in store.done
            ]
            if missing:
                say(f"fault tests of {len(missing)} rows")
                with tempfile.TemporaryDirectory(prefix="backstop-chaos-") as folder:
                    for row, outcome in run_suite(missing, options.jobs, Path(folder)).items():
                        store.add(report.SUITE + row, 0, outcome)
        units = [unit for unit in plan(options) if unit not in store.done]
        keep = RESULTS / "chaos" / "failures"
        played = play_all(units, jobs=options.jobs, keep=keep, minutes=options.minutes)
        for number, ((row, seed), outcome) in enumerate(played, start=1):
            store.add(row, seed, outcome)
            state = "FAILED" if outcome.failures else "ok"
            say(f"{number}/{len(units)} {row} seed {seed}: {outcome.runs} runs {state}")
            write()
    except KeyboardInterrupt:
        say("stopped; start again to go on")
    rows = write()
    for one in rows:
        if one["id"] in options.rows:
            print(report.line(one))
    print(f"\nwritten to {RESULTS / 'chaos.json'} and {RESULTS / 'chaos.html'}")
    return 1 if any(one["failures"] for one in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
