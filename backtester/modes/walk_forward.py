"""Mode ``walk_forward``: parameters chosen on past windows and traded on the next ones; with ``--cpcv``, on many paths."""

from __future__ import annotations

import json
from argparse import Namespace

from backtester.study import Request, open_study
from backtester.validation.command import grid_of, weight_of
from backtester.validation.cross_validation_output import run_cross_validation
from backtester.validation.walk_forward_output import run_walk_forward
from core.exit_codes import ExitCode


def run(options: Namespace) -> ExitCode:
    """Run the walk-forward, write its folder and print its figures.

    Raises
    ------
    ConfigError, DataError
        With every problem found.
    """
    study = open_study(Request.of(options))
    grid = grid_of(study, options)
    work = run_cross_validation if options.cpcv else run_walk_forward
    text, figures = work(options, study, grid, weight_of(study))
    print(json.dumps(figures, indent=2) if options.json else text)
    return ExitCode.CLEAN
