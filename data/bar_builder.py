"""Builds bars of the configured size from the feed's five-second bars, one symbol at a time."""

from __future__ import annotations

from core.events import Bar, RealtimeBar
from data.bar_grid import BarGrid, Window
from data.bar_quality import SpikeFilter, defect_of
from data.sessions import Session


class BarBuilder:
    """Bars of one symbol.

    A bar is closed by the five-second bar that ends with it, at once; by the first one of a later window, when the
    feed had a hole; or by :meth:`close_through`, when other symbols show that its time is over. It is
    ``complete`` only when every five seconds of it arrived and could be believed.

    Parameters
    ----------
    symbol
        The symbol.
    grid
        Where bars begin and end.
    """

    def __init__(self, symbol: str, grid: BarGrid) -> None:
        self.symbol = symbol
        self.refused = 0
        """Five-second bars that were impossible, or spikes."""
        self.out_of_order = 0
        """Repeated or late five-second bars, which change nothing any more."""
        self._grid = grid
        self._spikes = SpikeFilter()
        self._window: Window | None = None
        self._session: Session | None = None
        self._parts: list[RealtimeBar] = []
        self._last_end_ns = 0

    def add(self, bar: RealtimeBar) -> tuple[Bar, ...]:
        """Take a five-second bar; return the bars that it closed, oldest first (mostly none, at most two)."""
        if bar.end_ns <= self._last_end_ns:
            self.out_of_order += 1
            return ()
        window = self._grid.window_of(bar.end_ns)
        if window is None:  # outside the session
            return ()
        closed = self._begin(window)
        self._last_end_ns = bar.end_ns
        if defect_of(bar) is None and self._spikes.accepts(bar):
            self._parts.append(bar)
        else:
            self.refused += 1
        if bar.end_ns == window.end_ns:
            closed += self._close()
        return closed

    def close_through(self, end_ns: int) -> tuple[Bar, ...]:
        """Close the open bar if its window ended at or before ``end_ns``: its last part won't come in time."""
        if self._window is None or self._window.end_ns > end_ns:
            return ()
        self._last_end_ns = max(self._last_end_ns, self._window.end_ns)
        return self._close()

    def _begin(self, window: Window) -> tuple[Bar, ...]:
        before = self._window
        if before == window:
            return ()
        closed = () if before is None else self._close()
        if self._session != window.session:
            self._session = window.session
            self._spikes.new_session()
        self._window = window
        return closed

    def _close(self) -> tuple[Bar, ...]:
        window, parts = self._window, self._parts
        self._window, self._parts = None, []
        if window is None or not parts:
            return ()
        return (
            Bar(
                symbol=self.symbol,
                end_ns=window.end_ns,
                open=parts[0].open,
                high=max(part.high for part in parts),
                low=min(part.low for part in parts),
                close=parts[-1].close,
                volume=sum(part.volume for part in parts),
                complete=len(parts) == window.feed_bars,
            ),
        )
