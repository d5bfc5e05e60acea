"""Returns by the calendar: months as a heat map, years as columns."""

from __future__ import annotations

import math

import numpy as np

from performance.returns import compounded_by
from performance.series import Dates, FloatArray
from performance.tear_sheet.figure import Figure, columns

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def month_table(dates: Dates, returns: FloatArray) -> tuple[list[int], FloatArray]:
    """Return of each month: the years, and a table of shape (years, 12), NaN for months without a session."""
    months = np.unique(dates.astype("datetime64[M]"))
    years = months.astype("datetime64[Y]").astype(np.int64) + 1970
    first = int(years[0])
    table = np.full((int(years[-1]) - first + 1, 12), np.nan)
    table[years - first, months.astype(np.int64) % 12] = compounded_by(returns, dates, "M")
    return list(range(first, int(years[-1]) + 1)), table


def month_text(value: float) -> str:
    """Return of a month in per cent, to one digit; nothing for NaN."""
    text = f"{100.0 * value:.1f}"
    return "" if math.isnan(value) else text.removeprefix("-") if float(text) == 0.0 else text


def month_figure(dates: Dates, returns: FloatArray) -> Figure | None:
    """Heat map of the months; None for less than two of them."""
    years, table = month_table(dates, returns)
    if np.isfinite(table).sum() < 2:
        return None
    reach = float(np.nanquantile(np.abs(table), 0.95)) or 0.01
    texts = [[month_text(one) for one in row] for row in table.tolist()]
    trace = {
        "type": "heatmap",
        "x": MONTHS,
        "y": [str(year) for year in years],
        "z": [list(row) for row in table.tolist()],
        "text": texts,
        "texttemplate": "%{text}" if len(years) <= 40 else "",
        "textfont": {"color": "@ink"},  # without a size, the text fits its cell
        "colorscale": [[0.0, "@loss/0.75"], [0.5, "@card"], [1.0, "@gain/0.75"]],
        "zmid": 0.0,
        "zmin": -reach,
        "zmax": reach,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "%{x} %{y}: %{z:.2%}<extra></extra>",
    }
    return Figure(
        title="Months",
        traces=[trace],
        layout={
            "hovermode": "closest",
            "xaxis": {"side": "top", "fixedrange": True},
            "yaxis": {"autorange": "reversed", "type": "category", "showgrid": False, "fixedrange": True},
            "margin": {"b": 8, "t": 24},
        },
        note="Per cent, compounded by calendar month; the first and the last may be part of one.",
        height=max(120, min(44 + 24 * len(years), 900)),
    )


def year_figure(
    dates: Dates,
    returns: FloatArray,
    *,
    benchmark: FloatArray | None = None,
    benchmark_name: str = "benchmark",
) -> Figure | None:
    """Columns of the years, beside those of the benchmark's returns if given; None for a single year."""
    years = np.unique(dates.astype("datetime64[Y]")).astype(str)
    if len(years) == 1:
        return None
    ours = compounded_by(returns, dates, "Y")
    traces = [columns(years.tolist(), ours.tolist(), "strategy", "@equity", hover=".1%")]
    if benchmark is not None:
        theirs = compounded_by(benchmark, dates, "Y")
        traces.append(columns(years.tolist(), theirs.tolist(), benchmark_name, "@benchmark/0.6", hover=".1%"))
    return Figure(
        title="Years",
        traces=traces,
        layout={"xaxis": {"type": "category"}, "yaxis": {"tickformat": ".2~%"}, "hovermode": "closest"},
        note="Compounded by calendar year; the first and the last may be part of one.",
        height=300,
    )
