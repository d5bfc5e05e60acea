"""Every strategy with windows so short that a few hundred bars show all it does."""

from __future__ import annotations

from collections.abc import Mapping

from strategy.base import Number, Strategy
from strategy.registry import STRATEGIES, create

SHORT_WINDOWS: dict[str, Mapping[str, Number]] = {
    "buy_and_hold": {},
    "donchian": {"channel_window": 8, "atr_window": 5, "stop_atr_multiple": 1.5},
    "mean_reversion": {"window": 5, "oversold": 35.0, "overbought": 65.0},
    "momentum": {"fast_window": 5, "slow_window": 20},
    "scheduled_rebalance": {"weight": 0.5, "every_bars": 7},
    "time_series_momentum": {"lookback": 15, "volatility_window": 10},
    "williams_r": {"range_window": 4, "trend_window": 20, "atr_window": 5, "stop_atr_multiple": 3.0},
}


def quick(name: str) -> Strategy:
    """Strategy ``name`` with short windows."""
    return create(name, SHORT_WINDOWS[name])


SINGLE = tuple(sorted(name for name, kind in STRATEGIES.items() if not kind.trades_pairs))
"""Strategies that trade each symbol by itself; those of pairs have tests of their own."""


def all_quick() -> tuple[Strategy, ...]:
    """All of `SINGLE`; a KeyError names one that has no short windows yet."""
    return tuple(quick(name) for name in SINGLE)
