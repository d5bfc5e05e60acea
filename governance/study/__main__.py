"""``make governance-study``: how often the mandate is right, on markets whose truth is known; ``results/governance.json``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backtester.progress import progress
from core.atomic_file import write_atomic
from core.code_version import code_version
from core.command import run_command
from governance.study.markets import Spec, World
from governance.study.runs import CONFIGURATIONS, ROOT, Plan, run_one, study_changes

EPILOG = """examples:
  make governance-study                                      100 markets of noise, 10 with an edge, and the others
  make governance-study STUDY_OPTIONS="--noise 10 --edge 3"  a short one
Each market goes through run_recalibration.py's own command, in a folder of its own. What is done is kept in
results/governance/ and not done again, so a study that was stopped goes on where it was.
exit codes: 0 the mandate was right often enough, 1 it wasn't, 2 usage
"""
NEEDED = 0.95


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m governance.study",
        description="Does the mandate tell an edge from luck? Simulated markets through run_recalibration.py.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--noise", type=int, default=100, metavar="N", help="markets of noise (%(default)s)")
    add("--edge", type=int, default=10, metavar="N", help="markets with an edge (%(default)s)")
    add(
        "--in-sample-only",
        type=int,
        default=5,
        metavar="N",
        help="markets whose edge ends half-way (%(default)s)",
    )
    add("--look-ahead", type=int, default=2, metavar="N", help="strategies that look ahead (%(default)s)")
    add("--first-seed", type=int, default=1, metavar="N", help="seeds count from here (%(default)s)")
    add(
        "--paths",
        type=int,
        default=2000,
        metavar="N",
        help="histories that the Monte Carlo resamples (%(default)s)",
    )
    add("--jitter-paths", type=int, default=50, metavar="N", help="sets of moved parameters (%(default)s)")
    add("--out", type=Path, default=ROOT / "results" / "governance.json", help="figures (%(default)s)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run the study; returns the exit code."""
    options = make_parser().parse_args(arguments)
    plan = Plan(
        runs={
            World.CHEAT: options.look_ahead,
            World.EDGE: options.edge,
            World.FADING: options.in_sample_only,
            World.NOISE: options.noise,
        },
        changes=study_changes(options.paths, options.jitter_paths),
        spec=Spec(),
        first_seed=options.first_seed,
    )
    began = time.monotonic()
    found = run_all(plan, options.out.parent / "governance")
    figures = summary(plan, found, time.monotonic() - began)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(options.out, (json.dumps(figures, indent=2) + "\n").encode(), mode=0o644)
    print(text_of(figures))
    print(f"figures: {options.out}")
    return 0 if is_right(figures) else 1


def run_all(plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """Run every market that hasn't been run yet; return what came of all."""
    folder.mkdir(parents=True, exist_ok=True)
    identity, found = plan.identity(), []
    todo = [
        (world, seed)
        for world, count in plan.runs.items()
        for seed in range(plan.first_seed, plan.first_seed + count)
    ]
    with progress("markets", len(todo), unit="markets") as advance:
        for world, seed in todo:
            path = folder / f"{world.value}-{seed:04d}.json"
            kept = _read(path, identity)
            if kept is None:
                began = time.monotonic()
                kept = run_one(world, seed, plan)
                kept |= {"identity": identity, "seconds": round(time.monotonic() - began, 2)}
                write_atomic(path, (json.dumps(kept) + "\n").encode(), mode=0o644)
            found.append(kept)
            advance(1)
    return found


def _read(path: Path, identity: str) -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return kept if kept.get("identity") == identity else None


def summary(plan: Plan, found: Sequence[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Count."""
    by_world = {world: [one for one in found if one["world"] == world.value] for world in World}
    noise, edge, fading, cheats = (
        by_world[world] for world in (World.NOISE, World.EDGE, World.FADING, World.CHEAT)
    )
    return {
        "noise_runs": len(noise),
        "noise_refused": sum(not one["passed"] for one in noise),
        "edge_runs": len(edge),
        "edge_promoted": sum(one["promoted"] for one in edge),
        "in_sample_only_runs": len(fading),
        "in_sample_only_refused": sum(not one["passed"] for one in fading),
        "in_sample_only_refused_by_walk_forward": sum(_by_walk_forward(one) for one in fading),
        "look_ahead_runs": len(cheats),
        "look_ahead_caught": sum("bias guards" in one["failed"] for one in cheats),
        "configurations": CONFIGURATIONS,
        "failed_rules": {
            world.value: dict(Counter(rule for one in runs for rule in one["failed"]).most_common())
            for world, runs in by_world.items()
        },
        "mandate_changes": {name: dict(keys) for name, keys in plan.changes.items()},
        "market_seconds": round(sum(one["seconds"] for one in found), 1),
        "seconds": round(seconds, 1),
        "code_version": code_version(),
        "identity": plan.identity(),
        "written": datetime.now(UTC).isoformat(),
    }


def _by_walk_forward(one: dict[str, Any]) -> bool:
    return bool({"mean Sharpe ratio", "worst fold", "folds with a gain"} & set(one["failed"]))


def is_right(figures: dict[str, Any]) -> bool:
    """Whether noise is refused and edges are promoted often enough, and everything else is refused."""
    return bool(
        figures["noise_refused"] >= NEEDED * figures["noise_runs"]
        and figures["edge_promoted"] >= 0.8 * figures["edge_runs"]
        and figures["in_sample_only_refused_by_walk_forward"] == figures["in_sample_only_runs"]
        and figures["look_ahead_caught"] == figures["look_ahead_runs"]
    )


def text_of(figures: dict[str, Any]) -> str:
    """Write the figures for people."""
    rows = [
        ("noise", "noise_refused", "noise_runs", "refused"),
        ("edge", "edge_promoted", "edge_runs", "promoted"),
        (
            "in-sample-only edge",
            "in_sample_only_refused_by_walk_forward",
            "in_sample_only_runs",
            "refused by the walk-forward",
        ),
        ("look-ahead", "look_ahead_caught", "look_ahead_runs", "caught by the guards"),
    ]
    lines = [f"{name:<20} {figures[got]:>3} of {figures[of]:>3} {what}" for name, got, of, what in rows]
    failed = figures["failed_rules"]["noise"]
    most = ", ".join(f"{rule} {count}" for rule, count in list(failed.items())[:5])
    lines.append(f"{'noise refused by':<20} {most or 'nothing'}")
    lines.append(
        f"{'took':<20} {figures['seconds']:,.0f} s now, {figures['market_seconds']:,.0f} s for all markets"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
