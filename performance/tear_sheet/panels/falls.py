"""Drawdowns: the curve, the largest ones shaded, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from performance.drawdowns import Drawdown, drawdown_curve, drawdowns
from performance.series import Dates, FloatArray
from performance.tear_sheet.figure import Figure, line, span_shapes, times_of
from performance.tear_sheet.page import Table
from performance.tear_sheet.thinning import thin
from performance.tear_sheet.words import DASH, count, percent

SHADED = 5


def largest(equity: FloatArray, number: int = SHADED) -> list[Drawdown]:
    """Deepest drawdowns, the deepest first."""
    return sorted(drawdowns(equity), key=lambda one: one.depth, reverse=True)[:number]


def drawdown_figure(
    dates: Dates,
    equity: FloatArray,
    *,
    benchmark: FloatArray | None = None,
    benchmark_name: str = "benchmark",
    unit: str = "session",
) -> Figure:
    """Fall from the running peak; ``equity`` (and ``benchmark``) with their opening value, one value more than dates.

    ``unit`` names what ends at the dates.
    """
    falls = -drawdown_curve(equity)[1:]
    kept = thin(falls)
    traces = [
        {
            **line(dates[kept], falls[kept], "strategy", "@loss", width=1.2, hover=".1%"),
            "fill": "tozeroy",
            "fillcolor": "@loss/0.18",
        }
    ]
    if benchmark is not None and (benchmark > 0.0).all():
        theirs = -drawdown_curve(benchmark)[1:]
        chosen = thin(theirs)
        traces.append(
            line(dates[chosen], theirs[chosen], benchmark_name, "@benchmark", width=1.0, hover=".1%")
        )
    spans = [_span(dates, one) for one in largest(equity)]
    return Figure(
        title="Drawdowns",
        traces=traces,
        layout={
            "yaxis": {"tickformat": ".2~%", "rangemode": "tozero"},
            "shapes": span_shapes(spans, "@loss/0.07"),
        },
        note=f"Below the running peak, at the end of each {unit}. The {SHADED} deepest are shaded from peak to recovery.",
        height=280,
    )


def _day(dates: Dates, place: int) -> np.datetime64:
    """Date of a place in the equity, whose place 0 is the opening: shown as the first session."""
    day: np.datetime64 = dates[max(place - 1, 0)]
    return day


def _text(dates: Dates, place: int) -> str:
    return times_of(np.array([_day(dates, place)]))[0]


def _span(dates: Dates, one: Drawdown) -> tuple[np.datetime64, np.datetime64]:
    return _day(dates, one.peak), dates[-1] if one.recovery is None else _day(dates, one.recovery)


def drawdown_table(dates: Dates, equity: FloatArray, *, number: int = SHADED, unit: str = "session") -> Table:
    """List the deepest drawdowns with their dates and lengths; arguments as those of `drawdown_figure`."""
    rows: list[Sequence[str]] = []
    for place, one in enumerate(largest(equity, number), 1):
        back = DASH if one.recovery is None else _text(dates, one.recovery)
        under = (len(equity) - 1 if one.recovery is None else one.recovery) - one.peak
        rows.append(
            (
                str(place),
                percent(one.depth, 2),
                _text(dates, one.peak),
                _text(dates, one.trough),
                back,
                count(one.trough - one.peak),
                count(under),
            )
        )
    return Table(
        title=f"The {number} deepest drawdowns",
        columns=("", "depth", "peak", "lowest", "recovered", f"{unit}s down", f"{unit}s under water"),
        rows=rows,
        note="A dash: not recovered at the end.",
    )
