"""Several runs side by side on their common sessions: measures, curves, drawdowns, correlation of returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backtester.search.pictures import new_figure, save_figure, style
from performance.drawdowns import drawdown_curve
from performance.measures import PerformanceData, evaluate
from performance.series import Dates, FloatArray
from performance.tear_sheet.colours import SERIES, light
from performance.tear_sheet.figure import Figure, label, line
from performance.tear_sheet.page import Page, Section, Table, Text
from performance.tear_sheet.panels.equity import curves_figure
from performance.tear_sheet.panels.headline import measures_of
from performance.tear_sheet.report_data import ReportData
from performance.tear_sheet.thinning import thin
from performance.tear_sheet.words import count, number, percent

_PERCENT = "percent"
_SHOWN = {
    "total_return": _PERCENT,
    "cagr": _PERCENT,
    "volatility_annual": _PERCENT,
    "sharpe_ratio": "number",
    "probabilistic_sharpe_ratio": _PERCENT,
    "sortino_ratio": "number",
    "mar_ratio": "number",
    "max_drawdown": _PERCENT,
    "time_under_water": _PERCENT,
    "longest_under_water": "count",
    "ulcer_index": _PERCENT,
    "conditional_value_at_risk": _PERCENT,
    "skewness": "number",
    "worst_month": _PERCENT,
    "beta": "number",
    "alpha_annual": _PERCENT,
    "hit_rate": _PERCENT,
    "profit_factor": "number",
    "average_exposure": _PERCENT,
    "turnover_annual": "number",
    "costs_annual": _PERCENT,
}
_TEXT = {_PERCENT: percent, "number": number, "count": count}
_PRINTED = tuple(_SHOWN)[:8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Runs cut to their common sessions.

    Attributes
    ----------
    dates
        Shape (sessions,): those that all runs have.
    equity
        Of each run by name, shape (sessions + 1,): it begins with the value before the first common session, and all begin with
        the same one.
    measures
        Of `performance.measures`, by name, for each run.
    correlation
        Of the session returns, shape (runs, runs); NaN for a run that never moves.
    notes
        What a reader has to know.
    """

    dates: Dates
    equity: Mapping[str, FloatArray]
    measures: Mapping[str, Mapping[str, float]]
    correlation: FloatArray
    notes: tuple[str, ...]


def compare(runs: Mapping[str, ReportData], benchmark_name: str) -> Comparison:
    """Put runs, and the benchmark of the first one, on their common sessions.

    Measures are taken of the common sessions, against that benchmark; those of fills, of the whole run.

    Parameters
    ----------
    runs
        At least one, by name.
    benchmark_name
        What the benchmark is called.

    Raises
    ------
    ValueError
        When there are fewer than two common sessions.
    """
    first = next(iter(runs.values()))
    dates = first.dates
    for one in runs.values():
        dates = np.intersect1d(dates, one.dates)
    if len(dates) < 2:
        raise ValueError("the runs have fewer than two sessions in common")
    equity = {name: _cut(one.equity, one.dates, dates, first.opening) for name, one in runs.items()}
    yardstick = None
    if first.benchmark is not None:
        yardstick = _cut(first.benchmark.with_opening, first.dates, dates, first.opening)
    returns = {name: _returns(curve) for name, curve in equity.items()}
    measures = {name: _measures(runs[name], curve, dates, yardstick) for name, curve in equity.items()}
    notes = []
    if yardstick is not None and first.benchmark is not None:
        equity[benchmark_name] = yardstick
        returns[benchmark_name] = _returns(yardstick)
        measures[benchmark_name] = evaluate(
            PerformanceData(returns=_returns(yardstick), equity=yardstick, dates=dates), first.conventions
        )
        notes.append(f"{benchmark_name}: {first.benchmark.note}")
    longest = max(len(one.dates) for one in runs.values())
    if len(dates) < longest:
        notes.append(
            f"Only the {len(dates):,} sessions that all have in common are compared; the longest run has {longest:,}."
        )
    table = np.array(list(returns.values()))
    return Comparison(
        dates=dates, equity=equity, measures=measures, correlation=_correlation(table), notes=tuple(notes)
    )


def _cut(equity: FloatArray, dates: Dates, common: Dates, opening: float) -> FloatArray:
    """Equity of the common sessions, the value before each run of them included, chained from the same opening."""
    growth = (equity[1:] / equity[:-1])[np.isin(dates, common)]
    return np.asarray(opening * np.concatenate([[1.0], np.cumprod(growth)]), dtype=np.float64)


def _returns(equity: FloatArray) -> FloatArray:
    return np.asarray(equity[1:] / equity[:-1] - 1.0, dtype=np.float64)


def _measures(
    run: ReportData, equity: FloatArray, dates: Dates, yardstick: FloatArray | None
) -> dict[str, float]:
    known = measures_of(run)
    if not known:
        return {}  # of an account that was lost
    # Anew also for a run that has no other sessions: its own benchmark may be another than the one beside it.
    benchmark = None if yardstick is None else _returns(yardstick)
    data = PerformanceData(returns=_returns(equity), equity=equity, dates=dates, benchmark=benchmark)
    return {**known, **evaluate(data, run.conventions)}


def _correlation(returns: FloatArray) -> FloatArray:
    moves = returns.std(axis=1) > 0
    table = np.full((len(returns), len(returns)), np.nan)
    if moves.any():
        table[np.ix_(moves, moves)] = np.corrcoef(returns[moves]).reshape(moves.sum(), -1)
    return table


def measure_rows(comparison: Comparison, names: Sequence[str] = tuple(_SHOWN)) -> list[list[str]]:
    """Table of measures as text: a row for each, its name first."""
    return [
        [
            name.replace("_", " "),
            *(_TEXT[_SHOWN[name]](one.get(name, float("nan"))) for one in comparison.measures.values()),
        ]
        for name in names
    ]


def text_of(comparison: Comparison) -> str:
    """Write the comparison for a terminal."""
    rows = [["", *comparison.measures], *measure_rows(comparison, _PRINTED)]
    names = list(comparison.equity)
    rows.append([""] * (len(names) + 1))
    rows += [
        [f"correlation with {name}", *(number(value) for value in row)]
        for name, row in zip(names, comparison.correlation.tolist(), strict=True)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        row[0].ljust(widths[0])
        + "".join(f"  {text:>{width}}" for text, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    return "\n".join(line_.rstrip() for line_ in lines) + "".join(
        f"\nnote  {note}" for note in comparison.notes
    )


def comparison_page(comparison: Comparison, title: str, run: Mapping[str, str], command: str) -> Page:
    """Compose the page."""
    names = list(comparison.equity)
    curves = {name: curve[1:] for name, curve in comparison.equity.items()}
    return Page(
        title=title,
        subtitle=f"{comparison.dates[0]} to {comparison.dates[-1]}, {len(comparison.dates):,} sessions, each with the whole equity",
        sections=[
            Section(
                title="Curves",
                blocks=[curves_figure(comparison.dates, curves), _drawdown_figure(comparison)],
                note=" ".join(comparison.notes),
            ),
            Section(
                title="Measures",
                blocks=[
                    Table(
                        title="Measures",
                        columns=["measure", *names],
                        rows=measure_rows(comparison),
                        note="252 sessions a year, risk-free rate 0; `python -m performance` prints every formula.",
                    )
                ],
            ),
            Section(title="Correlation", blocks=[_correlation_figure(comparison)]),
            Section(
                title="Run",
                blocks=[Text(paragraphs=[f"{name}: {value}" for name, value in run.items()], code=command)],
            ),
        ],
        footer="Everything on this page is in this file; it loads nothing.",
    )


def _drawdown_figure(comparison: Comparison) -> Figure:
    traces = []
    for place, (name, curve) in enumerate(comparison.equity.items()):
        falls = -drawdown_curve(curve)[1:]
        kept = thin(falls, 1_500)
        colour = SERIES[place % len(SERIES)]
        traces.append(line(comparison.dates[kept], falls[kept], name, colour, width=1.1, hover=".1%"))
    return Figure(
        title="Drawdowns",
        traces=traces,
        layout={"yaxis": {"tickformat": ".0%", "rangemode": "tozero"}},
        note="Below the running peak, at the end of each session.",
    )


def _correlation_figure(comparison: Comparison) -> Figure:
    names = [label(name) for name in comparison.equity]
    table = comparison.correlation.tolist()
    return Figure(
        title="Correlation of session returns",
        traces=[
            {
                "type": "heatmap",
                "x": names,
                "y": names,
                "z": table,
                "zmin": -1,
                "zmax": 1,
                "text": [[number(value) for value in row] for row in table],
                "texttemplate": "%{text}",
                "textfont": {"color": "@ink"},
                "colorscale": [[0.0, "@loss/0.8"], [0.5, "@card"], [1.0, "@equity/0.8"]],
                "showscale": False,
                "hovertemplate": "%{x}, %{y}: %{z:.3f}<extra></extra>",
            }
        ],
        layout={"yaxis": {"autorange": "reversed"}, "hovermode": "closest"},
        height=120 + 36 * len(names),
        wide=False,
    )


def draw_comparison(comparison: Comparison, path: Path) -> Path:
    """Draw curves and drawdowns as PNG; return the path."""
    figure = new_figure(11, 7.5)
    above, below = figure.subplots(2, 1, height_ratios=[2, 1], sharex=True)
    for place, (name, curve) in enumerate(comparison.equity.items()):
        colour = light(SERIES[place % len(SERIES)])
        above.plot(comparison.dates, curve[1:], label=name, color=colour, linewidth=1.2)
        below.plot(comparison.dates, -100 * drawdown_curve(curve)[1:], color=colour, linewidth=0.9)
    curves = np.concatenate(list(comparison.equity.values()))
    if curves.min() > 0 and curves.max() > 4 * curves.min():
        above.set_yscale("log")
    for axis in (above.yaxis.set_major_formatter, above.yaxis.set_minor_formatter):
        axis(lambda value, _place: f"${value / 1e6:,.1f}M" if curves.max() > 2e6 else f"${value:,.0f}")
    above.legend(frameon=False, fontsize=9)
    style(above, "Equity")
    style(below, "Drawdown, %")
    return save_figure(figure, path)
