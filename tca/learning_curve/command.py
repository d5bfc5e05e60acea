"""``python -m tca learning-curve``: runs the lives, prints the figures, draws the curve."""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from portfolio.algo_wheel.learning import BATCH
from tca.learning_curve.experiment import JUDGED, Life, live
from tca.learning_curve.picture import write_page_of, write_picture
from tca.learning_curve.summary import COVERAGE_LIMIT, FILE_NAME, REGRET_LIMIT, Curve, summarise, write_curve

_AFTER = 4_000


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the experiment and tell about it; the result holds what ``--json`` prints, and whether it passed."""
    before = max(JUDGED, -(-options.parents // BATCH) * BATCH)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    curve = summarise(_lives(seeds, before, options.jobs), before)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    picture, page = folder / "tca_learning_curve.png", folder / "tca_learning_curve.html"
    write_curve(curve, folder / FILE_NAME)
    write_picture(curve, picture)
    write_page_of(curve, page)
    result = _figures(curve)
    if options.json:
        print(json.dumps(result))
    else:
        _tell(curve, Console())
        print(f"{picture}\n{page}")
    return result


def _lives(seeds: range, before: int, jobs: int) -> list[Life]:
    # Small matrices: threads inside the processes would only get in each other's way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from joblib import Parallel, delayed  # noqa: PLC0415 - after the environment that its processes inherit

    console = Console(stderr=True)
    one = delayed(partial(live, before=before, after=_AFTER))
    with Progress(console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("lives of the wheel", total=len(seeds))
        lives = []
        for life in Parallel(n_jobs=jobs, return_as="generator")(one(seed) for seed in seeds):
            lives.append(life)
            progress.advance(task)
    return lives


def _figures(curve: Curve) -> dict[str, Any]:
    ratio = curve.regret_ratio
    return {
        "regret_ratio": round(ratio.estimate, 4),
        "regret_ratio_interval": None if curve.seeds == 1 else [round(ratio.low, 4), round(ratio.high, 4)],
        "regret_ratio_before_change": round(curve.later_ratio, 4),
        "regret_ratio_after_change": round(curve.shock_ratio, 4),
        "recovered_after": curve.recovered_after,
        "best_single_method": curve.best_fixed[0],
        "best_single_method_ratio": round(curve.best_fixed[1], 4),
        "coverage_95": round(curve.coverage["doubly_robust"], 4),
        "coverage_95_by_estimator": {name: round(share, 4) for name, share in curve.coverage.items()},
        "parents": JUDGED,
        "parents_before_change": curve.change_at,
        "seeds": curve.seeds,
        "passed": curve.passed,
    }


def _tell(curve: Curve, console: Console) -> None:
    ratio = curve.regret_ratio
    table = Table(
        "figure", "value", "wanted", title=f"The algo wheel in the simulated market, {curve.seeds} seeds"
    )
    table.add_row(
        f"regret over uniform choice's, at {JUDGED:,} orders",
        f"{ratio.estimate:.1%} ({ratio.low:.1%} to {ratio.high:.1%})",
        f"below {REGRET_LIMIT:.0%}",
    )
    table.add_row(f"... at {curve.change_at:,} orders", f"{curve.later_ratio:.1%}", "lower still")
    table.add_row("... just after the market changed", f"{curve.shock_ratio:.1%}", "")
    recovered = "never" if curve.recovered_after is None else f"{curve.recovered_after:,} orders"
    table.add_row(f"back below {REGRET_LIMIT:.0%} after", recovered, "")
    table.add_row(f"always {curve.best_fixed[0]}", f"{curve.best_fixed[1]:.1%}", "")
    for name, share in curve.coverage.items():
        table.add_row(
            f"95 % intervals that hold the truth, {name.replace('_', ' ')}",
            f"{share:.1%}, {curve.widths[name]:.2f} bps wide",
            f"at least {COVERAGE_LIMIT:.0%}",
        )
    console.print(table)
