"""The compiled account against the slow one in Decimal: every fill, denial and value, to the last micro-dollar."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st

from backtester.market import align
from backtester.run import run_backtest
from core.config_schema import Settings
from data.packaged import load_packaged, packaged_calendar
from strategy.registry import create
from tests.backtester.cases import assert_same, make_market, run_both, walk
from tests.backtester.reference import Reference


@st.composite
def worlds(draw):
    pick = st.sampled_from
    settings = Settings.model_validate(
        {
            "sizing": {
                "risk_per_trade": draw(pick([0.002, 0.01, 0.05])),
                "stop_atr_multiple": draw(pick([0.3, 1.0, 2.0])),
                "stop_kind": draw(pick(["fixed", "trailing"])),
                "atr_window": draw(pick([2, 5])),
                "allow_short": draw(st.booleans()),
                "drawdown_levels": draw(pick([(0.05, 0.10, 0.15), (0.005, 0.01, 0.03)])),
                "volatility_window_sessions": draw(pick([5, 20])),
                "target_volatility_annual": draw(pick([0.05, 0.3])),
            },
            "strategies": [{"name": "mean_reversion", "stop_kind": draw(pick([None, "fixed", "trailing"]))}],
            "caps": {
                "max_gross_exposure": draw(pick([0.3, 1.5])),
                "max_symbol_exposure": draw(pick([0.1, 0.25, 1.0])),
                "max_positions": draw(pick([1, 20])),
                "max_participation": draw(pick([0.02, 1.0])),
                "monthly_fill_budget": draw(pick([3, 600])),
                "account_type": draw(pick(["margin", "cash"])),
                "settlement_days": draw(pick([0, 1, 2, 3])),
            },
            "execution": {
                "method": draw(pick(["MKT", "LMT"])),
                "limit_offset_bps": draw(pick([0.0, 5.0, 120.0])),
                "pretrade": {
                    "max_order_quantity": draw(pick([300, 50_000])),
                    "max_order_notional": draw(pick([50_000, 10_000_000])),
                },
            },
            "backtest": {
                "cash": draw(pick([20_000, 1_000_000])),
                "commission": draw(pick(["tiered", "fixed", "none"])),
                "half_spread_bps": draw(pick([0.0, 1.0, 2.5])),
                "slippage_bps": draw(pick([0.0, 0.5, 3.0])),
                "impact_bps": draw(pick([0.0, 10.0, 37.0])),
                "fill_participation": draw(pick([0.001, 0.01, 0.1, 0.29, 1.0])),
                "fill_at": draw(pick(["open", "close"])),
                "time_in_force": draw(pick(["DAY", "GTC"])),
                "cash_interest_annual": draw(pick([0.0, 0.031])),
                "margin_interest_annual": draw(pick([0.0, 0.0683])),
                "borrow_fee_annual": draw(pick([0.0, 0.25])),
            },
        }
    )
    bars, size_s = draw(pick([(40, 86_400), (90, 86_400), (120, 3_600), (150, 1_800)]))
    seed = draw(st.integers(0, 2**32 - 1))
    columns = {
        symbol: walk(
            seed + number,
            bars,
            decimals=draw(pick([2, 4])),
            holes=draw(pick([0.0, 0.1])),
            gaps=draw(pick([0.0, 0.3])),
            volume=draw(pick([3_000, 200_000, 5_000_000])),
        )
        for number, symbol in enumerate(["AAA", "BBB", "CCC"][: draw(st.integers(1, 3))])
    }
    strategies = (
        create("momentum", {"fast_window": 2, "slow_window": draw(pick([3, 6]))}),
        create("mean_reversion", {"window": draw(pick([2, 4])), "oversold": 40, "overbought": 60}),
    )
    count = draw(st.integers(1, 2))
    weights = ((1.0,), (0.5, 0.5))[count - 1]
    market = make_market(columns, size_s=size_s, settlement_days=settings.caps.settlement_days)
    return settings, market, strategies[:count], weights, draw(pick([0, 7]))


@options(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=worlds())
def test_every_fill_denial_and_value_is_the_same_to_the_last_digit(world):
    assert_same(*run_both(*world))


@pytest.mark.parametrize(
    ("commission", "stop_kind"), [("tiered", "fixed"), ("fixed", "fixed"), ("tiered", "trailing")]
)
def test_real_prices_give_the_same_account_as_the_reference(commission, stop_kind):
    settings = Settings.model_validate(
        {"backtest": {"commission": commission}, "sizing": {"stop_kind": stop_kind}}
    )
    market = align(load_packaged(["AAPL", "IBM", "MSFT"]), packaged_calendar(), settlement_days=1, first=2600)
    strategies = (create("momentum", {}), create("mean_reversion", {}))
    result = run_backtest(settings, market, strategies, (0.5, 0.5))
    reference = Reference(
        settings=settings,
        strategies=strategies,
        weights=(0.5, 0.5),
        symbols=market.symbols,
        end_ns=market.end_ns,
        bars=market.bars,
        calendar=packaged_calendar(),
        daily=True,
    ).run()
    assert len(reference.fills) > 20
    assert_same(result, reference)
