"""How far features of the past have moved from what came before them: what limits on drift have to be held against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backtester.market import Market
from ml.drift.measures import FloatArray, kolmogorov_smirnov, population_stability
from ml.entries import feature_table
from ml.reference import POINTS

FIRST_TRAINING_SESSIONS = 1_500
_SHARES = (0.5, 0.75, 0.9, 0.95, 1.0)


def past_drift(
    market: Market, features: Sequence[str], window_sessions: int
) -> tuple[FloatArray, FloatArray]:
    """Measure window after window (each begins half a window later) against all sessions before it.

    Returns
    -------
    stability, distance
        Median over the features in each window, shape (windows,).
    """
    values = feature_table(market, tuple(features)).values
    values = values[:, :, ~np.isnan(values[:FIRST_TRAINING_SESSIONS]).all(axis=(0, 1))]
    count, grid = values.shape[2], np.linspace(0.0, 1.0, POINTS)
    found = []
    step = max(window_sessions // 2, 1)
    for end in range(FIRST_TRAINING_SESSIONS, len(values) - window_sessions + 1, step):
        before = np.nanquantile(values[:end].reshape(-1, count), grid, axis=0, method="inverted_cdf")
        window = values[end : end + window_sessions].reshape(-1, count)
        measures = [
            (
                population_stability(before[:, place], window[:, place]),
                kolmogorov_smirnov(before[:, place], window[:, place]),
            )
            for place in range(count)
        ]
        found.append(np.median(measures, axis=0))
    result = np.array(found, dtype=np.float64).reshape(-1, 2)
    return result[:, 0], result[:, 1]


def history_lines(market: Market, features: Sequence[str], window_sessions: int) -> list[str]:
    """Describe `past_drift` for a terminal."""
    stability, distance = past_drift(market, features, window_sessions)
    if not len(stability):
        return [f"fewer than {FIRST_TRAINING_SESSIONS + window_sessions} sessions: no window to look at"]
    heads = "".join(f"{f'{share:.0%}':>8}" for share in _SHARES)
    lines = [
        f"{len(stability)} windows of {window_sessions} sessions, {len(market.symbols)} symbols; share of the windows at or below",
        f"{'':<24}{heads}",
    ]
    for name, values in (("stability index", stability), ("distribution distance", distance)):
        quantiles = np.quantile(values, _SHARES)
        lines.append(f"{name:<24}" + "".join(f"{value:>8.2f}" for value in quantiles))
    return lines
