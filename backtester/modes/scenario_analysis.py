"""Mode ``scenario_analysis``: what a run would have been through in crises and shocks."""

from __future__ import annotations

import json
from argparse import Namespace

from backtester.study import Request, open_study
from backtester.validation.scenario_output import run_scenarios
from core.exit_codes import ExitCode


def run(options: Namespace) -> ExitCode:
    """Run the scenarios, write their folder and print their figures.

    Raises
    ------
    ConfigError, DataError
        With every problem found.
    """
    text, figures = run_scenarios(options, open_study(Request.of(options)))
    print(json.dumps(figures, indent=2) if options.json else text)
    return ExitCode.CLEAN
