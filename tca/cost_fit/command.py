"""``python -m tca fit-costs``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import duckdb
from pydantic import ValidationError

from core.atomic_file import write_atomic
from core.config_schema import BacktestSettings
from core.exit_codes import ExitCode
from core.text import stamp
from tca.cost_fit.estimate import CannotFit, CostFit, fit_costs
from tca.cost_fit.sample import Sample, ended_by_method, read_sample
from tca.intervals import Interval


def fit(connection: duckdb.DuckDBPyConnection, database: Path, options: argparse.Namespace) -> ExitCode:
    """Print the section ``backtest`` that the orders speak for, and write the file that run_backtest.py reads.

    Raises
    ------
    CannotFit
        When the orders say too little, or something that the configuration doesn't allow.
    """
    methods = options.method or ["MKT"]
    sample = read_sample(connection, methods, bars_per_session=options.bars_per_session)
    try:
        found = fit_costs(sample, seed=options.seed)
        values = _values(found)
    except CannotFit as error:
        counts = ended_by_method(connection)
        held = ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"
        raise CannotFit(
            f"{error}. Asked for: {', '.join(methods)}; filled entries and exits in {database}: {held}"
        ) from None
    about = _about(found, sample, methods, database, options.bars_per_session)
    if options.json:
        costs = {name: asdict(interval) for name, interval in _intervals(found).items()}
        rest = {
            "methods": methods,
            "orders": found.orders,
            "symbol_sessions": found.clusters,
            "far_orders": found.far_orders,
            "mean_cost_bps": found.mean_cost,
            "mean_fitted_bps": found.mean_fitted,
            "bars_per_session": options.bars_per_session,
            "participation": found.sizes,
        }
        print(json.dumps({"costs": costs, "backtest": values, **rest}))
    else:
        print("\n".join([*about, "backtest:", *_lines(found, values, "")]))
    if options.output is not None:
        head = [*about, f"# python run_backtest.py --spec {Path(options.output).name}", "set:"]
        text = "\n".join([*head, *_lines(found, values, "backtest.")]) + "\n"
        write_atomic(Path(options.output), text.encode(), durable=False, mode=0o644)
    return ExitCode.CLEAN


def _intervals(found: CostFit) -> dict[str, Interval]:
    return {
        "half_spread_bps": found.half_spread,
        "slippage_bps": found.slippage,
        "impact_bps": found.impact,
    }


def _values(found: CostFit) -> dict[str, float]:
    """Return the keys of section ``backtest``; a backtest knows hundredths of a basis point."""
    values = {name: round(interval.estimate, 2) for name, interval in _intervals(found).items()}
    try:
        BacktestSettings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{one['loc'][0]} {one['input']:g}: {one['msg'].lower()}" for one in error.errors()
        )
        raise CannotFit(f"the costs found are none that backtest.* may hold ({problems})") from None
    return values


def _lines(found: CostFit, values: dict[str, float], prefix: str) -> list[str]:
    notes = {
        "half_spread_bps": "mean of half the quoted spread",
        "slippage_bps": "the rest of the constant",
        "impact_bps": "for an order as large as its bar's volume",
    }
    lines = []
    for name, interval in _intervals(found).items():
        entry = f"  {prefix}{name}: {values[name]:g}"
        held = "; held at 0, the orders say less" if interval.estimate == 0.0 else ""
        lines.append(f"{entry:<36} # 95 %: {interval.low:.2f} to {interval.high:.2f}; {notes[name]}{held}")
    return lines


def _about(
    found: CostFit, sample: Sample, methods: list[str], database: Path, bars_per_session: float
) -> list[str]:
    first, last = (stamp(int(time_ns))[:10] for time_ns in (sample.decided_ns[0], sample.decided_ns[-1]))
    smallest, median, largest = (f"{100.0 * size:.2g} %" for size in found.sizes)
    bars = "daily bars" if bars_per_session == 1 else f"bars of which a session has {bars_per_session:g}"
    means = f"{found.mean_cost:.2f} bps on average, by these figures {found.mean_fitted:.2f}"
    what = f"{found.orders:,} orders ({', '.join(methods)}) on {found.clusters:,} pairs of symbol and session"
    return [
        f"# Costs of {what}, {first} to {last}, by {database.name}",
        f"# For {bars}; the orders took {smallest} to {largest} of a bar's volume (median {median}), beyond it is extrapolated.",
        f"# They cost {means}; {found.far_orders:,} of them lie far from the line and counted less.",
    ]
