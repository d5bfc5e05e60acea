"""Mode ``single``: one backtest, its folder and its summary."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from backtester.guards.suite import cheap_warnings, run_guards
from backtester.guards.warnings import notes_of, table_of
from backtester.report import summary, text_of, write_folder
from backtester.result import BacktestResult
from backtester.run import run_backtest
from backtester.study import Request, Study, open_study
from core.atomic_file import write_atomic
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
    result = replace(result, notes=(*result.notes, *notes_of(cheap_warnings(study, result))))
    figures = summary(result, dict(zip(result.strategies, study.weights, strict=True)))
    folder = write_folder(study.loaded, result, figures)
    guards = run_guards(study, result) if options.guards else None
    if guards is not None:
        write_atomic(folder / "guards.json", (json.dumps(guards.as_json(), indent=2) + "\n").encode())
        figures["guards"] = guards.as_json()
    if options.json:
        print(json.dumps({**figures, "folder": str(folder)}, indent=2))
    else:
        print(text_of(figures, result.notes))
        if guards is not None:
            print(table_of(guards))
        total_s = time.perf_counter() - began
        print(f"results: {folder}  ({total_s:.2f} s, of which {loading_s:.2f} s to load)", flush=True)
    for line in _write_report(options, study, result, folder):
        print(line, file=sys.stderr if options.json else sys.stdout)
    return ExitCode.CLEAN


def _write_report(options: Namespace, study: Study, result: BacktestResult, folder: Path) -> list[str]:
    """Write the tear sheet after the figures are printed; return where it is, or what is missing for it."""
    if options.no_html and not options.png:
        return []
    # Imported here: the figures are printed before anything of the page is loaded.
    from backtester.tear_sheet_input import report_data, run_facts, this_command  # noqa: PLC0415
    from performance.tear_sheet.page import LibraryMissing  # noqa: PLC0415
    from performance.tear_sheet.sheet import write_tear_sheet  # noqa: PLC0415

    data = report_data(
        result, study.market, study.loaded.settings, run=run_facts(folder), command=this_command()
    )
    try:
        written = write_tear_sheet(data, folder, html=not options.no_html, picture=options.png)
    except LibraryMissing as error:
        return [str(error)]
    return [f"report:  {path}" for path in written]
