"""Writes the bars of the replayed market to files: ``python -m paper_gateway.bars --out bars``.

A paper run and a backtest see the same prices only if both take them from the same simulated paths. This writes the bars
that a client of the gateway would get as history, one CSV file a symbol, for ``run_backtest.py --data FOLDER``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from core.atomic_file import write_atomic
from core.errors import BackstopError
from data.bar_table import NS_PER_S
from data.csv_bars import load_folder
from data.exchange_calendar import Session
from data.packaged import load_packaged, packaged_calendar
from paper_gateway.history import HistoryRefused
from paper_gateway.market import Market
from paper_gateway.types import BarView

_USAGE = 2


def write_bars(market: Market, sessions: Sequence[Session], *, size_s: int, folder: Path) -> int:
    """Write the bars of some sessions, stamped with their ends; return how many there are.

    Raises
    ------
    ValueError
        When there is no session, or bars of this size aren't to be had.
    """
    if not sessions:
        raise ValueError("there are no prices in these sessions")
    folder.mkdir(parents=True, exist_ok=True)
    market.set_time(sessions[-1].close_ns + 1)
    written = 0
    for symbol in market.symbols:
        lines = ["end,open,high,low,close,volume"]
        for session, bar, following_ns in _bars(market, symbol, sessions, size_s):
            end_ns = min(following_ns, session.close_ns)
            moment = datetime.fromtimestamp(end_ns // NS_PER_S, UTC)
            numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            lines.append(f"{moment:%Y-%m-%dT%H:%M:%S}Z,{','.join(map(repr, numbers))}")
        write_atomic(folder / f"{symbol}.csv", ("\n".join(lines) + "\n").encode())
        written += len(lines) - 1
    return written


def _bars(
    market: Market, symbol: str, sessions: Sequence[Session], size_s: int
) -> Iterator[tuple[Session, BarView, int]]:
    """Session, bar, and when the next bar begins."""
    for session in sessions:
        bars = market.history(symbol, duration="1 D", bar_size_s=size_s, end_ns=session.close_ns)
        bars = [bar for bar in bars if bar.start_ns >= session.open_ns]
        starts = [bar.start_ns for bar in bars[1:]]
        yield from zip([session] * len(bars), bars, [*starts, session.close_ns], strict=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m paper_gateway.bars", description=__doc__.split("\n", 1)[0]
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the files go")
    add("--bar-size", type=int, default=300, metavar="S", help="seconds in a bar (%(default)s)")
    add("--symbols", nargs="+", metavar="SYMBOL", help="as the gateway's")
    add("--data", type=Path, metavar="FOLDER", help="as the gateway's")
    add("--seed", type=int, default=1, help="as the gateway's (%(default)s)")
    add("--start", type=date.fromisoformat, required=True, metavar="DATE", help="first session, YYYY-MM-DD")
    add("--end", type=date.fromisoformat, required=True, metavar="DATE", help="last session")
    given = parser.parse_args(arguments)
    try:
        if given.data is None:
            tables, calendar = load_packaged(given.symbols), packaged_calendar()
        else:
            folder = load_folder(given.data, given.symbols)
            tables, calendar = folder.tables, folder.calendar
        market = Market(tables, calendar, seed=given.seed)
        sessions = [one for one in calendar.sessions(given.start, given.end) if market.trades_on(one)]
        written = write_bars(market, sessions, size_s=given.bar_size, folder=given.out)
    except (BackstopError, HistoryRefused, ValueError, OSError) as problem:
        sys.stderr.write(f"paper_gateway.bars: {problem}\n")
        return _USAGE
    sys.stdout.write(f"{written} bars of {len(sessions)} sessions in {given.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
