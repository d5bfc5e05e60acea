"""The cost model of a configuration. Apart from the kernels of the costs, which know no configuration."""

from __future__ import annotations

from backtester.carry import Carry
from backtester.costs import FIXED, NO_COMMISSION, TIERED, Costs
from core.config_schema import BacktestSettings

_SCHEDULES = {"none": NO_COMMISSION, "fixed": FIXED, "tiered": TIERED}


def costs_of(settings: BacktestSettings) -> Costs:
    """Cost model of a configuration. Basis points are taken to the nearest hundredth."""
    return Costs(
        schedule=_SCHEDULES[settings.commission],
        half_spread=round(settings.half_spread_bps * 100),
        slippage=round(settings.slippage_bps * 100),
        impact=round(settings.impact_bps * 100),
        participation=max(round(settings.fill_participation * 1_000_000), 1),
    )


def carry_of(settings: BacktestSettings) -> Carry:
    """Rates of interest and borrow fees. They are taken to the nearest millionth."""
    return Carry(
        cash=round(settings.cash_interest_annual * 1_000_000),
        margin=round(settings.margin_interest_annual * 1_000_000),
        borrow=round(settings.borrow_fee_annual * 1_000_000),
    )
