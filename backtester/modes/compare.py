"""Mode ``compare``: strategies and studies side by side, each traded alone with the whole equity."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from backtester.comparison import Comparison, compare, comparison_page, draw_comparison, text_of
from backtester.options import parse
from backtester.run import run_backtest
from backtester.search.folder import write_record
from backtester.study import Request, Study, open_study
from backtester.tear_sheet_input import report_data, this_command
from core.code_version import code_version
from core.errors import ConfigError
from core.exit_codes import ExitCode
from performance.tear_sheet.page import LibraryMissing, write_page
from performance.tear_sheet.report_data import ReportData
from strategy.base import Number, Strategy

BENCHMARK = "benchmark"


def run(options: Namespace) -> ExitCode:
    """Run each, set them side by side, and write the page.

    Raises
    ------
    ConfigError, DataError
        With every problem found.
    """
    weighted = [one for text in options.strategy for one in text.split(",") if "=" in one]
    if weighted:
        raise ConfigError(
            [f"--strategy {weighted[0]}: each is traded alone with the whole equity; give no weight"]
        )
    study = open_study(Request.of(options))
    alone = study.strategies if options.strategy or not options.against else ()
    runs = _each(study, alone)
    runs |= _studies(options, taken={*runs, BENCHMARK})
    try:
        comparison = compare(runs, BENCHMARK)
    except ValueError as error:
        raise ConfigError([f"--mode compare: {error}"]) from None
    parameters = {name: one.parameters._asdict() for name, one in zip(runs, alone, strict=False)}
    folder = _write(options, study, runs, comparison, parameters)
    if options.json:
        print(json.dumps({"measures": _plain(comparison), "folder": str(folder)}, indent=2))
    else:
        print(text_of(comparison))
        print(f"results: {folder}")
    return ExitCode.CLEAN


def _each(study: Study, strategies: Sequence[Strategy]) -> dict[str, ReportData]:
    """Run each strategy by itself; two of one name, as two versions of a file have, are told apart by a number."""
    settings = study.loaded.settings
    runs: dict[str, ReportData] = {}
    for one in strategies:
        result = run_backtest(settings, study.market, (one,), (1.0,), first_bar=study.first_bar)
        runs[_free_name(one.name, {*runs, BENCHMARK})] = report_data(result, study.market, settings)
    return runs


def _studies(options: Namespace, taken: set[str]) -> dict[str, ReportData]:
    """Run each YAML study as it stands, its own strategies together."""
    runs = {}
    for path in options.against:
        study = open_study(Request.of(parse(["--config", str(options.config), "--spec", str(path)])))
        settings = study.loaded.settings
        result = run_backtest(
            settings, study.market, study.strategies, study.weights, first_bar=study.first_bar
        )
        name = _free_name(path.stem, taken)
        taken.add(name)
        runs[name] = replace(report_data(result, study.market, settings), title=name)
    return runs


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted} {number}", number + 1
    return name


def _plain(comparison: Comparison) -> dict[str, dict[str, float | None]]:
    return {
        name: {key: value if abs(value) < float("inf") else None for key, value in values.items()}
        for name, values in comparison.measures.items()
    }


def _write(
    options: Namespace,
    study: Study,
    runs: dict[str, ReportData],
    comparison: Comparison,
    parameters: dict[str, dict[str, Number]],
) -> Path:
    now = datetime.now(UTC)
    folder = study.loaded.folders.results / "backtests" / f"compare-{now:%Y%m%d-%H%M%S-%f}"
    folder.mkdir(parents=True)
    record = {
        "id": folder.name,
        "mode": "compare",
        "written": now.isoformat(),
        "code_version": code_version(),
        "config_sha256": study.loaded.sha256,
        "config": study.loaded.settings.model_dump(mode="json"),
        "data_sha256": study.market.sha256,
        "strategies": parameters,
        "against": [str(path) for path in options.against],
        "command": this_command(),
        "notes": list(comparison.notes),
        "measures": _plain(comparison),
        "correlation": dict(zip(comparison.equity, comparison.correlation.tolist(), strict=True)),
    }
    write_record(folder, record)
    facts = {
        key: str(record[key]) for key in ("id", "written", "code_version", "config_sha256", "data_sha256")
    }
    title = f"{', '.join(runs)} side by side"
    try:
        if not options.no_html:
            write_page(comparison_page(comparison, title, facts, this_command()), folder / "report.html")
        draw_comparison(comparison, folder / "report.png")
    except (LibraryMissing, ImportError) as error:
        print(error, file=sys.stderr)
    return folder
