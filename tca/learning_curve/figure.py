"""The learning curve as an interactive figure, for its own page and for the report."""

from __future__ import annotations

from performance.tear_sheet.figure import Figure
from tca.learning_curve.summary import REGRET_LIMIT, Curve


def curve_figure(curve: Curve) -> Figure:
    """Regret over orders, for a page."""
    name, fixed = curve.best_fixed
    common = {"type": "scatter", "mode": "lines", "x": curve.parents}
    traces = (
        {**common, "y": curve.high, "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False},
        {
            **common,
            "y": curve.low,
            "line": {"width": 0},
            "fill": "tonexty",
            "fillcolor": "@equity/0.18",
            "hoverinfo": "skip",
            "name": "90 % of the seeds",
        },
        {**common, "y": curve.ratio, "line": {"color": "@equity", "width": 2.5}, "name": "the wheel"},
        {
            **common,
            "x": [0, curve.change_at],
            "y": [fixed, fixed],
            "line": {"color": "@second", "dash": "dash"},
            "name": f"always {name}",
        },
        {
            **common,
            "x": [0, float(curve.parents[-1])],
            "y": [REGRET_LIMIT, REGRET_LIMIT],
            "line": {"color": "@loss", "dash": "dot"},
            "name": "a quarter of uniform choice's",
        },
    )
    return Figure(
        title="Regret per order over that of uniform choice",
        traces=traces,
        layout={
            "yaxis": {"range": [0, 1.05], "tickformat": ".0%"},
            "xaxis": {"title": {"text": "parent orders"}},
            "shapes": [
                {
                    "type": "line",
                    "x0": curve.change_at,
                    "x1": curve.change_at,
                    "y0": 0,
                    "y1": 1,
                    "yref": "paper",
                    "line": {"color": "@muted", "width": 1},
                }
            ],
        },
        note="Expected cost above the cheapest admissible method's, averaged over the last 500 orders. The wheel starts "
        "from nothing, is trained every hundred orders, and a share of 5 % explores for ever.",
    )
