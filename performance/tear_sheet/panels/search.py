"""The search behind a run: a map of two parameters with its plateau, and what is known of overfitting."""

from __future__ import annotations

import math

import numpy as np

from performance.measures import Conventions
from performance.overfitting import (
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_standard_error_annual,
)
from performance.ratios import sharpe_ratio
from performance.series import FloatArray
from performance.tear_sheet.figure import Figure, label
from performance.tear_sheet.page import Tile, Tiles
from performance.tear_sheet.report_data import Overfitting, ParameterMap
from performance.tear_sheet.words import DASH, count, number, percent


def parameter_figure(data: ParameterMap) -> Figure:
    """Heat map of a figure over two parameters; the plateau is framed with dots, the chosen cell with a ring."""
    x, y = [f"{one:g}" for one in data.x], [f"{one:g}" for one in data.y]
    cells = data.values.size
    traces: list[dict[str, object]] = [
        {
            "type": "heatmap",
            "x": x,
            "y": y,
            "z": data.values.tolist(),
            "text": [[number(one) for one in row] for row in data.values.tolist()] if cells <= 200 else None,
            "texttemplate": "%{text}" if cells <= 200 else "",
            "textfont": {"color": "@ink", "size": 11},
            "colorscale": [[0.0, "@card"], [0.5, "@equity/0.35"], [1.0, "@equity/0.9"]],
            "colorbar": {
                "title": {"text": label(data.figure), "side": "right", "font": {"color": "@muted"}},
                "thickness": 10,
                "outlinewidth": 0,
                "tickfont": {"color": "@muted"},
            },
            "hovertemplate": (
                f"{label(data.x_name)} %{{x}}, {label(data.y_name)} %{{y}}: %{{z:.3f}}<extra></extra>"
            ),
        }
    ]
    notes = [data.note]
    if data.plateau is not None and data.plateau.any():
        rows, places = np.nonzero(data.plateau)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [x[one] for one in places.tolist()],
                "y": [y[one] for one in rows.tolist()],
                "marker": {"symbol": "circle", "size": 4, "color": "@shade"},
                "name": "plateau",
                "hoverinfo": "skip",
            }
        )
        notes.append("Dots: the plateau, where neighbours do about as well.")
    if data.chosen is not None:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [f"{data.chosen[0]:g}"],
                "y": [f"{data.chosen[1]:g}"],
                "marker": {
                    "symbol": "circle-open",
                    "size": 20,
                    "color": "@loss",
                    "line": {"width": 2.5, "color": "@loss"},
                },
                "name": "chosen",
                "hoverinfo": "skip",
            }
        )
        notes.append("Ring: the parameters of this run.")
    return Figure(
        title=data.title,
        traces=traces,
        layout={
            "xaxis": {"type": "category", "title": {"text": label(data.x_name)}, "showgrid": False},
            "yaxis": {"type": "category", "title": {"text": label(data.y_name)}, "showgrid": False},
            "hovermode": "closest",
            "showlegend": False,
        },
        note=" ".join(one for one in notes if one),
        height=max(320, min(90 + 26 * len(y), 620)),
    )


def overfitting_tiles(
    returns: FloatArray, conventions: Conventions, search: Overfitting | None
) -> Tiles | None:
    """How much the Sharpe ratio says; None when the returns don't differ."""
    periods = conventions.periods_per_year
    error = sharpe_standard_error_annual(returns, periods_per_year=periods)
    if math.isnan(error):
        return None
    sharpe = sharpe_ratio(returns, periods_per_year=periods)
    probability = probabilistic_sharpe_ratio(returns, periods_per_year=periods)
    needed = minimum_track_record_length(returns, periods_per_year=periods)
    tiles = [
        Tile(
            name="Sharpe ratio",
            value=f"{number(sharpe)} ± {number(1.96 * error)}",
            hint="95% interval, without a risk-free rate",
        ),
        Tile(
            name="Above zero, probably",
            value=percent(probability),
            hint="probabilistic Sharpe ratio",
            tone=_tone(probability >= 0.95, probability < 0.8),
        ),
        Tile(
            name="Track record needed",
            value="never" if math.isinf(needed) else f"{count(needed)} sessions",
            hint=f"to tell it from zero at 95%; there are {len(returns):,}",
            tone=_tone(needed <= len(returns), needed > len(returns)),
        ),
    ]
    if search is None:
        return Tiles(
            tiles=[
                *tiles,
                Tile(name="Trials behind it", value=DASH, hint="not told: one run, looked at alone"),
            ]
        )
    deflated, overfit = search.deflated_sharpe, search.probability_of_overfitting
    tiles.append(Tile(name="Trials behind it", value=count(search.trials), hint=search.note))
    if deflated is not None:
        tiles.append(
            Tile(
                name="Deflated Sharpe ratio",
                value=percent(deflated),
                hint="probability of being above the best of as many trials without skill",
                tone=_tone(deflated >= 0.95, deflated < 0.8),
            )
        )
    if overfit is not None:
        tiles.append(
            Tile(
                name="Overfitting (PBO)",
                value=percent(overfit),
                hint="splits in which the best of one half fell below the median of the other",
                tone=_tone(overfit < 0.2, overfit >= 0.5),
            )
        )
    return Tiles(tiles=tiles)


def _tone(good: bool, bad: bool) -> str:
    return "@gain" if good else "@loss" if bad else "@warn"
