"""Bars of any size as daily bars: features are daily, whatever bars are traded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtester.market import Market

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DailyTable:
    """One symbol's daily bars, columns of shape (sessions,); ``end_ns`` is the session's close."""

    end_ns: npt.NDArray[np.int64]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray


def daily_tables(market: Market) -> dict[str, DailyTable]:
    """Put each session's bars of a symbol together; a session without any is left out.

    The last session counts only if the market's last bar ends it, for it isn't a day before that.
    """
    closes = np.array([session.close_ns for session in market.sessions], dtype=np.int64)
    bars, session = market.signal_bars(), market.clock.session
    whole = len(closes) if int(market.end_ns[-1]) == int(closes[session[-1]]) else int(session[-1])
    result = {}
    for column, symbol in enumerate(market.symbols):
        known = ~np.isnan(bars[:, column, 3]) & (session < whole)
        rows, day = bars[known, column], session[known]
        firsts = np.flatnonzero(np.diff(day, prepend=-1))
        lasts = np.append(firsts[1:], len(day)) - 1
        if not len(firsts):
            continue
        result[symbol] = DailyTable(
            end_ns=closes[day[firsts]],
            open=rows[firsts, 0],
            high=np.maximum.reduceat(rows[:, 1], firsts),
            low=np.minimum.reduceat(rows[:, 2], firsts),
            close=rows[lasts, 3],
            volume=np.add.reduceat(rows[:, 4], firsts),
        )
    return result
