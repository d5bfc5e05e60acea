"""Shocks: markets made worse. They change prices, volumes and costs, before signals and fills see them, never the answer.

=============== ===================================================================================================
``gap:-0.2``    Every price from the open of the day on is multiplied by 1 - 0.2.
``volatility:3`` Over ``SPAN`` sessions, every price's step from the last close is 3 times as large (in logarithms, about the mean
                 step, so that the drift stays); later prices go on from where that led.
``correlation:1`` Over ``SPAN`` sessions, every symbol's daily step becomes a mixture of its own and the common one (the mean of the
                 standardised steps of all symbols), with its own mean and deviation; at 1 all move together.
``liquidity:0.1`` Volume times 0.1 over ``SPAN`` sessions: less fills, and more impact.
``costs:5``     Half the spread, slippage and impact times 5, over the whole run, whatever the day.
``halt:5``      No bars for 5 sessions; then the prices of that day.
``limit_down:3`` For 3 sessions every symbol stands at a price 10% below the last one, without volume: nothing can be sold.
=============== ===================================================================================================

A shock without a day takes that of the first shock with one in the same scenario; if there is none, the session at which the
run without shocks was invested most, where it hurts.

On raw prices, the steps are those without splits and dividends, which happen on their days as before; dividends stay the same in
dollars.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from backtester.corporate_actions import adjustment_factors
from backtester.market import Market
from backtester.validation.windows import session_starts
from core.config_schema import Settings
from core.errors import ConfigError

FloatArray = npt.NDArray[np.float64]
SPAN = 21
"""Sessions that a shock of volatility, correlation or liquidity lasts."""
LIMIT = 0.1
"""Fall of a limit-down session."""
MOST_BPS = {"half_spread_bps": 200.0, "slippage_bps": 200.0, "impact_bps": 1000.0}

KINDS: dict[str, tuple[float, float, str]] = {
    "gap": (-0.95, 5.0, "fraction, such as -0.2"),
    "volatility": (0.1, 20.0, "factor, such as 3"),
    "correlation": (0.0, 1.0, "share of the common step, such as 1"),
    "liquidity": (0.001, 100.0, "factor of the volume, such as 0.1"),
    "costs": (0.0, 100.0, "factor, such as 5"),
    "halt": (1.0, 60.0, "sessions, such as 5"),
    "limit_down": (1.0, 20.0, "sessions, such as 3"),
}
"""Smallest and largest size of each kind, and what it is."""
_WHOLE = frozenset({"halt", "limit_down"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shock:
    """One shock; ``day`` is its first session, None for the one that the run was invested most in."""

    kind: str
    size: float
    day: date | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.size:g}" + (f"@{self.day}" if self.day is not None else "")

    @property
    def sessions(self) -> int:
        """How long it lasts."""
        if self.kind in {"gap", "costs"}:
            return 1
        return int(self.size) if self.kind in _WHOLE else SPAN


def read_shock(text: str) -> Shock:
    """Read ``KIND:SIZE[@DATE]``.

    Raises
    ------
    ConfigError
        With what is wrong: kind, size and its range, date.
    """
    kind, colon, rest = text.strip().partition(":")
    size_text, at, day_text = rest.partition("@")
    if kind not in KINDS or not colon:
        raise ConfigError([f"--shock {text}: write KIND:SIZE[@DATE]; kinds are {', '.join(KINDS)}"])
    low, high, meaning = KINDS[kind]
    try:
        size = float(size_text)
    except ValueError:
        size = math.nan
    if not low <= size <= high or (kind in _WHOLE and size != int(size)):
        whole = "a whole number, " if kind in _WHOLE else ""
        raise ConfigError([f"--shock {text}: the size must be {whole}{low:g} to {high:g} ({meaning})"])
    day = None
    if at:
        try:
            day = date.fromisoformat(day_text)
        except ValueError:
            raise ConfigError([f"--shock {text}: the day must be written as 2008-09-15"]) from None
    return Shock(kind=kind, size=size, day=day)


def apply_shock(market: Market, settings: Settings, shock: Shock, session: int) -> tuple[Market, Settings]:
    """Market and configuration under a shock that begins with a session.

    Parameters
    ----------
    market, settings
        Without it; they are not changed.
    shock
        The shock; its day is not looked at.
    session
        Number of its first session, from the market's first one.
    """
    if shock.kind == "costs":
        costs = {
            name: min(getattr(settings.backtest, name) * shock.size, most) for name, most in MOST_BPS.items()
        }
        return market, settings.model_copy(update={"backtest": settings.backtest.model_copy(update=costs)})
    starts = session_starts(market)
    first = int(starts[session])
    end = int(starts[min(session + shock.sessions, len(starts) - 1)])
    bars = _CHANGES[shock.kind](market.signal_bars(), first, end, shock.size)
    if market.actions:
        prices, volumes = adjustment_factors(market.events(), market.bars)
        bars = np.concatenate(
            [bars[:, :, :4] / prices[:, :, None], np.rint(bars[:, :, 4] / volumes)[:, :, None]], axis=2
        )
        bars[:first] = market.bars[:first]
    name = f"{market.sha256} {shock} {session}"
    return replace(market, bars=bars, sha256=hashlib.sha256(name.encode()).hexdigest()), settings


def _gap(bars: FloatArray, first: int, end: int, size: float) -> FloatArray:  # noqa: ARG001 (one signature for all)
    changed = bars.copy()
    changed[first:, :, :4] *= 1.0 + size
    return changed


def _volatility(bars: FloatArray, first: int, end: int, size: float) -> FloatArray:
    steps, closes = _steps(bars, first, end)
    with np.errstate(invalid="ignore"):
        mean = _mean(steps[:, :, 3], 0)
    return _rebuilt(bars, first, end, mean[None, :, None] + size * (steps - mean[None, :, None]), closes)


def _correlation(bars: FloatArray, first: int, end: int, size: float) -> FloatArray:
    steps, closes = _steps(bars, first, end)
    own = steps[:, :, 3]
    mean, spread = _mean(own, 0), _deviation(own)
    standard = (own - mean) / spread
    common = _mean(standard, 1)
    common = (common - common.mean()) / max(float(common.std()), 1e-12)
    mixed = (1.0 - size) * standard + size * common[:, None]
    mixed = (mixed - _mean(mixed, 0)) / _deviation(mixed)
    moved = mean + spread * np.where(np.isnan(own), np.nan, mixed) - own
    return _rebuilt(bars, first, end, steps + moved[:, :, None], closes)


def _liquidity(bars: FloatArray, first: int, end: int, size: float) -> FloatArray:
    changed = bars.copy()
    changed[first:end, :, 4] = np.floor(changed[first:end, :, 4] * size)
    return changed


def _halt(bars: FloatArray, first: int, end: int, size: float) -> FloatArray:  # noqa: ARG001
    changed = bars.copy()
    changed[first:end] = np.nan
    return changed


def _limit_down(bars: FloatArray, first: int, end: int, size: float) -> FloatArray:
    changed = bars.copy()
    known = _last_closes(bars, first)
    # One price a session; a bar of an intraday market falls with its session.
    per_session = max((end - first) // max(int(size), 1), 1)
    for bar in range(first, end):
        level = known * (1.0 - LIMIT) ** (min((bar - first) // per_session, int(size) - 1) + 1)
        there = ~np.isnan(bars[bar, :, 3])
        changed[bar, there, :4] = level[there, None]
        changed[bar, there, 4] = 0.0
    # What follows goes on from the last limit by its own steps.
    last = _last_closes(bars, end)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = known * (1.0 - LIMIT) ** int(size) / last
    changed[end:, :, :4] *= np.where(np.isfinite(factor), factor, 1.0)[None, :, None]
    return changed


_CHANGES: dict[str, Callable[[FloatArray, int, int, float], FloatArray]] = {
    "gap": _gap,
    "volatility": _volatility,
    "correlation": _correlation,
    "liquidity": _liquidity,
    "halt": _halt,
    "limit_down": _limit_down,
}


def _last_closes(bars: FloatArray, end: int) -> FloatArray:
    """Last close of each symbol before bar ``end``; NaN without one."""
    found = np.full(bars.shape[1], np.nan)
    for symbol in range(bars.shape[1]):
        there = np.flatnonzero(~np.isnan(bars[:end, symbol, 3]))
        if len(there):
            found[symbol] = bars[there[-1], symbol, 3]
    return found


def _steps(bars: FloatArray, first: int, end: int) -> tuple[FloatArray, FloatArray]:
    """Logarithms of open, high, low and close over the last close, shape (bars, symbols, 4), and the closes before ``first``."""
    begin = _last_closes(bars, first)
    begin = np.where(np.isnan(begin), bars[first, :, 0], begin)
    closes = np.vstack([begin, bars[first:end, :, 3]])
    for row in range(1, len(closes)):
        closes[row] = np.where(np.isnan(closes[row]), closes[row - 1], closes[row])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(bars[first:end, :, :4] / closes[:-1, :, None]), begin


def _rebuilt(bars: FloatArray, first: int, end: int, steps: FloatArray, begin: FloatArray) -> FloatArray:
    """Bars with other steps from ``first`` to ``end``; the later ones keep theirs."""
    changed = bars.copy()
    growth = np.cumsum(np.where(np.isnan(steps[:, :, 3]), 0.0, steps[:, :, 3]), axis=0)
    before = np.vstack([np.zeros(bars.shape[1]), growth[:-1]])
    prices = begin[None, :, None] * np.exp(before[:, :, None] + steps)
    changed[first:end, :, :4] = np.maximum(np.round(prices, 4), 0.01)
    changed[first:end][np.isnan(steps[:, :, 3])] = np.nan
    last = _last_closes(bars, end)
    factor = begin * np.exp(growth[-1]) / last
    changed[end:, :, :4] *= np.where(np.isfinite(factor), factor, 1.0)[None, :, None]
    return changed


def _mean(values: FloatArray, axis: int) -> FloatArray:
    """Mean of what is known; 0 of nothing."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=axis) / np.maximum(known.sum(axis=axis), 1))


def _deviation(values: FloatArray) -> FloatArray:
    """Find the standard deviation of each column's known values; 1 where there is none."""
    spread = np.sqrt(_mean((values - _mean(values, 0)) ** 2, 0))
    return np.where(spread > 0.0, spread, 1.0)
