"""``python -m tca report``."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import duckdb
from rich.console import Console

from core.exit_codes import ExitCode
from core.text import stamp
from tca.learning_curve.summary import FILE_NAME as CURVE_FILE
from tca.learning_curve.summary import Curve, read_curve
from tca.report.page import write_report_page
from tca.report.queries import GROUPINGS, Source
from tca.report.terminal import print_report


class NoSuchRun(FileNotFoundError):
    """No order in the database is of the run that was asked for."""


def write_report(
    connection: duckdb.DuckDBPyConnection, database: Path, options: argparse.Namespace
) -> ExitCode:
    """Print the tables, write the page.

    Raises
    ------
    NoSuchRun
    """
    source = Source(connection, options.run)
    runs = [run_id for run_id, _ in source.runs()]
    if options.run is not None and options.run not in runs:
        known = ", ".join(runs[-5:]) or "none"
        raise NoSuchRun(f"there is no run {options.run} in {database}; the newest there: {known}")
    output = Path(options.output) if options.output is not None else database.with_name("tca_report.html")
    write_report_page(
        source,
        output,
        outliers=options.outliers,
        curve=_curve(database.with_name(CURVE_FILE)),
        subtitle=_subtitle(source, options.run, len(runs)),
    )
    if options.json:
        print(json.dumps(_tables(source) | {"page": str(output)}))
    else:
        if options.run is None and len(runs) > 1:
            print(
                f"{len(runs)} runs together; --run RUN_ID reports on one of them, such as the newest: --run {runs[-1]}"
            )
        print_report(source, Console())
        print(output)
    return ExitCode.CLEAN


def _subtitle(source: Source, run_id: str | None, runs: int) -> str:
    totals = source.totals()
    which = f"run {run_id}" if run_id is not None else f"{runs} run{'' if runs == 1 else 's'}"
    if totals.first_ns is None or totals.last_ns is None:
        return which
    return f"{totals.parents:,} parent orders of {which}, decided {stamp(totals.first_ns)} to {stamp(totals.last_ns)}"


def _curve(path: Path) -> Curve | None:
    try:
        return read_curve(path)
    except (OSError, ValueError, TypeError, KeyError):  # none, or of another version: the report goes without
        return None


def _tables(source: Source) -> dict[str, object]:
    totals = source.totals()
    return {
        "totals": _plain(asdict(totals)),
        "groups": {name: [_plain(asdict(one)) for one in source.grouped(name)] for name in GROUPINGS},
        "reweighted": [_plain(asdict(one)) for one in source.reweighted()],
    }


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
