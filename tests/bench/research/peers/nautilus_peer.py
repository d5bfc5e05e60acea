"""nautilus_trader: the Williams %R system, and its own example of an EMA cross, bar by bar through its event engine."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from measure import measure
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.examples.strategies.ema_cross import EMACross, EMACrossConfig
from nautilus_trader.indicators import AverageTrueRange, MovingAverageType, SimpleMovingAverage, Stochastics
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, TraderId, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

CASH = 1_000_000


class WilliamsConfig(StrategyConfig, frozen=True):
    """What `Williams` trades."""

    instrument_id: InstrumentId
    bar_type: BarType


class Williams(Strategy):
    """Enter on a pullback in an upward trend; the stop trails the close by ten average true ranges."""

    def __init__(self, config: WilliamsConfig) -> None:
        super().__init__(config)
        self.trend = SimpleMovingAverage(200)
        self.range = Stochastics(10, 1)
        self.atr = AverageTrueRange(14, MovingAverageType.WILDER)
        self.guard: Any = None

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(self.config.instrument_id)
        for indicator in (self.trend, self.range, self.atr):
            self.register_indicator_for_bars(self.config.bar_type, indicator)
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar: Bar) -> None:
        if not self.indicators_initialized():
            return
        close = bar.close.as_double()
        percent_r = self.range.value_k - 100.0
        level = close - 10.0 * self.atr.value
        name = self.config.instrument_id
        if self.portfolio.is_flat(name):
            if percent_r < -80.0 and close > self.trend.value:
                self._enter(close)
        elif percent_r > -20.0 and close < self.trend.value:
            self.cancel_all_orders(name)
            self.close_all_positions(name)
        elif self.guard is not None and self.guard.is_open and level > self.guard.trigger_price.as_double():
            self.modify_order(self.guard, trigger_price=self.instrument.make_price(level))

    def _enter(self, close: float) -> None:
        self.cancel_all_orders(self.config.instrument_id)
        equity = self.portfolio.account(self.config.instrument_id.venue).balance_total(USD).as_double()
        shares = int(min(0.02 * equity / (10.0 * self.atr.value), 0.95 * equity / close))
        quantity = self.instrument.make_qty(shares)
        self.submit_order(self.order_factory.market(self.config.instrument_id, OrderSide.BUY, quantity))
        self.guard = self.order_factory.stop_market(
            self.config.instrument_id,
            OrderSide.SELL,
            quantity,
            self.instrument.make_price(close - 10.0 * self.atr.value),
            reduce_only=True,
        )
        self.submit_order(self.guard)


@lru_cache
def _bars(folder: Path) -> tuple[Equity, BarType, list[Bar]]:
    bars = np.load(folder / "five_minute.npy")[:, 0]
    index = pd.date_range("1990-01-01", periods=len(bars), freq="5min", tz="UTC")
    frame = pd.DataFrame(bars, columns=["open", "high", "low", "close", "volume"], index=index)
    instrument = TestInstrumentProvider.equity()
    bar_type = BarType.from_str(f"{instrument.id}-5-MINUTE-LAST-EXTERNAL")
    return instrument, bar_type, BarDataWrangler(bar_type, instrument).process(frame)


def _run(folder: Path, strategy: Any) -> dict[str, Any]:
    began = perf_counter()
    instrument, bar_type, bars = _bars(folder)
    engine = BacktestEngine(
        BacktestEngineConfig(
            trader_id=TraderId("BENCH-001"), logging=LoggingConfig(bypass_logging=True), run_analysis=False
        )
    )
    engine.add_venue(
        Venue(str(instrument.id.venue)),
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(CASH, USD)],
        base_currency=USD,
    )
    engine.add_instrument(instrument)
    engine.add_data(bars)
    engine.add_strategy(strategy(instrument.id, bar_type))
    loading_s = perf_counter() - began
    engine.run()
    account = engine.portfolio.account(instrument.id.venue)
    figures = {
        "loading_s": loading_s,
        "bars": len(bars),
        "total_return": account.balance_total(USD).as_double() / CASH - 1.0,
        "fills": sum(order.filled_qty.as_double() > 0 for order in engine.cache.orders()),
    }
    engine.dispose()
    return figures


def single_5min(folder: Path) -> dict[str, Any]:
    return _run(folder, lambda name, kind: Williams(WilliamsConfig(instrument_id=name, bar_type=kind)))


def event_path(folder: Path) -> dict[str, Any]:
    return _run(
        folder,
        lambda name, kind: EMACross(
            EMACrossConfig(
                instrument_id=name,
                bar_type=kind,
                trade_size=Decimal(100),
                fast_ema_period=20,
                slow_ema_period=100,
                subscribe_trade_ticks=False,
                request_bars=False,
            )
        ),
    )


if __name__ == "__main__":
    measure({"single_5min": single_5min, "event_path": event_path})
