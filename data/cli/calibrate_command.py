"""``python -m data calibrate``: how many planted defects the checks find, and how often they speak without one."""

from __future__ import annotations

from argparse import Namespace
from typing import Final

from core.exit_codes import ExitCode
from data.cli.context import terminal_progress
from data.quality.calibration import Walk, calibrate
from data.quality.findings import Check

WALKS: Final[tuple[Walk, ...]] = ("normal", "fat tails")


def run(options: Namespace) -> ExitCode:
    """Print the table for normal and for fat-tailed random walks."""
    with terminal_progress(len(WALKS) * (len(Check) + 1), "calibrate") as progress:
        measured = {
            walk: calibrate(options.series, walk=walk, seed=options.seed, advance=progress.advance)
            for walk in WALKS
        }
    for walk, rates in measured.items():
        print(f"random walks of 1,000 daily bars, steps: {walk}")
        print(f"  {'check':<20}{'planted':>8}{'found':>8}{'clean':>8}{'false alarms':>14}")
        for rate in rates:
            print(
                f"  {rate.check.value:<20}{rate.planted:>8}{rate.found:>8}{rate.clean:>8}{rate.false_alarms:>14}"
            )
    return ExitCode.CLEAN
