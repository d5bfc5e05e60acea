"""Mode ``single``: one backtest, its folder and its summary."""

from __future__ import annotations

import json
import time
from argparse import Namespace

from backtester.report import summary, text_of, write_folder
from backtester.run import run_backtest
from backtester.study import Request, open_study
from core.exit_codes import ExitCode


def run(options: Namespace) -> ExitCode:
    """Run one backtest, write its folder and print its figures.

    Raises
    ------
    ConfigError, DataError
        With every problem found.
    """
    began = time.perf_counter()
    study = open_study(Request.of(options))
    loading_s = time.perf_counter() - began
    result = run_backtest(
        study.loaded.settings, study.market, study.strategies, study.weights, first_bar=study.first_bar
    )
    figures = summary(result, dict(zip(result.strategies, study.weights, strict=True)))
    folder = write_folder(study.loaded, result, figures)
    if options.json:
        print(json.dumps({**figures, "folder": str(folder)}, indent=2))
        return ExitCode.CLEAN
    print(text_of(figures, result.notes))
    total_s = time.perf_counter() - began
    print(f"results: {folder}  ({total_s:.2f} s, of which {loading_s:.2f} s to load)")
    return ExitCode.CLEAN
