"""The report's figures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from performance.tear_sheet.figure import Figure, label
from tca.report.queries import COMPONENTS, Group, Reweighted, Totals

_PROVEN = 20


def waterfall(totals: Totals) -> Figure:
    """Build up the shortfall from its components."""
    values = [totals.in_bps(totals.parts[name]) for name in COMPONENTS]
    money = [float(totals.parts[name]) for name in COMPONENTS]
    return Figure(
        title="Implementation shortfall, from the decision to the money",
        traces=[
            {
                "type": "waterfall",
                "x": [*COMPONENTS, "shortfall"],
                "measure": [*("relative" for _ in COMPONENTS), "total"],
                "y": [*values, sum(values)],
                "text": [f"{value:+.2f} bps" for value in (*values, sum(values))],
                "customdata": [*money, float(totals.cost)],
                "hovertemplate": "%{x}: %{y:.3f} bps, %{customdata:,.2f} in money<extra></extra>",
                "increasing": {"marker": {"color": "@loss"}},
                "decreasing": {"marker": {"color": "@gain"}},
                "totals": {"marker": {"color": "@equity"}},
            }
        ],
        layout={"yaxis": {"title": {"text": "bps of notional"}}, "showlegend": False},
        note="Positive is a cost. Delay: decision price to the mid when the order was sent. Execution: that mid to the "
        "fills. Opportunity: what was missed, valued at the close. Perold 1988.",
    )


def means(title: str, groups: Sequence[Group]) -> Figure:
    """Mean cost of each group with its interval."""
    return Figure(
        title=title,
        traces=[
            {
                "type": "scatter",
                "mode": "markers",
                "x": [label(one.key) for one in groups],
                "y": [one.mean_bps.estimate for one in groups],
                "error_y": {
                    "type": "data",
                    "array": [one.mean_bps.high - one.mean_bps.estimate for one in groups],
                    "color": "@muted",
                },
                "marker": {"color": "@equity", "size": 9},
                "customdata": [one.parents for one in groups],
                "hovertemplate": "%{x}: %{y:.2f} bps, %{customdata:,} orders<extra></extra>",
            }
        ],
        layout={"yaxis": {"title": {"text": "bps"}, "zeroline": True}, "xaxis": {"type": "category"}},
        wide=False,
        height=300,
    )


def quantiles(rows: Sequence[tuple[str, list[float]]]) -> Figure:
    """Spread of single orders' costs by method."""
    traces = [
        {
            "type": "box",
            "name": label(method),
            "x": [label(method)],
            "lowerfence": [low],
            "q1": [q1],
            "median": [median],
            "q3": [q3],
            "upperfence": [high],
            "marker": {"color": "@equity"},
        }
        for method, (low, q1, median, q3, high) in rows
    ]
    return Figure(
        title="Spread of single orders",
        traces=traces,
        layout={"yaxis": {"title": {"text": "bps"}}, "showlegend": False},
        note="Boxes hold the middle half, whiskers nine tenths of a method's orders.",
        wide=False,
        height=300,
    )


def reweighted(rows: Sequence[Reweighted]) -> Figure:
    """Compare the methods on the same orders."""
    proven = [one for one in rows if one.chosen >= _PROVEN]
    thin = [one for one in rows if one.chosen < _PROVEN]
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "y": [label(one.method) for one in part],
            "x": [one.bps.estimate for one in part],
            "error_x": {
                "type": "data",
                "array": [one.bps.high - one.bps.estimate for one in part],
                "color": "@muted",
            },
            "marker": {"color": colour, "size": 10},
            "customdata": [one.chosen for one in part],
            "hovertemplate": "%{y}: %{x:.2f} bps, chosen %{customdata:,} times<extra></extra>",
        }
        for name, part, colour in (
            ("proven", proven, "@equity"),
            (f"fewer than {_PROVEN} orders", thin, "@warn"),
        )
        if part
    ]
    return Figure(
        title="What each method would have cost on all orders that might have used it",
        traces=traces,
        layout={"xaxis": {"title": {"text": "bps"}}, "yaxis": {"autorange": "reversed"}},
        note="Self-normalised by the logged propensities, with 95 % intervals: unlike the plain means, this does not "
        "reward a method for getting the easy orders.",
    )


def over_time(rows: Sequence[tuple[int, int, float, float]]) -> Figure:
    """Mean cost as time went on."""
    times = [f"{dt.datetime.fromtimestamp(row[0] / 1e9, dt.UTC):%Y-%m-%d %H:%M}" for row in rows]
    return Figure(
        title="Cost over time",
        traces=[
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": times,
                "y": [row[2] for row in rows],
                "error_y": {"type": "data", "array": [1.96 * row[3] for row in rows], "color": "@muted"},
                "line": {"color": "@equity"},
                "customdata": [row[1] for row in rows],
                "hovertemplate": "%{x}: %{y:.2f} bps, %{customdata:,} orders<extra></extra>",
            }
        ],
        layout={"yaxis": {"title": {"text": "mean bps"}}},
    )
