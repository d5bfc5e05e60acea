"""Other bars made of a market's own: blocks of sessions in another order, the same for all symbols.

Each bar is kept as its steps from the close before it (open, high, low, close over that close) and its volume; the steps of the sessions
that are drawn are put together again from the first close on. All symbols draw the same sessions, so that what moves together
goes on doing so; inside a block, memory is kept. The bars before ``first`` stay as they were, for the warm-up.

Raw prices are drawn without the steps of splits and dividends, and the account books none: what a dividend has paid is in the steps.

A session is replaced by one with as many bars (a half day by a half day). Where a symbol had no bar, its place has none.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from backtester.market import Market
from backtester.validation.bootstrap import Draw, block_rule, draw_indices

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_CENT = 0.01


class Resampler:
    """Makes markets of one market's sessions from bar ``first`` on.

    Parameters
    ----------
    market
        Aligned bars.
    first
        First bar that is drawn anew; the first bar of a session, and not the market's first one.
    draw
        ``stationary`` or ``circular``, block and seed; ``paths`` and ``horizon`` are not used.

    Raises
    ------
    ValueError
        When there is no bar before ``first``.
    """

    def __init__(self, market: Market, first: int, draw: Draw) -> None:
        if first < 1:
            raise ValueError("resampled prices go on from a close: there must be a bar before the first one")
        if market.actions:
            market = replace(market, bars=market.signal_bars(), actions=())
        self._market, self._first, self._draw = market, first, draw
        self._steps, self._anchors = _steps_of(market.bars, first)
        self._groups = _sessions_by_length(market.clock.session[first:])

    def market(self, path: int) -> Market:
        """Return the market of one path; the same for the same number."""
        rows = self._rows(path)
        bars = self._market.bars.copy()
        steps = self._steps[rows]
        closes = self._anchors * np.cumprod(np.where(np.isnan(steps[:, :, 3]), 1.0, steps[:, :, 3]), axis=0)
        before = np.vstack([self._anchors[None, :], closes[:-1]])
        prices = before[:, :, None] * steps[:, :, :4]
        bars[self._first :, :, :4] = np.maximum(np.round(prices, 4), _CENT)
        bars[self._first :, :, 4] = steps[:, :, 4]
        bars[self._first :][np.isnan(steps[:, :, 3])] = np.nan
        name = f"{self._market.sha256} {self._draw} path {path} from {self._first}"
        return replace(self._market, bars=bars, sha256=hashlib.sha256(name.encode()).hexdigest())

    def _rows(self, path: int) -> IntArray:
        """Bars that are taken, counted from ``first``."""
        seed = np.uint64(self._draw.seed & 0xFFFFFFFFFFFFFFFF)
        renew, block = block_rule(self._draw)
        total = int(sum(len(begins) * length for length, begins in self._groups.items()))
        rows = np.empty(total, dtype=np.int64)
        for length, begins in self._groups.items():
            chosen = np.empty(len(begins), dtype=np.int64)
            # Sessions of another length draw from a stream of their own.
            draw_indices(len(begins), seed ^ np.uint64(length << 32), path, renew, block, chosen)
            taken = begins[chosen]
            for place in range(length):
                rows[begins + place] = taken + place
        return rows


def last_closes(market: Market, first: int) -> FloatArray:
    """Last close of each session from bar ``first`` on, as strategies see it: shape (sessions, symbols), NaN without a bar."""
    closes = market.signal_bars()[first:, :, 3]
    starts = np.flatnonzero(np.diff(market.clock.session[first:], prepend=-1))
    rows = np.where(np.isnan(closes), -1, np.arange(len(closes))[:, None])
    last = np.maximum.reduceat(rows, starts, axis=0)
    found: FloatArray = np.where(last < 0, np.nan, np.take_along_axis(closes, np.maximum(last, 0), axis=0))
    return found


def _sessions_by_length(session: IntArray) -> dict[int, IntArray]:
    """First bars of the sessions of each length, in order."""
    begins = np.flatnonzero(np.diff(session, prepend=session[0] - 1))
    lengths = np.diff(np.append(begins, len(session)))
    return {int(length): begins[lengths == length] for length in np.unique(lengths)}


def _steps_of(bars: FloatArray, first: int) -> tuple[FloatArray, FloatArray]:
    """Bars from ``first`` on as ratios to the last close, and the last closes before them (the first one, if there is none)."""
    known = bars[:, :, 3].copy()
    for symbol in range(known.shape[1]):
        there = np.flatnonzero(~np.isnan(known[:, symbol]))
        if len(there):
            place = np.searchsorted(there, np.arange(len(known)), side="right") - 1
            known[:, symbol] = known[there[np.maximum(place, 0)], symbol]
    before = known[first - 1 : -1]
    steps = bars[first:].copy()
    steps[:, :, :4] /= before[:, :, None]
    return steps, np.where(np.isnan(known[first - 1]), 1.0, known[first - 1])
