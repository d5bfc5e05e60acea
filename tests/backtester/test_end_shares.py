"""Fills in shares of the end: what a split does to the shares, and what it pays out."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.end_shares import fills_by_symbol
from backtester.run import trade_signals
from tests.backtester.cases import make_market, walk, with_splits
from tests.backtester.test_drawn_bars import settings


@pytest.mark.parametrize("ratio", [2.0, 1.5, 0.1])
def test_a_position_that_went_through_a_split_is_closed_by_what_it_became(ratio):
    smooth = make_market({"A": walk(3, 60, decimals=2, holes=0.0, gaps=0.0, volume=10**9)})
    market = with_splits(smooth, {40: ratio})
    signals = np.zeros((60, 1, 1))
    signals[25:50] = 1.0
    result = trade_signals(settings(), market, ["made"], signals, [1.0])
    bought, sold = result.fills()
    (group,) = fills_by_symbol(result, market)
    (trip,) = group.trips()
    rest = sum(float(one.amount) for one in result.flows() if one.kind == "cash_in_lieu")
    cash = float(sold.price) * sold.quantity - float(bought.price) * bought.quantity
    assert trip.profit == pytest.approx(cash + rest - float(bought.commission + sold.commission), abs=1e-4)
    assert (rest > 0) == (len(group.bars) == 3)
    assert trip.last_fill == len(group.bars) - 1
    assert group.quantities.sum() == pytest.approx(0.0, abs=1e-9)
    assert group.prices[0] == pytest.approx(float(bought.price) / ratio)
