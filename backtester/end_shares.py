"""Fills of raw prices in shares of the end, as if every split had happened before the first bar.

Only there do the fills before and after a split add up: 100 shares that were bought before a 2:1 split are closed by selling
200. Money is the same in both, so that profits, turnover and costs are too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtester.book import FillColumn
from backtester.corporate_actions import SPLIT, Events, adjustment_factors
from backtester.market import Market
from backtester.money import MICRO
from backtester.result import BacktestResult
from performance.round_trips import RoundTrip, round_trips

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SymbolFills:
    """One strategy's fills in one symbol in shares of the end, oldest first, shape (fills,) each.

    The rest of a share that a split pays out in cash is a fill as well, without commission. ``bars`` count from the market's
    first one.
    """

    strategy: str
    symbol: str
    bars: npt.NDArray[np.int64]
    quantities: FloatArray
    prices: FloatArray
    commissions: FloatArray

    def trips(self) -> list[RoundTrip]:
        """Find the round trips."""
        return round_trips(self.quantities, self.prices, self.commissions)

    def profit(self, last_close: float) -> float:
        """Profit of all fills, what is still held at its last close (NaN: worth nothing)."""
        held = float(self.quantities.sum()) * last_close if math.isfinite(last_close) else 0.0
        return held - float((self.quantities * self.prices).sum()) - float(self.commissions.sum())


def shares_at_end(market: Market) -> FloatArray:
    """Shares of the end that a share of each bar has become by splits, shape (bars, symbols)."""
    return adjustment_factors(market.events(), market.bars)[1]


def fills_by_symbol(result: BacktestResult, market: Market) -> list[SymbolFills]:
    """Group the fills by strategy and symbol.

    Parameters
    ----------
    result, market
        A run, and the market that it traded, from the same first bar on.
    """
    events, shares = market.events(), shares_at_end(market)
    table = result.fill_table
    found = []
    for strategy, name in enumerate(result.strategies):
        for column, symbol in enumerate(result.symbols):
            mine = table[
                (table[:, FillColumn.STRATEGY] == strategy) & (table[:, FillColumn.SYMBOL] == column)
            ]
            if not len(mine):
                continue
            bars = mine[:, FillColumn.BAR]
            factors = shares[bars, column]
            rows = np.column_stack(
                [
                    bars,
                    mine[:, FillColumn.QUANTITY] * factors,
                    mine[:, FillColumn.PRICE] / MICRO / factors,
                    mine[:, FillColumn.COMMISSION] / MICRO,
                ]
            )
            rests = list(_rests(mine, events, column, market.bars[:, column, 3], shares[:, column]))
            # A split comes before everything else in its bar.
            places = np.searchsorted(bars, [bar for bar, _quantity, _price in rests])
            rows = np.insert(rows, places, [[*one, 0.0] for one in rests], axis=0) if rests else rows
            found.append(
                SymbolFills(
                    strategy=name,
                    symbol=symbol,
                    bars=rows[:, 0].astype(np.int64),
                    quantities=rows[:, 1],
                    prices=rows[:, 2],
                    commissions=rows[:, 3],
                )
            )
    return found


def _rests(
    fills: npt.NDArray[np.int64], events: Events, column: int, closes: FloatArray, shares: FloatArray
) -> Iterator[tuple[int, float, float]]:
    """Bar, quantity and price, in shares of the end, of what splits have paid out of a position in cash."""
    position, done = 0, 0
    for bar, symbol, kind, numerator, denominator, _amount in zip(
        *(field.tolist() for field in events), strict=True
    ):
        if kind != SPLIT or symbol != column:
            continue
        until = int(np.searchsorted(fills[:, FillColumn.BAR], bar))
        position += int(fills[done:until, FillColumn.QUANTITY].sum())
        done = until
        sign = 1 if position > 0 else -1
        whole, rest = divmod(abs(position) * numerator, denominator)
        position = sign * whole
        if rest:
            last = int(np.flatnonzero(~np.isnan(closes[:bar]))[-1])
            yield bar, -sign * rest / denominator * float(shares[bar]), float(closes[last] / shares[last])
