"""Mode ``monte_carlo``: what else might have come of a run."""

from __future__ import annotations

import json
from argparse import Namespace

from backtester.study import Request, open_study
from backtester.validation.monte_carlo_output import run_monte_carlo
from core.exit_codes import ExitCode


def run(options: Namespace) -> ExitCode:
    """Draw the paths, write their folder and print their figures.

    Raises
    ------
    ConfigError, DataError
        With every problem found.
    """
    text, figures = run_monte_carlo(options, open_study(Request.of(options)))
    print(json.dumps(figures, indent=2) if options.json else text)
    return ExitCode.CLEAN
