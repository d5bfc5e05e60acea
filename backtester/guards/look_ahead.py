"""Look-ahead: signals and decisions must not change when the future is taken away.

The idea is freqtrade's look-ahead analysis. A bar's signal must be the same whether the bars after it exist, are others, or
don't exist. Three experiments, each exact (bit for bit):

1. *Truncate*: signals over the bars up to a cut against the first signals over all bars.
2. *Repeat*: signals over made-up bars, which nobody has seen before, twice. A strategy that remembers an earlier pass
   knows the future of the second one. On the real bars this would not show: the backtest was a pass too.
3. *Replace*: signals over the made-up bars against those over the real ones. A signal that moves, but doesn't move with
   the bars, comes from elsewhere: from a schedule, which is right, or from a file that the strategy reads by itself,
   which taking bars away would never show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from backtester.guards.warnings import BiasWarning, Guard, Severity
from backtester.market import Market
from backtester.result import BacktestResult, iso

FloatArray = npt.NDArray[np.float64]
Signals = Callable[[FloatArray], FloatArray]
"""Signals of bars: shape (bars, symbols, 5) to (bars, strategies, symbols), NaN while warming up."""

CUTS: Final = 8
_SMALLEST: Final = 5


def cut_points(bars: int, cuts: int = CUTS) -> list[int]:
    """Numbers of bars that are kept: spread over the history, some of them close to its end."""
    if bars <= _SMALLEST:
        return []
    spread = np.linspace(bars * 0.2, bars - 1, cuts).astype(int).tolist()
    return sorted({max(cut, _SMALLEST) for cut in (*spread, bars - 2)} - {bars})


def look_ahead_in_signals(
    signals: Signals, bars: FloatArray, names: Sequence[str], symbols: Sequence[str], *, seed: int = 1
) -> list[BiasWarning]:
    """Run the three experiments on a function from bars to signals.

    Parameters
    ----------
    signals
        Makes the signals; it begins from nothing at every call.
    bars
        Shape (bars, symbols, 5).
    names, symbols
        Of the strategies and columns, for the messages.
    """
    whole = signals(bars)
    found: dict[str, BiasWarning] = {}
    for cut in cut_points(len(bars)):
        before = signals(bars[:cut].copy())
        for place, (bar, symbol) in _first_differences(before, whole[:cut]).items():
            text = (
                f"the signal of {symbols[symbol]} at bar {bar} is {_number(whole[bar, place, symbol])} with the bars after "
                f"{cut - 1}, and {_number(before[bar, place, symbol])} without them"
            )
            found.setdefault(names[place], _bias(names[place], text))
    other = made_up(bars, seed)
    first = signals(other)
    for place, (bar, _symbol) in _first_differences(signals(other), first).items():
        text = f"made-up bars give another signal at bar {bar} when they are seen again: it remembers an earlier pass"
        found.setdefault(names[place], _bias(names[place], text))
    for place in _deaf(whole, first):
        text = (
            "the signals are the same on made-up prices, so they come from somewhere else than the bars: right for a "
            "schedule, wrong for anything that claims to read prices"
        )
        found.setdefault(names[place], _bias(names[place], text, Severity.CAUTION))
    return list(found.values())


def look_ahead_in_decisions(
    trade: Callable[[Market], BacktestResult], market: Market, *, first_bar: int = 0, cuts: int = 3
) -> list[BiasWarning]:
    """Compare fills and denials of the whole market with those of markets that end earlier.

    Parameters
    ----------
    trade
        Runs the backtest over a market.
    market
        The whole one.
    first_bar
        First bar that is traded on.
    """
    whole = trade(market)
    for cut in (first_bar + one for one in cut_points(len(market.end_ns) - first_bar, cuts)):
        until = int(market.end_ns[cut - 1])
        before = trade(market.head(cut))
        for what, ours, theirs in (
            ("fill", before.fills(), whole.fills()),
            ("denial", before.denials(), whole.denials()),
        ):
            known = [one for one in theirs if one.bar_end_ns <= until]
            if ours != known:
                number = next(
                    (
                        place
                        for place, pair in enumerate(zip(ours, known, strict=False))
                        if pair[0] != pair[1]
                    ),
                    min(len(ours), len(known)),
                )
                odd = (known or ours)[min(number, len(known or ours) - 1)]
                text = f"the {what} of {odd.symbol} at {iso(odd.bar_end_ns)} is another one when the bars end at {iso(until)}"
                return [_bias("decisions", text)]
    return []


def made_up(bars: FloatArray, seed: int) -> FloatArray:
    """Random walks in place of the prices, of the same shape, volatility and missing bars; volumes are shuffled."""
    random = np.random.default_rng(seed)
    result = bars.copy()
    for column in range(bars.shape[1]):
        present = ~np.isnan(bars[:, column, 3])
        real = bars[present, column]
        if len(real) < 2:
            continue
        steps = np.diff(np.log(real[:, 3]))
        deviation = max(float(steps.std()), 1e-4)
        walk = real[0, 3] * np.exp(np.cumsum(deviation * random.standard_normal(len(real))))
        shape = real[:, :4] / real[:, 3:4]
        order = random.permutation(len(real))
        result[present, column, :4] = shape[order] * walk[:, None]
        result[present, column, 4] = real[order, 4]
    return result


def _first_differences(ours: FloatArray, theirs: FloatArray) -> dict[int, tuple[int, int]]:
    """First bar and symbol in which each strategy's signals differ, by the strategy's place."""
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    found = {}
    for place in range(ours.shape[1]):
        odd = np.argwhere(~same[:, place, :])
        if len(odd):
            found[place] = (int(odd[0, 0]), int(odd[0, 1]))
    return found


def _deaf(real: FloatArray, other: FloatArray) -> list[int]:
    """Places of the strategies whose signals differ from symbol to symbol or with time, but not with the prices."""
    deaf = []
    for place in range(real.shape[1]):
        ours, theirs = real[:, place, :], other[:, place, :]
        known = ours[~np.isnan(ours)]
        moves = len(np.unique(known)) > 1
        if moves and np.array_equal(ours, theirs, equal_nan=True):
            deaf.append(place)
    return deaf


def _bias(subject: str, text: str, severity: Severity = Severity.BIAS) -> BiasWarning:
    return BiasWarning(guard=Guard.LOOK_AHEAD, severity=severity, subject=subject, text=text)


def _number(value: float) -> str:
    return "not there yet" if np.isnan(value) else f"{value:g}"
