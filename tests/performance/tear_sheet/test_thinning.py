"""Fewer points, the same picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance.tear_sheet.report_data import Bars
from performance.tear_sheet.thinning import candles, thin

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300).map(np.array)


@given(values, st.integers(2, 50))
def test_no_extreme_is_lost_and_both_ends_stay(curve: np.ndarray, points: int):
    kept = thin(curve, points)
    assert kept[0] == 0
    assert kept[-1] == len(curve) - 1
    assert (np.diff(kept) > 0).all()
    assert curve[kept].max() == curve.max()
    assert curve[kept].min() == curve.min()
    assert len(kept) <= max(points, 2) + 2


def test_a_short_curve_stays_whole_and_holes_are_no_obstacle():
    assert thin(np.arange(10.0), 10).tolist() == list(range(10))
    holes = np.where(np.arange(100) % 7 == 0, np.nan, np.arange(100.0))
    assert np.nanmax(holes[thin(holes, 10)]) == 99.0


def bars(count: int) -> Bars:
    close = np.arange(1.0, count + 1.0)
    times = np.datetime64("2020-01-01") + np.arange(count)
    return Bars(times=times, open=close - 0.5, high=close + 1.0, low=close - 1.0, close=close)


def test_bars_put_together_by_hand():
    drawn = candles(bars(5), 3)
    assert drawn.per_candle == 2
    assert drawn.of_bar.tolist() == [0, 0, 1, 1, 2]
    assert drawn.bars.open.tolist() == [0.5, 2.5, 4.5]
    assert drawn.bars.high.tolist() == [3.0, 5.0, 6.0]
    assert drawn.bars.low.tolist() == [0.0, 2.0, 4.0]
    assert drawn.bars.close.tolist() == [2.0, 4.0, 5.0]
    assert [str(time) for time in drawn.bars.times] == ["2020-01-02", "2020-01-04", "2020-01-05"]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1_000])
def test_there_are_never_more_candles_than_asked_for(count: int):
    drawn = candles(bars(count), 100)
    assert len(drawn.bars.times) <= 100
    assert len(drawn.of_bar) == count
