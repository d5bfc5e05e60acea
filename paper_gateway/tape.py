"""The tape: five-second bars of a symbol in a session, made from its recorded bars when first asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.bar_table import NS_PER_S
from data.exchange_calendar import Session
from paper_gateway import price_path
from paper_gateway.listing import Listing
from paper_gateway.price_path import STEP_S, Path, SourceBar
from paper_gateway.types import BarView

STEP_NS = STEP_S * NS_PER_S

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tape:
    """One symbol's path through one session; ``previous_close`` in ticks, 0 before its first bar."""

    listing: Listing
    session: Session
    path: Path
    previous_close: int

    def bars(self, size_s: int, steps: int | None = None, *, offset_s: int = 0) -> list[BarView]:
        """Bars of ``size_s`` seconds over the first ``steps`` steps (None: the whole session).

        ``offset_s`` is the session's opening time after a moment that bars are aligned to (local midnight), so that
        hourly bars end on the hour. The newest bar may be unfinished.
        """
        steps = len(self.path) if steps is None else steps
        if steps == 0:
            return []
        groups = (offset_s + STEP_S * np.arange(steps)) // size_s
        first = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
        path, tick = self.path, float(self.listing.tick)
        volume = path.volume[:steps]
        middle = (path.open + path.high + path.low + path.close)[:steps] * 0.25
        shares = np.add.reduceat(volume, first)
        turnover = np.add.reduceat(middle * volume, first)
        last = np.append(first[1:], steps) - 1
        closes = path.close[last]
        wap = np.where(shares > 0, turnover / np.maximum(shares, 1), closes)
        counts = np.maximum(shares // 150, (shares > 0).astype(np.int64))
        starts = self.session.open_ns + first * STEP_NS
        rows = zip(
            starts.tolist(),
            _dollars(path.open[first], tick),
            _dollars(np.maximum.reduceat(path.high[:steps], first), tick),
            _dollars(np.minimum.reduceat(path.low[:steps], first), tick),
            _dollars(closes, tick),
            shares.tolist(),
            np.round(wap * tick, 6).tolist(),
            counts.tolist(),
            strict=True,
        )
        return [
            BarView(
                symbol=self.listing.symbol,
                start_ns=start,
                open=o,
                high=h,
                low=low,
                close=c,
                volume=float(v),
                wap=w,
                count=n,
            )
            for start, o, h, low, c, v, w, n in rows
        ]


def _dollars(ticks: NDArray[np.int64], tick: float) -> list[float]:
    rounded: list[float] = np.round(ticks * tick, 4).tolist()
    return rounded


class TapeStore:
    """Makes tapes and keeps the newest of them.

    Parameters
    ----------
    listings
        What is listed, by symbol.
    seed
        Seed of every path.
    keep
        Tapes kept; one takes about 350 KB.
    """

    def __init__(self, listings: Mapping[str, Listing], *, seed: int, keep: int = 256) -> None:
        self._listings = listings
        self._seed = seed
        self._keep = keep
        self._tapes: OrderedDict[tuple[str, int], Tape | None] = OrderedDict()

    def tape(self, symbol: str, session: Session) -> Tape | None:
        """Tape of one symbol in one session; None when nothing is recorded of it. A miss takes a millisecond."""
        key = (symbol, session.open_ns)
        if key in self._tapes:
            self._tapes.move_to_end(key)
            return self._tapes[key]
        tape = self._make(self._listings[symbol], session)
        self._tapes[key] = tape
        if len(self._tapes) > self._keep:
            self._tapes.popitem(last=False)
        return tape

    def _make(self, listing: Listing, session: Session) -> Tape | None:
        rows = listing.table.rows_between(session.open_ns, session.close_ns)
        if rows.start == rows.stop:
            return None
        previous = int(listing.close[rows.start - 1]) if rows.start else 0
        if listing.table.is_daily:
            path = self._whole_session(listing, session, rows.start)
        else:
            path = self._from_intraday(listing, session, rows, previous)
        return Tape(listing=listing, session=session, path=path, previous_close=previous)

    def _whole_session(self, listing: Listing, session: Session, row: int) -> Path:
        end_ns = int(listing.table.end_ns[row])
        random = price_path.generator(self._seed, listing.symbol, end_ns)
        activity = price_path.u_shape(session.duration_s // STEP_S)
        return price_path.simulate(random, listing.source_bar(row), activity, whole_session=True)

    def _from_intraday(self, listing: Listing, session: Session, rows: slice, previous: int) -> Path:
        """Join the paths of each recorded bar; a time without one stands still, and nothing trades in it."""
        steps = session.duration_s // STEP_S
        parts: list[Path] = []
        done = 0
        price = previous or int(listing.open[rows.start])
        for first, after, bar, row in self._step_bars(listing, session, rows):
            if first > done:
                parts.append(price_path.flat(price, first - done))
            random = price_path.generator(self._seed, listing.symbol, int(listing.table.end_ns[row]))
            parts.append(price_path.simulate(random, bar, np.ones(after - first)))
            done = after
            price = bar.close
        if done < steps:
            parts.append(price_path.flat(price, steps - done))
        return price_path.join(parts)

    @staticmethod
    def _step_bars(listing: Listing, session: Session, rows: slice) -> list[tuple[int, int, SourceBar, int]]:
        """Return recorded bars with their first step, the one after their last, and their row.

        Bars shorter than a step are merged into it.
        """
        size_ns = listing.table.size_s * NS_PER_S
        merged: list[tuple[int, int, SourceBar, int]] = []
        previous_ns = session.open_ns
        for row in range(rows.start, rows.stop):
            end_ns = int(listing.table.end_ns[row])
            start_ns = max(end_ns - size_ns, previous_ns)
            first = (start_ns - session.open_ns) // STEP_NS
            after = -(-(end_ns - session.open_ns) // STEP_NS)
            bar = listing.source_bar(row)
            if merged and merged[-1][0] == first:
                bar = _merge(merged.pop()[2], bar)
            merged.append((first, after, bar, row))
            previous_ns = end_ns
        return merged


def _merge(earlier: SourceBar, later: SourceBar) -> SourceBar:
    return SourceBar(
        open=earlier.open,
        high=max(earlier.high, later.high),
        low=min(earlier.low, later.low),
        close=later.close,
        volume=earlier.volume + later.volume,
    )
