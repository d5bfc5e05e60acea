"""Look-ahead and recursion: each planted offender is caught, and honest strategies are not."""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from backtester.guards.look_ahead import cut_points, look_ahead_in_decisions, look_ahead_in_signals, made_up
from backtester.guards.recursion import recursion_warnings, warmup_need
from backtester.guards.warnings import Severity
from backtester.market import Market
from backtester.result import BacktestResult
from backtester.run import run_backtest
from backtester.scan import scan_signals
from core.config_schema import Settings
from strategy.base import BarRow, ParameterSpec, Strategy, StrategyKind
from strategy.registry import STRATEGIES
from tests.backtester.cases import make_market
from tests.strategy.quick import SINGLE, quick

SYMBOLS = ("ABC", "XYZ")
HONEST = [name for name in SINGLE if name != "scheduled_rebalance"]


def walks(bars: int = 330, seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    closes = 50 * np.exp(np.cumsum(0.02 * random.standard_normal((bars, 2)), axis=0))
    opens = closes * np.exp(0.005 * random.standard_normal((bars, 2)))
    high, low = np.maximum(opens, closes) * 1.01, np.minimum(opens, closes) / 1.01
    table = np.stack([opens, high, low, closes, np.full((bars, 2), 1e7)], axis=2)
    table[40:45, 1] = np.nan
    return table


def frame(bars: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(bars[:, :, 3]).ffill()


def signals_of(weights: pd.DataFrame) -> np.ndarray:
    return weights.to_numpy(dtype=np.float64)[:, None, :]


def tomorrow(bars: np.ndarray) -> np.ndarray:
    closes = frame(bars)
    return signals_of((closes.shift(-1) > closes).astype(float))


def centred(bars: np.ndarray) -> np.ndarray:
    closes = frame(bars)
    return signals_of((closes > closes.rolling(11, center=True).mean()).astype(float))


def full_sample_score(bars: np.ndarray) -> np.ndarray:
    closes = frame(bars)
    return signals_of(((closes - closes.mean()) / closes.std()).clip(-1, 1))


def trailing(bars: np.ndarray) -> np.ndarray:
    closes = frame(bars)
    return signals_of((closes > closes.rolling(11).mean()).astype(float))


@pytest.mark.parametrize("offender", [tomorrow, centred, full_sample_score])
def test_a_signal_that_looks_ahead_is_caught(offender):
    (warning,) = look_ahead_in_signals(offender, walks(), ["mine"], SYMBOLS)
    assert (warning.severity, warning.subject) == (Severity.BIAS, "mine")
    assert "at bar" in warning.text


def test_an_honest_signal_is_not():
    assert look_ahead_in_signals(trailing, walks(), ["mine"], SYMBOLS) == []


@pytest.mark.parametrize("name", HONEST)
def test_our_own_strategies_do_not_look_ahead(name):
    strategy = quick(name)
    assert look_ahead_in_signals(partial(scan_signals, [strategy]), walks(), [name], SYMBOLS) == []


def test_a_schedule_is_told_as_what_it_is():
    strategy = STRATEGIES["scheduled_rebalance"].create({})
    (warning,) = look_ahead_in_signals(partial(scan_signals, [strategy]), walks(), ["s"], SYMBOLS)
    assert warning.severity is Severity.CAUTION
    assert "right for a schedule" in warning.text


class NoParameters(NamedTuple):
    unused: float


class Count(NamedTuple):
    bars: int


def python_strategy(step) -> Strategy:
    """A user's strategy in plain Python."""
    spec = ParameterSpec(name="unused", default=0.0, low=0.0, high=1.0, search=(0.0,), meaning="")
    return StrategyKind(
        name="users_own",
        summary="",
        specs=(spec,),
        parameters_type=NoParameters,
        new_state=lambda _parameters: Count(0),
        step=step,
        warmup_bars=lambda _parameters: 1,
    ).create({})


def test_a_users_strategy_that_remembers_an_earlier_pass_is_caught():
    seen: dict[int, float] = {}

    def step(_parameters: NoParameters, state: Count, bar: BarRow) -> tuple[Count, float]:
        known = seen.get(state.bars + 1)  # tomorrow's close, as soon as it was seen once
        seen[state.bars] = bar.close
        return Count(state.bars + 1), 0.0 if known is None else float(known > bar.close)

    signals = partial(scan_signals, [python_strategy(step)])
    signals(walks()[:, :1])  # the backtest itself was a pass
    (warning,) = look_ahead_in_signals(signals, walks()[:, :1], ["users_own"], SYMBOLS)
    assert warning.severity is Severity.BIAS
    assert "it remembers an earlier pass" in warning.text


def test_a_users_strategy_that_reads_the_future_from_elsewhere_is_told_of():
    closes = walks()[:, 0, 3]  # as if read from a file when the strategy was imported
    rises = np.append(np.diff(closes) > 0, False)

    def step(_parameters: NoParameters, state: Count, _bar: BarRow) -> tuple[Count, float]:
        return Count(state.bars + 1), float(rises[min(state.bars, len(rises) - 1)])

    (warning,) = look_ahead_in_signals(
        partial(scan_signals, [python_strategy(step)]), walks()[:, :1], ["users_own"], SYMBOLS
    )
    assert "the same on made-up prices" in warning.text


def test_decisions_that_know_how_the_bars_end_are_caught():
    market = make_market({"ABC": walks()[:, 0], "XYZ": walks(seed=5)[:, 0]})
    strategy = STRATEGIES["momentum"].create({"fast_window": 5, "slow_window": 20})
    settings = Settings()

    def honest(some: Market) -> BacktestResult:
        return run_backtest(settings, some, [strategy], [1.0], first_bar=30)

    def offender(some: Market) -> BacktestResult:
        result = honest(some)
        if some.bars[-1, 0, 3] > some.bars[len(some.bars) // 2, 0, 3]:
            return dataclasses.replace(
                result, fill_table=result.fill_table[:-1]
            )  # the last one was a bad idea
        return dataclasses.replace(result, fill_table=result.fill_table[1:])

    assert look_ahead_in_decisions(honest, market, first_bar=30) == []
    (warning,) = look_ahead_in_decisions(offender, market, first_bar=30)
    assert (warning.subject, warning.severity) == ("decisions", Severity.BIAS)


def test_the_cuts_lie_inside_and_near_the_end():
    assert cut_points(3) == []
    for bars in (10, 100, 5000):
        points = cut_points(bars)
        assert 0 < points[0] < points[-1] < bars
        assert bars - 1 in points


def test_made_up_bars_have_the_holes_of_the_real_ones_and_proper_prices():
    real = walks()
    other = made_up(real, seed=1)
    assert (np.isnan(other) == np.isnan(real)).all()
    first, high, low, close = np.nan_to_num(other[:, :, :4], nan=1.0).transpose(2, 0, 1)
    assert (low <= np.minimum(first, close)).all()
    assert (high >= np.maximum(first, close)).all()
    assert not np.allclose(other[:, :, 3], real[:, :, 3], equal_nan=True)


# --- recursion --------------------------------------------------------------------------------------------


def exponential(bars: np.ndarray, *, span: int) -> np.ndarray:
    closes = frame(bars)
    return signals_of((closes / closes.ewm(span=span, adjust=False).mean() - 1.0).clip(-1, 1))


def test_an_average_that_never_forgets_needs_more_than_it_says():
    need = warmup_need(partial(exponential, span=40), walks(2000)[:, :1], "ema", declared=40, given=100)
    assert need is not None
    assert need.needed is not None
    # The first bar's weight decays by (span - 1) / (span + 1) a bar.
    forgets = math.log(1e-6) / math.log(39 / 41)
    assert 0.4 * forgets < need.needed < 2 * forgets
    (warning,) = recursion_warnings([need])
    assert f"needs {need.needed} bars of warm-up and has 100" in warning.text


def test_a_window_needs_its_own_length_and_enough_warm_up_is_no_warning():
    need = warmup_need(trailing, walks(600)[:, :1], "sma", declared=11, given=100)
    assert need is not None
    assert need.needed == 11
    assert need.differing == 0
    assert recursion_warnings([need]) == []


def test_what_counts_the_bars_depends_on_where_they_begin():
    def counts(bars: np.ndarray) -> np.ndarray:
        weights = (np.arange(len(bars)) % 7 == 0).astype(float)
        return np.repeat(weights[:, None, None], bars.shape[1], axis=2)

    need = warmup_need(counts, walks(600), "counter", declared=1, given=100)
    assert need is not None
    assert need.needed is None
    assert "they depend on where the history begins" in recursion_warnings([need])[0].text


def test_too_few_bars_are_no_verdict():
    assert warmup_need(trailing, walks(60), "sma", declared=40, given=100) is None
