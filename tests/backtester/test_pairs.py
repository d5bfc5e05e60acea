"""Pairs in the account: the compiled engine and the live decision cycle agree, and no leg is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from core.config_schema import Settings
from strategy.registry import create
from tests.backtester.cases import assert_same, make_market, run_both, walk

SPREAD = create(
    "pairs", {"window": 10, "entry_z": 1.0, "exit_z": 0.2, "stop_z": 2.5, "atr_window": 3}, (("AAA", "BBB"),)
)
TREND = create("momentum", {"fast_window": 2, "slow_window": 6})


def together(seed: int, bars: int, **shape) -> dict[str, np.ndarray]:
    """Two paths that move together, and a third."""
    first, third = walk(seed, bars, **shape), walk(seed + 1, bars, **shape)
    rng = np.random.default_rng(seed)
    second = first.copy()
    second[:, :4] = np.round(first[:, :4] * np.exp(rng.normal(0, 0.02, bars))[:, None], 2)
    second[rng.random(bars) < shape["holes"]] = np.nan
    second[0] = [*([second[1, 3] if second[1, 3] > 0 else 50.0] * 4), 1]
    return {"AAA": first, "CCC": third, "BBB": second}


@pytest.mark.parametrize("seed", range(12))
def test_every_fill_denial_and_value_is_that_of_the_live_decision(seed):
    rng = np.random.default_rng(seed)
    settings = Settings.model_validate(
        {
            "sizing": {"allow_short": bool(seed % 4), "stop_atr_multiple": float(rng.choice([0.8, 5.0])), "atr_window": 3},
            "caps": {
                "max_symbol_exposure": float(rng.choice([0.1, 1.0])),
                "max_participation": float(rng.choice([0.02, 1.0])),
                "max_positions": int(rng.choice([1, 2, 20])),
            },
            "backtest": {"fill_participation": float(rng.choice([0.001, 1.0]))},
        }
    )  # fmt: skip
    columns = together(seed, 120, decimals=2, holes=float(rng.choice([0.0, 0.1])), gaps=0.1, volume=5_000_000)
    market = make_market(columns)
    result, reference = run_both(settings, market, (SPREAD, TREND), (0.6, 0.4))
    assert_same(result, reference)


def test_without_shorts_neither_leg_is_entered():
    columns = together(1, 120, decimals=2, holes=0.0, gaps=0.0, volume=5_000_000)
    result, _reference = run_both(Settings(), make_market(columns), (SPREAD,), (1.0,))
    assert not result.fills()
    assert {"short_not_allowed", "pair_broken"} <= set(result.denials_by_reason())


def test_a_leg_whose_partner_was_stopped_is_closed_on_the_next_bar():
    settings = Settings.model_validate(
        {
            "sizing": {"allow_short": True, "stop_atr_multiple": 0.8, "atr_window": 3},
            "caps": {"max_symbol_exposure": 1.0},
        }
    )
    columns = together(2, 320, decimals=2, holes=0.0, gaps=0.0, volume=5_000_000)
    market = make_market(columns)
    result, reference = run_both(settings, market, (SPREAD,), (1.0,))
    assert_same(result, reference)
    assert len(result.fills()) > 20
    broken = [fill for fill in result.fills() if fill.reason == "pair_broken"]
    assert broken
    held = dict.fromkeys(("AAA", "BBB"), 0)
    alone = 0
    for end in result.end_ns.tolist():
        for fill in (one for one in result.fills() if one.bar_end_ns == end):
            held[fill.symbol] += fill.side.sign * fill.quantity
        alone = alone + 1 if (held["AAA"] == 0) != (held["BBB"] == 0) else 0
        assert alone <= 2  # the bar of the stop, and the one whose open closes the other leg
