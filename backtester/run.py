"""From configuration and bars to a result: the one way in for the command line, for research and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from backtester.columns import Columns
from backtester.corporate_actions import adjustment_factors
from backtester.cost_settings import carry_of, costs_of
from backtester.engine import Outcome, Rules, Start, simulate
from backtester.market import Market
from backtester.money import MICRO
from backtester.orders import OrderRules
from backtester.result import BacktestResult
from backtester.scan import scan_into, scan_rows
from backtester.tape import MarketScan, Tape, make_watch, news_of
from core.config_schema import Settings
from core.errors import ConfigError
from portfolio.decision_setup import decision_parameters
from portfolio.pairing import partner_columns
from strategy.base import Strategy

FloatArray = npt.NDArray[np.float64]
IntMatrix = npt.NDArray[np.int64]


def run_backtest(
    settings: Settings,
    market: Market,
    strategies: Sequence[Strategy],
    weights: Sequence[float],
    *,
    first_bar: int = 0,
) -> BacktestResult:
    """Trade strategies over a market as the live engine would.

    Parameters
    ----------
    settings
        Sizes, caps, limits of an order, and section ``backtest``.
    market
        Aligned bars.
    strategies
        At least one; their names differ.
    weights
        Share of the equity of each; together at most 1.
    first_bar
        First bar that is traded on. Those before it warm the strategies up.

    Raises
    ------
    ConfigError
        When the configuration asks for what isn't simulated, weights don't fit, or the account grows beyond what the
        engine's money holds.
    """
    names = tuple(strategy.name for strategy in strategies)
    check(settings, market, names, weights, first_bar)
    partners = partner_columns(strategies, market.symbols)
    bars = market.signal_bars()
    columns = Columns(bars)
    signals = np.empty((len(market.symbols), len(strategies), len(bars)))
    scan_into(strategies, bars, market.symbols, columns, signals)
    tape = tape_of(settings, market, signals, columns)
    return _trade(settings, market, names, tape, weights, first_bar, partners)


def trade_signals(
    settings: Settings,
    market: Market,
    names: Sequence[str],
    signals: FloatArray,
    weights: Sequence[float],
    *,
    first_bar: int = 0,
    partners: IntMatrix | None = None,
) -> BacktestResult:
    """Trade signals that were scanned before, such as those of parameters that change from window to window.

    Parameters
    ----------
    settings, market, weights, first_bar
        As for `run_backtest`.
    names
        Of the strategies, all different.
    signals
        Shape (bars, strategies, symbols): the weights after each bar, as `backtester.scan.scan_signals` finds them.
    partners
        From `portfolio.pairing.partner_columns`, when pairs are traded.

    Raises
    ------
    ConfigError
        As `run_backtest`.
    """
    check(settings, market, names, weights, first_bar)
    tape = tape_of(settings, market, np.ascontiguousarray(signals.transpose(2, 1, 0)))
    return _trade(settings, market, names, tape, weights, first_bar, partners)


def _trade(
    settings: Settings,
    market: Market,
    names: Sequence[str],
    tape: Tape,
    weights: Sequence[float],
    first_bar: int,
    partners: IntMatrix | None,
) -> BacktestResult:
    outcome = simulate(
        tape,
        rules_of(settings, market, names, weights, partners),
        Start(int(first_bar), len(market.end_ns), int(settings.backtest.cash * MICRO)),
        settings.sizing.volatility_window_sessions,
    )
    _check_done(outcome, market)
    return BacktestResult.of(
        outcome,
        market=market,
        strategies=tuple(names),
        first_bar=first_bar,
        cash=settings.backtest.cash,
    )


def tape_of(settings: Settings, market: Market, signals: FloatArray, columns: Columns | None = None) -> Tape:
    """Everything that an account is run over.

    Parameters
    ----------
    settings, market
        As for `run_backtest`.
    signals
        Shape (symbols, strategies, bars).
    columns
        Of the bars that strategies see; None to make them here.
    """
    events = market.events()
    columns = Columns(market.signal_bars()) if columns is None else columns
    scan = scan_rows(columns, settings.sizing.atr_window)
    if len(events.bar):
        # The decision sees the day's own prices; a symbol without a bar keeps its last close through a split.
        prices, volumes = adjustment_factors(events, market.bars)
        closes = market.bars[:, :, 3]
        scan = MarketScan(
            close=np.where(np.isnan(closes), scan.close / prices, closes),
            atr=scan.atr / prices,
            average_volume=scan.average_volume / volumes,
        )
    watch = make_watch(market.bars, scan, market.clock)
    news, is_steady = news_of(signals, watch)
    return Tape(market.bars, signals, news, is_steady, scan, watch, market.clock, events)


def rules_of(
    settings: Settings,
    market: Market,
    names: Sequence[str],
    weights: Sequence[float],
    partners: IntMatrix | None = None,
) -> Rules:
    """How an account trades, by the configuration and the strategies' names; ``partners`` when pairs are traded."""
    limits = settings.execution.pretrade
    trailing = np.array([settings.trails(name) for name in names], dtype=np.bool_)
    return Rules(
        decision=decision_parameters(settings.sizing, settings.caps, weights, partners),
        orders=OrderRules(
            stop_atr_multiple=float(settings.sizing.stop_atr_multiple),
            max_quantity=int(limits.max_order_quantity),
            max_notional=float(limits.max_order_notional),
            overnight=market.is_daily,
            limit_entries=settings.execution.method == "LMT",
            limit_offset_bps=float(settings.execution.limit_offset_bps),
            trailing=trailing,
        ),
        costs=costs_of(settings.backtest),
        carry=carry_of(settings.backtest),
        at_close=settings.backtest.fill_at == "close",
        day_orders=settings.backtest.time_in_force == "DAY",
        trails=bool(trailing.any()),
        # What one leg may have depends on the other, which the shortcut doesn't look at.
        passes_quiet_bars=partners is None or partners.size == 0,
    )


def check(
    settings: Settings,
    market: Market,
    names: Sequence[str],
    weights: Sequence[float],
    first_bar: int,
) -> None:
    """Refuse what can't be simulated; see `run_backtest`."""
    problems = []
    if not names or len(set(names)) != len(names):
        problems.append("a backtest needs one strategy or several of different names")
    if len(weights) != len(names) or not all(weight > 0 for weight in weights):
        problems.append("each strategy needs a weight above 0")
    elif sum(weights) > 1 + 1e-9:
        problems.append(f"the weights add up to {sum(weights):g}, which is more than 1")
    if settings.backtest.cash % (Decimal(1) / MICRO):
        problems.append(f"backtest.cash: {settings.backtest.cash} has more than six decimals")
    if not 0 <= first_bar < len(market.end_ns):
        problems.append("there is no bar to trade on: the start lies behind the last bar")
    if problems:
        raise ConfigError(problems)


def _check_done(outcome: Outcome, market: Market) -> None:
    if outcome.bars_done < len(market.end_ns):
        raise ConfigError(
            [f"after {outcome.bars_done} bars the account is beyond 9 billion dollars: begin with less cash"]
        )
