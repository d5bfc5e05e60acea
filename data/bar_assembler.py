"""Puts the bars of all symbols that end at one time into one row, in order, without waiting for ever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from core.events import Bar

_MISSES_UNTIL_SILENT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRow:
    """The bars of one bar end. ``missing`` symbols had none in time; ``rows_missed`` before it nobody had any."""

    end_ns: int
    bars: Mapping[str, Bar]
    missing: tuple[str, ...] = ()
    rows_missed: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every symbol has a bar without a hole."""
        return not self.missing and all(bar.complete for bar in self.bars.values())


@dataclass(slots=True)
class _OpenRow:
    first_arrival_ns: int
    bars: dict[str, Bar] = field(default_factory=dict)


class BarAssembler:
    """Rows in strictly rising order of their end.

    A row leaves when every expected symbol has arrived, or a later row has (the feed is past it), or its grace is
    over. A bar that comes after its row is late and counted, never put into a later row. A symbol that was missing
    from three rows in a row is silent: rows no longer wait for it until it speaks again, be it too late for its row.

    Parameters
    ----------
    symbols
        Every symbol of the universe.
    grace_s
        Wall-clock patience after the first bar of a row.
    """

    def __init__(self, symbols: Iterable[str], grace_s: float) -> None:
        self._symbols = tuple(sorted(set(symbols)))
        self._grace_ns = round(grace_s * 1e9)
        self._open: dict[int, _OpenRow] = {}
        self._misses = dict.fromkeys(self._symbols, 0)
        self.last_end_ns = 0
        self.late = 0
        """Bars that came after their row had left."""

    @property
    def silent(self) -> tuple[str, ...]:
        """Symbols that rows don't wait for."""
        return tuple(s for s in self._symbols if self._misses[s] >= _MISSES_UNTIL_SILENT)

    def add(self, bar: Bar, monotonic_ns: int) -> tuple[MarketRow, ...]:
        """Take a bar; return the rows that it finished, oldest first."""
        if bar.symbol not in self._misses:
            self.late += 1
            return ()
        if bar.end_ns <= self.last_end_ns:
            # A silent symbol whose bars come behind the others' would be late for every row: the next one waits for it.
            self._misses[bar.symbol] = 0
            self.late += 1
            return ()
        row = self._open.setdefault(bar.end_ns, _OpenRow(monotonic_ns))
        row.bars.setdefault(bar.symbol, bar)
        if not self._is_full(row):
            return ()
        return self._leave(through_ns=bar.end_ns)

    def due(self, monotonic_ns: int) -> int | None:
        """End of the newest row whose grace is over; None when none is."""
        if not self._open:
            return None
        expired = [
            end_ns
            for end_ns, row in self._open.items()
            if monotonic_ns - row.first_arrival_ns >= self._grace_ns
        ]
        return max(expired, default=None)

    def start_after(self, end_ns: int) -> None:
        """Begin after a row that came from history: bars up to its end are late."""
        self.last_end_ns = max(self.last_end_ns, end_ns)

    def release(self, through_ns: int) -> tuple[MarketRow, ...]:
        """Let every row up to this end leave as it is."""
        return self._leave(through_ns=through_ns)

    def _is_full(self, row: _OpenRow) -> bool:
        return all(s in row.bars for s in self._symbols if self._misses[s] < _MISSES_UNTIL_SILENT)

    def _leave(self, *, through_ns: int) -> tuple[MarketRow, ...]:
        rows = []
        for end_ns in sorted(end for end in self._open if end <= through_ns):
            bars = self._open.pop(end_ns).bars
            missing = tuple(symbol for symbol in self._symbols if symbol not in bars)
            for symbol in self._symbols:
                self._misses[symbol] = 0 if symbol in bars else self._misses[symbol] + 1
            rows.append(
                MarketRow(
                    end_ns=end_ns, bars={s: bars[s] for s in self._symbols if s in bars}, missing=missing
                )
            )
            self.last_end_ns = end_ns
        return tuple(rows)
