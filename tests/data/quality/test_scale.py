"""The local scale of price moves, held to the rolling median of pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.quality.scale import local_scale


@pytest.mark.parametrize(("bars", "holes", "seed"), [(11, 0, 1), (64, 5, 2), (700, 60, 3), (5000, 0, 4)])
def test_it_is_the_centred_rolling_median_of_the_moves(bars, holes, seed):
    chance = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.01, bars)))
    closes[chance.choice(bars, holes, replace=False)] = np.nan
    moves = pd.Series(np.abs(np.diff(np.log(closes))))
    wanted = 1.4826 * moves.rolling(63, center=True, min_periods=10).median().to_numpy()
    scale = local_scale(closes)
    assert np.array_equal(scale[1:], wanted, equal_nan=True)
    assert np.array_equal(scale[0], scale[1], equal_nan=True)


def test_too_few_moves_have_no_scale():
    assert np.isinf(local_scale(np.full(10, 100.0))).all()
