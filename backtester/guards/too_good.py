"""Figures that are too good to be true, or that rest on too little.

None of them proves a mistake. Each has been the first sign of one often enough: signals that see the bar they trade in,
fills at prices that nobody got, costs that were forgotten, one lucky symbol.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from backtester.book import FillColumn
from backtester.end_shares import SymbolFills, fills_by_symbol, shares_at_end
from backtester.guards.warnings import BiasWarning, Guard, Severity
from backtester.market import Market
from backtester.money import MICRO
from backtester.report import annual_measures
from backtester.result import BacktestResult
from performance.round_trips import hit_rate, profit_factor

SHARPE: Final = 3.0
HIT_RATE: Final = 0.9
PROFIT_FACTOR: Final = 5.0
ENOUGH_TRIPS: Final = 10
"""From so many round trips on, hit rate and profit factor are judged."""
FEW_TRIPS: Final = 30
"""With fewer round trips the figures are mostly luck."""
AT_EXTREME: Final = 0.02
"""A fill in the best 2% of its bar's range is at the extreme."""
EXTREME_SHARE: Final = 0.25
ENOUGH_FILLS: Final = 20
ONE_SYMBOL_SHARE: Final = 0.8


def too_good(result: BacktestResult, market: Market) -> list[BiasWarning]:
    """Look at a result with suspicion.

    Parameters
    ----------
    result, market
        A run, and the whole market that it traded.
    """
    groups = fills_by_symbol(result, market)
    trips = [trip.profit for group in groups for trip in group.trips()]
    return [
        *_sharpe(result),
        *_trips(trips),
        *_one_symbol(groups, market),
        *_extremes(result, market),
    ]


def _sharpe(result: BacktestResult) -> list[BiasWarning]:
    sharpe = annual_measures(result)["sharpe"]
    if sharpe is None or sharpe <= SHARPE:
        return []
    return [
        _bias(
            "Sharpe ratio",
            f"{sharpe:.1f} is above {SHARPE:g}: hardly any fund keeps that up; look for the mistake",
        )
    ]


def _trips(profits: list[float]) -> list[BiasWarning]:
    found = []
    if len(profits) >= ENOUGH_TRIPS:
        rate, factor = hit_rate(profits), profit_factor(profits)
        if rate > HIT_RATE:
            found.append(_bias("hit rate", f"{rate:.0%} of {len(profits)} round trips win"))
        if factor > PROFIT_FACTOR or math.isnan(factor):
            told = "there is no losing round trip" if not math.isfinite(factor) else f"{factor:.1f}"
            found.append(_bias("profit factor", f"{told} over {len(profits)} round trips"))
    if len(profits) < FEW_TRIPS:
        text = f"only {len(profits)}: with fewer than {FEW_TRIPS} the figures are mostly luck"
        found.append(_caution("round trips", text))
    return found


def _one_symbol(groups: list[SymbolFills], market: Market) -> list[BiasWarning]:
    closes = market.bars[:, :, 3] / shares_at_end(market)
    last = {
        symbol: float(column[~np.isnan(column)][-1]) if (~np.isnan(column)).any() else math.nan
        for symbol, column in zip(market.symbols, closes.T, strict=True)
    }
    profits: dict[str, float] = {}
    for group in groups:
        profits[group.symbol] = profits.get(group.symbol, 0.0) + group.profit(last[group.symbol])
    total = sum(profits.values())
    if len(profits) < 3 or total <= 0:
        return []
    best = max(profits, key=lambda symbol: profits[symbol])
    if profits[best] <= ONE_SYMBOL_SHARE * total:
        return []
    text = f"makes {profits[best] / total:.0%} of the profit; without it the {len(profits) - 1} others make {total - profits[best]:,.0f}"
    return [_caution(best, text)]


def _extremes(result: BacktestResult, market: Market) -> list[BiasWarning]:
    table = result.fill_table
    bars = market.bars[table[:, FillColumn.BAR], table[:, FillColumn.SYMBOL]]
    ranges = bars[:, 1] - bars[:, 2]
    judged = ranges > 0
    if judged.sum() < ENOUGH_FILLS:
        return []
    prices = table[:, FillColumn.PRICE] / MICRO
    buys = table[:, FillColumn.QUANTITY] > 0
    distance = np.where(buys, prices - bars[:, 2], bars[:, 1] - prices)[judged] / ranges[judged]
    share = float((distance <= AT_EXTREME).mean())
    if share <= EXTREME_SHARE:
        return []
    text = f"{share:.0%} of {int(judged.sum())} lie at the low (buys) or the high (sales) of their bar: nobody is that lucky"
    return [_bias("fills", text)]


def _bias(subject: str, text: str) -> BiasWarning:
    return BiasWarning(guard=Guard.TOO_GOOD, severity=Severity.BIAS, subject=subject, text=text)


def _caution(subject: str, text: str) -> BiasWarning:
    return BiasWarning(guard=Guard.TOO_GOOD, severity=Severity.CAUTION, subject=subject, text=text)
