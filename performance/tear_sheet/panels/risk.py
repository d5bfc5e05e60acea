"""Risk: rolling Sharpe ratio, volatility and beta, and the distribution of the returns."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from performance.measures import Conventions
from performance.risk import conditional_value_at_risk, value_at_risk
from performance.series import Dates, FloatArray, per_period
from performance.tear_sheet.figure import Figure, line
from performance.tear_sheet.thinning import thin

FEWEST_RETURNS = 20
"""A distribution of fewer returns says nothing."""


def rolling_window(sessions: int) -> int | None:
    """Half a year of sessions; a quarter or a month for shorter runs; None below two months."""
    return next((window for window in (126, 63, 21) if sessions >= 2 * window), None)


def _windows(values: FloatArray, window: int) -> npt.NDArray[np.float64]:
    return np.lib.stride_tricks.sliding_window_view(values, window)


def rolling_sharpe(returns: FloatArray, window: int, conventions: Conventions) -> FloatArray:
    """Sharpe ratio of each stretch of ``window`` returns; NaN where they don't differ."""
    free = per_period(conventions.risk_free_annual, conventions.periods_per_year)
    parts = _windows(returns, window)
    spread = parts.std(axis=1, ddof=1)
    moves = spread > 0.0
    result = (parts.mean(axis=1) - free) / np.where(moves, spread, 1.0)
    return np.where(moves, result, np.nan) * math.sqrt(conventions.periods_per_year)


def rolling_volatility(returns: FloatArray, window: int, conventions: Conventions) -> FloatArray:
    """Volatility a year of each stretch of ``window`` returns."""
    result: FloatArray = _windows(returns, window).std(axis=1, ddof=1) * math.sqrt(
        conventions.periods_per_year
    )
    return result


def rolling_beta(returns: FloatArray, benchmark: FloatArray, window: int) -> FloatArray:
    """Beta of each stretch of ``window`` returns; NaN where the benchmark doesn't move."""
    ours, theirs = _windows(returns, window), _windows(benchmark, window)
    around = theirs - theirs.mean(axis=1, keepdims=True)
    power = (around**2).sum(axis=1)
    moves = power > 0.0
    return np.where(moves, (around * ours).sum(axis=1) / np.where(moves, power, 1.0), np.nan)


def rolling_figures(
    dates: Dates, returns: FloatArray, conventions: Conventions, *, benchmark: FloatArray | None = None
) -> list[Figure]:
    """Sharpe ratio, volatility and (with a benchmark) beta; nothing for short runs."""
    window = rolling_window(len(returns))
    if window is None:
        return []
    ends = dates[window - 1 :]
    curves = [
        ("Sharpe ratio", rolling_sharpe(returns, window, conventions), "@equity", ".2f", {}),
        (
            "volatility",
            rolling_volatility(returns, window, conventions),
            "@second",
            ".1%",
            {"tickformat": ".2~%", "rangemode": "tozero"},
        ),
    ]
    if benchmark is not None:
        curves.append(("beta", rolling_beta(returns, benchmark, window), "@third", ".2f", {}))
    figures = []
    for name, values, colour, form, axis in curves:
        kept = thin(values, 1_200)
        figures.append(
            Figure(
                title=f"Rolling {name}",
                traces=[line(ends[kept], values[kept], name, colour, hover=form)],
                layout={"yaxis": axis, "showlegend": False},
                note=f"Over {window} sessions{'' if name == 'beta' else '; annualised'}.",
                height=240,
                wide=False,
            )
        )
    return figures


def distribution_figure(returns: FloatArray, confidence: float) -> Figure | None:
    """Histogram of the returns beside a normal distribution of the same mean and deviation, and the values at risk."""
    spread = float(returns.std(ddof=1)) if len(returns) >= FEWEST_RETURNS else 0.0
    if not spread > 0.0:
        return None
    middle = float(returns.mean())
    low, high = max(float(returns.min()), middle - 6 * spread), min(float(returns.max()), middle + 6 * spread)
    counts, edges = np.histogram(np.clip(returns, low, high), bins=min(max(len(returns) // 20, 20), 80))
    width = float(edges[1] - edges[0])
    centres = (edges[:-1] + edges[1:]) / 2.0
    normal = NormalDist(middle, spread)
    grid = np.linspace(low, high, 121)
    heights = np.array([normal.pdf(one) for one in grid.tolist()]) * len(returns) * width
    var, cvar = (
        measure(returns, confidence=confidence) for measure in (value_at_risk, conditional_value_at_risk)
    )
    bars = {
        "type": "bar",
        "x": centres,
        "y": counts.astype(np.float64),
        "width": width,
        "marker": {"color": ["@loss/0.7" if one < -var else "@equity/0.6" for one in centres.tolist()]},
        "name": "sessions",
        "hovertemplate": "%{x:.2%}: %{y} sessions<extra></extra>",
    }
    return Figure(
        title="Distribution of session returns",
        traces=[bars, line(grid, heights, "normal", "@muted", width=1.2)],
        layout={
            "xaxis": {"tickformat": ".2~%"},
            "shapes": [_upright(-var), _upright(-cvar)],
            "annotations": [_mark(-var, f"VaR {var:.2%}", 1.0), _mark(-cvar, f"CVaR {cvar:.2%}", 0.9)],
            "showlegend": False,
            "hovermode": "closest",
            "bargap": 0.05,
        },
        note=(
            f"Value at risk and expected shortfall (CVaR) at {confidence:.0%}, of one session. The line is a normal "
            "distribution of the same mean and deviation. Returns beyond 6 deviations are in the outermost columns."
        ),
        height=240,
        wide=False,
    )


def _upright(x: float) -> dict[str, object]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": x,
        "x1": x,
        "y0": 0,
        "y1": 1,
        "line": {"color": "@loss", "width": 1.2, "dash": "dot"},
    }


def _mark(x: float, text: str, y: float) -> dict[str, object]:
    return {
        "x": x,
        "y": y,
        "xref": "x",
        "yref": "paper",
        "text": text,
        "showarrow": False,
        "xanchor": "right",
        "xshift": -4,
        "font": {"color": "@loss", "size": 11},
        "bgcolor": "@card/0.8",
    }
