"""Every feature: its formula, its window, and when it is unknown.

Rules for all of them:

- A value at a day's close depends on that day and the bars before it, on `Feature.window` of them at most, bit for bit.
- Windows count a symbol's own bars. On a day without a bar, or with fewer bars than the window, the value is NaN: unknown.
- Scale-free ones compare between symbols; those in dollars are for rules and people, not for models.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features import windows
from features.panel import Panel

FloatArray = npt.NDArray[np.float64]
SESSIONS_PER_YEAR = 252
_WILDER_ROWS = 10
"""Wilder's averages begin so many windows ago: what came before would count by less than exp(-10)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bars:
    """One symbol's bars without holes, each of shape (days,)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature.

    Attributes
    ----------
    name, version
        A changed formula gets a new version; a model names both.
    window
        Bars that a value needs, and the most that it depends on.
    formula
        For people; C, O, H, L, V are the bar's, [k] counts days back.
    scale_free
        Whether a model may use it: it doesn't depend on the price's or the company's size.
    of_bars
        Values of shape (days,) from one symbol's bars; None for those of the whole panel.
    of_panel
        Values of shape (days, symbols) from the panel; None for those of one symbol.
    """

    name: str
    window: int
    formula: str
    version: int = 1
    scale_free: bool = True
    of_bars: Callable[[Bars], FloatArray] | None = None
    of_panel: Callable[[Panel], FloatArray] | None = None


def lagged(values: FloatArray, days: int) -> FloatArray:
    """Values of ``days`` days ago."""
    result = np.full(values.shape, np.nan)
    if days < len(values):
        result[days:] = values[: len(values) - days]
    return result


def change(values: FloatArray, days: int) -> FloatArray:
    """Relative change over ``days`` days."""
    return values / lagged(values, days) - 1.0


def daily_log_returns(bars: Bars) -> FloatArray:
    """Logarithmic returns from close to close."""
    return np.log(bars.close / lagged(bars.close, 1))


def volatility(bars: Bars, window: int) -> FloatArray:
    """Annualise the standard deviation of daily log returns."""
    return windows.deviation(daily_log_returns(bars), window) * math.sqrt(SESSIONS_PER_YEAR)


def _ratio(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """Quotient, NaN where the divisor is 0."""
    result = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom != 0)
    return result


def _percent_r(bars: Bars, window: int) -> FloatArray:
    top, bottom = windows.highest(bars.high, window), -windows.highest(-bars.low, window)
    return -100.0 * _ratio(top - bars.close, top - bottom)


def _atr(bars: Bars, window: int) -> FloatArray:
    return windows.atr(bars.high, bars.low, bars.close, window, _WILDER_ROWS * window)


def _parkinson(bars: Bars, window: int) -> FloatArray:
    squares = np.log(bars.high / bars.low) ** 2
    return np.sqrt(windows.mean(squares, window) / (4.0 * math.log(2.0)) * SESSIONS_PER_YEAR)


def _weekday(panel: Panel) -> FloatArray:
    return _of_days(panel, [float(day.weekday()) for day in panel.days])


def _month_day(panel: Panel) -> FloatArray:
    return _of_days(panel, [float(day.day) for day in panel.days])


def _of_days(panel: Panel, values: list[float]) -> FloatArray:
    known = ~np.isnan(panel.close)
    return np.where(known, np.array(values)[:, None], np.nan)


def _per_symbol(panel: Panel, name: str) -> FloatArray:
    return compute_one(panel, FEATURES[name])


def _share(condition: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]) -> FloatArray:
    """Share of the known symbols of each day that meet a condition, for every one of them; NaN with fewer than two."""
    count = known.sum(axis=1)
    share = np.where(count >= 2, (condition & known).sum(axis=1) / np.maximum(count, 1), np.nan)
    return np.where(known, share[:, None], np.nan)


def _breadth_200(panel: Panel) -> FloatArray:
    average = _per_symbol(panel, "sma_200")
    return _share(panel.close > average, ~np.isnan(average))


def _advances(panel: Panel) -> FloatArray:
    returns = _per_symbol(panel, "ret_1")
    return _share(returns > 0.0, ~np.isnan(returns))


def _relative_20(panel: Panel) -> FloatArray:
    returns = _per_symbol(panel, "ret_20")
    known = ~np.isnan(returns)
    count = known.sum(axis=1)
    total = np.zeros(len(returns))
    for column in range(
        returns.shape[1]
    ):  # column by column, so that the sum doesn't depend on how it is blocked
        total += np.where(known[:, column], returns[:, column], 0.0)
    average = np.where(count >= 2, total / np.maximum(count, 1), np.nan)
    return returns - average[:, None]


_ALL = (
    Feature(name="ret_1", window=2, formula="C / C[1] - 1", of_bars=lambda b: change(b.close, 1)),
    Feature(name="ret_5", window=6, formula="C / C[5] - 1", of_bars=lambda b: change(b.close, 5)),
    Feature(name="ret_20", window=21, formula="C / C[20] - 1", of_bars=lambda b: change(b.close, 20)),
    Feature(name="ret_60", window=61, formula="C / C[60] - 1", of_bars=lambda b: change(b.close, 60)),
    Feature(
        name="mom_12_1",
        window=253,
        formula="C[21] / C[252] - 1 (Jegadeesh and Titman 1993: twelve months but the last)",
        of_bars=lambda b: lagged(b.close, 21) / lagged(b.close, 252) - 1.0,
    ),
    Feature(
        name="gap_1", window=2, formula="O / C[1] - 1", of_bars=lambda b: b.open / lagged(b.close, 1) - 1.0
    ),
    Feature(
        name="sma_200",
        window=200,
        formula="mean(C, 200), dollars",
        scale_free=False,
        of_bars=lambda b: windows.mean(b.close, 200),
    ),
    Feature(
        name="sma_200_gap",
        window=200,
        formula="C / mean(C, 200) - 1",
        of_bars=lambda b: b.close / windows.mean(b.close, 200) - 1.0,
    ),
    Feature(
        name="sma_50_gap",
        window=50,
        formula="C / mean(C, 50) - 1",
        of_bars=lambda b: b.close / windows.mean(b.close, 50) - 1.0,
    ),
    Feature(
        name="rsi_14",
        window=14 * _WILDER_ROWS,
        formula="Wilder's RSI over 14 changes, begun 140 closes ago",
        of_bars=lambda b: windows.rsi(b.close, 14, 14 * _WILDER_ROWS),
    ),
    Feature(
        name="williams_r_10",
        window=10,
        formula="-100 * (max(H, 10) - C) / (max(H, 10) - min(L, 10))",
        of_bars=lambda b: _percent_r(b, 10),
    ),
    Feature(
        name="high_252_gap",
        window=252,
        formula="C / max(H, 252) - 1",
        of_bars=lambda b: b.close / windows.highest(b.high, 252) - 1.0,
    ),
    Feature(
        name="atr_20",
        window=20 * _WILDER_ROWS,
        formula="Wilder's average true range over 20 bars, begun 200 bars ago, dollars",
        scale_free=False,
        of_bars=lambda b: _atr(b, 20),
    ),
    Feature(
        name="natr_20",
        window=20 * _WILDER_ROWS,
        formula="atr_20 / C",
        of_bars=lambda b: _atr(b, 20) / b.close,
    ),
    Feature(name="range_1", window=1, formula="(H - L) / C", of_bars=lambda b: (b.high - b.low) / b.close),
    Feature(
        name="vol_20",
        window=21,
        formula="deviation(log(C / C[1]), 20) * sqrt(252)",
        of_bars=lambda b: volatility(b, 20),
    ),
    Feature(
        name="vol_60",
        window=61,
        formula="deviation(log(C / C[1]), 60) * sqrt(252)",
        of_bars=lambda b: volatility(b, 60),
    ),
    Feature(
        name="parkinson_20",
        window=20,
        formula="sqrt(mean(log(H / L)^2, 20) / (4 log 2) * 252) (Parkinson 1980)",
        of_bars=lambda b: _parkinson(b, 20),
    ),
    Feature(
        name="vol_regime",
        window=21 + 251,
        formula="share of the last 251 values of vol_20 below today's, ties counting half",
        of_bars=lambda b: windows.rank(volatility(b, 20), 252),
    ),
    Feature(
        name="volume_ratio_20",
        window=20,
        formula="V / mean(V, 20)",
        of_bars=lambda b: _ratio(b.volume, windows.mean(b.volume, 20)),
    ),
    Feature(
        name="dollar_volume_20",
        window=20,
        formula="mean(C * V, 20), dollars",
        scale_free=False,
        of_bars=lambda b: windows.mean(b.close * b.volume, 20),
    ),
    Feature(
        name="amihud_20",
        window=21,
        formula="mean(|C / C[1] - 1| / (C * V / 1e6), 20) (Amihud 2002)",
        scale_free=False,
        of_bars=lambda b: windows.mean(_ratio(np.abs(change(b.close, 1)), b.close * b.volume / 1e6), 20),
    ),
    Feature(
        name="breadth_200",
        window=200,
        formula="share of the symbols with C > mean(C, 200); two symbols at least",
        of_panel=_breadth_200,
    ),
    Feature(
        name="advances_1",
        window=2,
        formula="share of the symbols with C > C[1]; two symbols at least",
        of_panel=_advances,
    ),
    Feature(
        name="relative_20",
        window=21,
        formula="ret_20 less its mean over the symbols; two symbols at least",
        of_panel=_relative_20,
    ),
    Feature(name="weekday", window=1, formula="0 Monday to 4 Friday", of_panel=_weekday),
    Feature(name="month_day", window=1, formula="day of the month, 1 to 31", of_panel=_month_day),
)
FEATURES: dict[str, Feature] = {feature.name: feature for feature in _ALL}
"""Every feature by name."""


def compute_one(panel: Panel, feature: Feature) -> FloatArray:
    """Values of one feature, shape (days, symbols)."""
    if feature.of_panel is not None:
        return feature.of_panel(panel)
    assert feature.of_bars is not None
    result = np.full(panel.close.shape, np.nan)
    for column in range(len(panel.symbols)):
        known = ~np.isnan(panel.close[:, column])
        bars = Bars(
            **{
                name: np.ascontiguousarray(getattr(panel, name)[known, column])
                for name in ("open", "high", "low", "close", "volume")
            }
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            result[known, column] = feature.of_bars(bars)
    return result


def compute(panel: Panel, names: tuple[str, ...] = tuple(FEATURES)) -> dict[str, FloatArray]:
    """Values of several features by name, each of shape (days, symbols).

    Raises
    ------
    KeyError
        For a name that is no feature.
    """
    return {name: compute_one(panel, FEATURES[name]) for name in names}
