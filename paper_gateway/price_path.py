"""A simulated path of five-second bars inside one real bar, through its open, high, low and close.

What is real: each source bar's open, high, low, close and volume. What is simulated: everything between them. The
high and the low are reached at random moments (more often near the ends of the session, as the arcsine law has it),
Brownian bridges join open, extremes and close, volume and volatility follow the U shape of a trading day. The path
depends on the seed, the symbol and the source bar alone: not on where a replay starts, not on other symbols.

Prices are whole ticks (``int64``), so that "exactly through" means equality.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP_S = 5

Ticks = NDArray[np.int64]
Floats = NDArray[np.float64]

_CLOSING_AUCTION = 0.05  # share of a day's volume in its closing auction
_OPENING_AUCTION = 0.01
_SPREAD = 2e-4  # quoted spread as a fraction of the price, never below one tick
_PARKINSON = 0.6  # 1 / sqrt(4 ln 2): standard deviation of a Brownian motion over its expected range


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBar:
    """A real bar in whole ticks; ``low <= open, close <= high``."""

    open: int
    high: int
    low: int
    close: int
    volume: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Path:
    """Five-second bars and the quote at the end of each; every array has the shape (steps,).

    Quotes may reach a spread beyond the source bar's high and low; ``low`` and ``high`` never do.
    """

    open: Ticks
    high: Ticks
    low: Ticks
    close: Ticks
    volume: Ticks
    bid: Ticks
    ask: Ticks
    bid_size: Ticks
    ask_size: Ticks

    def __len__(self) -> int:
        return len(self.close)


def generator(seed: int, symbol: str, end_ns: int) -> np.random.Generator:
    """Random numbers of one source bar: the same for the same arguments, whatever was drawn before."""
    entropy = [seed & 0xFFFF_FFFF_FFFF_FFFF, zlib.crc32(symbol.encode()), end_ns // 1_000_000_000]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def u_shape(steps: int) -> Floats:
    """Activity through a session, mean 1: high after the open, low at noon, high before the close."""
    position = np.linspace(-1.0, 1.0, steps)
    shape = 0.55 + 1.35 * position**2
    mean: float = shape.mean()
    return np.asarray(shape / mean)


def simulate(
    random: np.random.Generator, bar: SourceBar, activity: Floats, *, whole_session: bool = False
) -> Path:
    """Path of ``len(activity)`` steps inside ``bar``.

    Parameters
    ----------
    random
        From ``generator``.
    bar
        The real bar.
    activity
        Relative activity of each step, positive, shape (steps,).
    whole_session
        Whether the bar is a session, so that its volume includes the auctions.

    Returns
    -------
    Path
        First ``open``, last ``close``, maximal ``high``, minimal ``low`` and total ``volume`` equal the bar's.
    """
    steps = len(activity)
    high_at, low_at = _extremes(random, bar, steps)
    points = _bridges(random, bar, activity, high_at, low_at)
    opens, closes = points[:-1], points[1:]
    scale = _PARKINSON * (bar.high - bar.low) * np.sqrt(activity / activity.sum())
    reach = np.rint(np.abs(random.normal(size=(2, steps))) * (0.5 * scale)).astype(np.int64)
    bid, ask = _quotes(random, closes)
    highs = np.maximum(np.maximum(opens, closes) + reach[0], ask).clip(max=bar.high)
    lows = np.minimum(np.minimum(opens, closes) - reach[1], bid).clip(min=bar.low)
    highs[min(high_at, steps - 1)] = bar.high
    lows[min(low_at, steps - 1)] = bar.low
    volume = _volumes(random, bar.volume, activity, whole_session=whole_session)
    sizes = _sizes(random, bar.volume, steps)
    return Path(
        open=opens,
        high=highs,
        low=lows,
        close=closes,
        volume=volume,
        bid=bid,
        ask=ask,
        bid_size=sizes[0],
        ask_size=sizes[1],
    )


def flat(price: int, steps: int) -> Path:
    """Path of a time without any trade: the price stands still, and nothing is offered or wanted."""
    prices = np.full(steps, price, dtype=np.int64)
    nothing = np.zeros(steps, dtype=np.int64)
    return Path(
        open=prices,
        high=prices,
        low=prices,
        close=prices,
        volume=nothing,
        bid=np.maximum(prices - 1, 1),
        ask=prices + 1,
        bid_size=nothing,
        ask_size=nothing,
    )


def join(paths: list[Path]) -> Path:
    """Paths one after another as one."""
    if len(paths) == 1:
        return paths[0]
    names = ("open", "high", "low", "close", "volume", "bid", "ask", "bid_size", "ask_size")
    return Path(**{name: np.concatenate([getattr(path, name) for path in paths]) for name in names})


def _extremes(random: np.random.Generator, bar: SourceBar, steps: int) -> tuple[int, int]:
    # Points 0..steps at which the high and the low are reached. At the ends the points are the open and the close.
    draws = (np.sin(random.random(2) * (np.pi / 2)) ** 2 * steps).astype(np.int64).clip(1, max(steps - 1, 1))
    high_at, low_at = int(draws[0]), int(draws[1])
    if high_at == low_at and steps > 2:
        low_at = high_at + 1 if high_at < steps - 1 else high_at - 1
    high_at = 0 if bar.high == bar.open else steps if bar.high == bar.close else high_at
    low_at = 0 if bar.low == bar.open else steps if bar.low == bar.close else low_at
    return high_at, low_at


def _bridges(
    random: np.random.Generator, bar: SourceBar, activity: Floats, high_at: int, low_at: int
) -> Ticks:
    steps = len(activity)
    knots = {high_at: bar.high, low_at: bar.low} if high_at != low_at else {}
    knots[0] = bar.open
    knots[steps] = bar.close
    at = sorted(knots)
    values = [float(knots[place]) for place in at]
    width = bar.high - bar.low
    if width == 0:
        return np.full(steps + 1, bar.open, dtype=np.int64)
    clock = np.concatenate(([0.0], np.cumsum(activity / activity.sum())))
    walk = np.concatenate(([0.0], np.cumsum(random.normal(size=steps) * np.sqrt(np.diff(clock)))))
    wiggle = walk - np.interp(clock, clock[at], walk[at])
    path = np.interp(clock, clock[at], values) + _PARKINSON * width * wiggle
    # Fold what leaves the range back into it; a point inside the range stays where it is.
    folded = bar.low + width - np.abs((path - bar.low) % (2.0 * width) - width)
    points: Ticks = np.rint(folded).astype(np.int64)
    points[at] = [knots[place] for place in at]
    return points


def _quotes(random: np.random.Generator, closes: Ticks) -> tuple[Ticks, Ticks]:
    # The last trade was at the bid or at the ask, so one of them is the last price (or near it, in a wide spread).
    spread = np.maximum(np.rint(closes * _SPREAD).astype(np.int64), 1)
    below = (random.random(len(closes)) * (spread + 1)).astype(np.int64)
    bid = np.maximum(closes - below, 1)
    return bid, bid + spread


def _volumes(random: np.random.Generator, total: int, activity: Floats, *, whole_session: bool) -> Ticks:
    weights = activity * random.gamma(2.0, 0.5, len(activity))
    if whole_session:
        sum_of_weights = weights.sum()
        weights[0] += _OPENING_AUCTION * sum_of_weights
        weights[-1] += _CLOSING_AUCTION * sum_of_weights
    reached = np.cumsum(weights)
    reached /= reached[-1]
    # Differences of whole cumulated shares add up to the total exactly.
    shares = np.floor(reached * total + 1e-9).astype(np.int64)
    shares[-1] = total
    return np.diff(shares, prepend=0)


def _sizes(random: np.random.Generator, total: int, steps: int) -> Ticks:
    # Shown at the touch: about half of what trades in an average step, in round lots.
    mean = 0.5 * total / steps
    sizes = np.rint(random.gamma(2.0, 0.5, (2, steps)) * mean / 100.0).astype(np.int64) * 100
    return np.maximum(sizes, 100 if total else 0)
