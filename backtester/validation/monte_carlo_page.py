"""The page of a Monte Carlo: verdict, fan, distributions, percentiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backtester.result import BacktestResult
from backtester.tear_sheet_input import this_command
from backtester.validation.monte_carlo import SHARES, Outcomes
from performance.tear_sheet.figure import Figure
from performance.tear_sheet.page import Block, Page, Section, Table, Text, Tile, Tiles
from performance.tear_sheet.panels.equity import fan_figure
from performance.tear_sheet.report_data import Fan
from performance.tear_sheet.words import count, number, percent

MEANINGS = {
    "stationary": "session returns drawn anew in blocks of random length (Politis and Romano 1994)",
    "circular": "session returns drawn anew in blocks of one length",
    "trades": "the closed round trips in another order",
    "parameters": "the strategy run again with its parameters moved at random",
    "costs": "the strategy run again with spread, slippage and impact moved at random",
    "prices": "the strategy run again on bars drawn anew in blocks, the same sessions for all symbols",
}
_BINS = 80


def verdict(method: str, summary: Mapping[str, object], own_drawdown: float) -> str:
    """One sentence that says what to make of it."""
    loss, ruin = _figure(summary, "probability_of_loss"), _figure(summary, "probability_of_ruin")
    drawdown = summary["max_drawdown"]
    assert isinstance(drawdown, Mapping)
    worst = float(drawdown.get("p95", float("nan")))
    reasons = []
    if method != "trades" and loss > 0.05:
        reasons.append(f"{loss:.0%} of the paths lost money")
    if ruin > 0.01:
        reasons.append(f"{ruin:.1%} of them were ruined")
    if worst > 1.5 * own_drawdown:
        reasons.append(
            f"one path in twenty fell by {worst:.0%} or more, where the run fell by {own_drawdown:.0%}"
        )
    if not reasons:
        return "nothing here speaks against the run; the paths know no other history than its own"
    return "be careful: " + "; ".join(reasons)


def _figure(summary: Mapping[str, object], name: str) -> float:
    value = summary[name]
    return float(value) if isinstance(value, int | float) else float("nan")


def monte_carlo_page(
    method: str,
    figures: Mapping[str, object],
    outcomes: Outcomes,
    fan: Fan,
    base: BacktestResult,
    notes: Sequence[str],
) -> Page:
    """Compose the page."""
    said = str(figures["verdict"])
    last = np.flatnonzero(np.diff(base.session_of, append=-1))
    days = np.array(
        [base.sessions[number_] for number_ in np.unique(base.session_of).tolist()], dtype="datetime64[D]"
    )
    own = fan_figure(fan, dates=days, nlv=base.nlv[last]) if fan.times[-1] <= days[-1] else fan_figure(fan)
    drawdown = figures["max_drawdown"]
    assert isinstance(drawdown, Mapping)
    blocks: list[Block] = [
        Tiles(
            tiles=[
                Tile(name="Median a year", value=percent(_percentile(figures, "cagr", 50)), hint=f"5%: {percent(_percentile(figures, 'cagr', 5))}, 95%: {percent(_percentile(figures, 'cagr', 95))}"),
                Tile(name="Drawdown, 95%", value=percent(drawdown.get("p95")), hint="of the paths stay within"),
                Tile(name="Value at risk, 95%", value=percent(_figure(figures, "value_at_risk_95")), hint="of the opening equity; negative: a gain"),
                Tile(name="Beyond it, mean", value=percent(_figure(figures, "conditional_value_at_risk_95"))),
                Tile(name="Probability of a loss", value=percent(_figure(figures, "probability_of_loss"))),
                Tile(name="Probability of ruin", value=percent(_figure(figures, "probability_of_ruin"), 2), hint=f"ever losing {percent(_figure(figures, 'ruin_at_loss_of'), 0)}"),
            ]
        ),
        Text(title="Verdict", paragraphs=[said[0].upper() + said[1:] + ".", f"Method {method}: {MEANINGS[method]}.", *notes]),
        own,
        _histogram("Largest drawdown", outcomes.max_drawdown, "@loss", ".1%"),
        _histogram("Total return", outcomes.total_return, "@gain", ".1%"),
    ]  # fmt: skip
    if method in {"parameters", "costs", "prices"} and outcomes.sharpe is not None:
        blocks.append(_histogram("Sharpe ratio", outcomes.sharpe, "@equity", ".2f"))
    blocks.append(_table(figures))
    names = ", ".join(base.strategies)
    return Page(
        title=f"Monte Carlo of {names}",
        subtitle=f"{count(_figure(figures, 'paths'))} paths, method {method}, seed {figures['seed']}, {base.sessions[0]} to {base.sessions[-1]}",
        sections=[
            Section(title="Paths", blocks=blocks),
            Section(title="Run", blocks=[Text(title="To run it again", paragraphs=[], code=this_command())]),
        ],
    )


def _percentile(figures: Mapping[str, object], name: str, share: int) -> float | None:
    values = figures[name]
    return float(values[f"p{share}"]) if isinstance(values, Mapping) and values else None


def _histogram(title: str, values: np.ndarray, colour: str, form: str) -> Figure:
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [0.001, 0.999]) if len(known) else (0.0, 1.0)
    counts, edges = np.histogram(known, bins=_BINS, range=(float(low), max(float(high), float(low) + 1e-9)))
    middles = (edges[:-1] + edges[1:]) / 2
    return Figure(
        title=title,
        traces=[
            {
                "type": "bar",
                "x": middles,
                "y": counts.astype(np.float64),
                "marker": {"color": colour},
                "hovertemplate": f"%{{x:{form}}}: %{{y:,.0f}} paths<extra></extra>",
            }
        ],
        layout={
            "bargap": 0.02,
            "xaxis": {"tickformat": form},
            "yaxis": {"title": {"text": "paths"}},
            "hovermode": "closest",
        },
        wide=False,
        height=260,
    )


def _table(figures: Mapping[str, object]) -> Table:
    rows = []
    for name, title, form in (
        ("total_return", "total return", percent),
        ("cagr", "a year", percent),
        ("max_drawdown", "largest drawdown", percent),
        ("under_water", "longest under water", count),
        ("sharpe", "Sharpe ratio", number),
        ("fills", "fills", count),
    ):
        values = figures.get(name)
        if isinstance(values, Mapping) and values:
            rows.append(
                [title, *(form(float(values[f"p{share}"])) for share in SHARES), form(float(values["mean"]))]
            )
    return Table(title="Percentiles", columns=["", *(f"{share}%" for share in SHARES), "mean"], rows=rows)
