"""Rows of close, ATR and average volume, kept up bar by bar."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio.market_rows import VOLUME_WINDOW, market_step, new_market_rows, new_market_state
from strategy.base import BarRow


def feed(bars: list[BarRow], atr_window: int = 2):
    rows, state = new_market_rows(3), new_market_state()
    for bar in bars:
        state = market_step(state, rows, 1, bar, atr_window)
    return rows


def test_one_symbols_bar_is_written_to_its_own_row_only():
    rows = feed([BarRow(10.0, 12.0, 9.0, 11.0, 500.0)] * VOLUME_WINDOW)
    assert (rows.close[1], rows.average_volume[1]) == (11.0, 500.0)
    assert rows.atr[1] == pytest.approx(3.0)
    for field in rows:
        assert np.isnan(field[[0, 2]]).all()


def test_nothing_is_known_before_the_windows_are_full():
    rows = feed([BarRow(10.0, 12.0, 9.0, 11.0, 500.0)])
    assert rows.close[1] == 11.0
    assert math.isnan(rows.atr[1])
    assert math.isnan(rows.average_volume[1])


@pytest.mark.parametrize("bad", [math.nan, 0.0, -1.0, math.inf])
def test_the_last_good_close_stands_when_a_bar_has_none(bad):
    rows = feed([BarRow(10.0, 12.0, 9.0, 11.0, 500.0), BarRow(10.0, 12.0, 9.0, bad, 500.0)])
    assert rows.close[1] == 11.0
