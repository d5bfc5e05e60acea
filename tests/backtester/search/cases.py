"""A small market and a small search, for tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backtester.market import Market
from backtester.search.space import Axis, Space
from backtester.search.work import Work
from backtester.strategy_files import StrategySource
from core.config_schema import Settings
from strategy.registry import create
from tests.backtester.cases import make_market, walk

SPACE = Space(
    axes=(
        Axis(key="momentum.fast_window", values=(2, 3, 5, 8, 20), strategy=0),
        Axis(key="momentum.slow_window", values=(6, 10, 15, 30), strategy=0),
        Axis(key="sizing.risk_per_trade", values=(0.005, 0.01), strategy=None),
    )
)
CONFLICTS = sum(
    float(fast) >= float(slow) for fast in SPACE.axes[0].values for slow in SPACE.axes[1].values
) * len(SPACE.axes[2].values)


def small_market() -> Market:
    return make_market(
        {
            name: walk(seed, 200, decimals=2, holes=0.0, gaps=0.1, volume=5_000_000)
            for seed, name in ((1, "AAA"), (2, "BBB"))
        }
    )


def small_work(*, keep_returns: bool = True) -> Work:
    return Work(
        settings=Settings(),
        market=small_market(),
        first_bar=0,
        origins=(StrategySource(name="momentum"),),
        base=(create("momentum", {}).parameters._asdict(),),
        weights=(1.0,),
        space=SPACE,
        keep_returns=keep_returns,
    )


def counter() -> tuple[list[int], Callable[[int], None]]:
    seen: list[int] = []
    return seen, seen.append


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)
