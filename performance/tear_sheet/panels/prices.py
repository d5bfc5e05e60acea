"""Bars with fills, a figure a symbol: where it was bought, sold and stopped out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from performance.tear_sheet.figure import Figure, label, times_of
from performance.tear_sheet.page import Choice
from performance.tear_sheet.report_data import Bars, Fills
from performance.tear_sheet.thinning import Candles, candles

MOST_CANDLES = 4_000
CANDLES_OF_ALL = 60_000
MOST_FILLS = 2_000
SYMBOLS_SHOWN = 40
_FEW = 300
"""Up to so many fills, their marks are large."""

_BUY, _SELL, _STOP = "buy", "sell", "stop"
_MARKS = {
    _BUY: ("triangle-up", "@gain"),
    _SELL: ("triangle-down", "@second"),
    _STOP: ("x", "@loss"),
}


def price_choice(bars: Mapping[str, Bars], fills: Fills | None) -> Choice | None:
    """Candles of each symbol with its fills, by a selector, the most traded first; None without bars.

    At most `SYMBOLS_SHOWN` symbols; long histories are put together into fewer candles, and the note says so.
    """
    if not bars:
        return None
    counts = dict.fromkeys(bars, 0)
    if fills is not None:
        names, numbers = np.unique(fills.symbols, return_counts=True)
        counts.update(
            {name: n for name, n in zip(names.tolist(), numbers.tolist(), strict=True) if name in counts}
        )
    shown = sorted(bars, key=lambda symbol: counts[symbol], reverse=True)[:SYMBOLS_SHOWN]
    most = max(min(MOST_CANDLES, CANDLES_OF_ALL // len(shown)), 200)
    figures = {}
    for symbol in shown:
        mine = None if fills is None else fills.of(fills.symbols == symbol)
        name = f"{symbol} ({counts[symbol]:,} fills)" if fills is not None else symbol
        figures[name] = price_figure(symbol, bars[symbol], mine, most=most)
    title = "Bars and fills"
    if len(shown) < len(bars):
        title += f" of the {len(shown)} most traded of {len(bars)} symbols"
    return Choice(title=title, label="symbol", figures=figures)


def price_figure(symbol: str, bars: Bars, fills: Fills | None, *, most: int = MOST_CANDLES) -> Figure:
    """Candles of one symbol with its fills; ``most`` bounds the candles."""
    drawn = candles(bars, most)
    times = times_of(drawn.bars.times)
    notes = ["Times are UTC."] if " " in times[0] else []
    if drawn.per_candle > 1:
        notes.append(f"{len(bars.times):,} bars, {drawn.per_candle} to a candle.")
    traces: list[dict[str, object]] = [
        {
            "type": "candlestick",
            "x": times,
            # Half precision of a double is exact to a hundredth of a cent below $1,000 and halves the page.
            **{
                name: getattr(drawn.bars, name).astype(np.float32)
                for name in ("open", "high", "low", "close")
            },
            "name": label(symbol),
            "increasing": {"line": {"color": "@muted", "width": 1}, "fillcolor": "@card"},
            "decreasing": {"line": {"color": "@muted", "width": 1}, "fillcolor": "@muted"},
            "showlegend": False,
        }
    ]
    if fills is not None and len(fills.times):
        last = np.zeros(len(fills.times), dtype=bool)
        last[-MOST_FILLS:] = True
        traces += _marks(fills.of(last), bars, drawn, times)
        if len(fills.times) > MOST_FILLS:
            notes.append(f"The last {MOST_FILLS:,} of {len(fills.times):,} fills are marked.")
    notes.append("Drag to look closer, double-click to see all again.")
    return Figure(
        title=symbol,
        traces=traces,
        layout={
            "xaxis": {"type": "category", "nticks": 8, "rangeslider": {"visible": False}, "tickangle": 0},
            "yaxis": {"tickformat": "$,.4~r"},
            "hovermode": "closest",
        },
        note=" ".join(notes),
        height=460,
    )


def _marks(fills: Fills, bars: Bars, drawn: Candles, times: list[str]) -> list[dict[str, object]]:
    places = np.minimum(np.searchsorted(bars.times, fills.times), len(bars.times) - 1)
    candle = drawn.of_bar[places]
    kinds: npt.NDArray[np.str_] = np.where(
        fills.purposes == _STOP, _STOP, np.where(fills.quantities > 0.0, _BUY, _SELL)
    )
    exact = times_of(fills.times)
    large = len(exact) <= _FEW
    traces: list[dict[str, object]] = []
    for kind, (symbol, colour) in _MARKS.items():
        chosen = np.flatnonzero(kinds == kind)
        if not len(chosen):
            continue
        words = [
            f"{exact[one]}: {label(str(fills.strategies[one]))} {fills.quantities[one]:+,g} at ${fills.prices[one]:,.4f}, "
            f"{label(str(fills.purposes[one]))}"
            for one in chosen.tolist()
        ]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [times[one] for one in candle[chosen].tolist()],
                "y": fills.prices[chosen].astype(np.float32),
                "text": words,
                "hovertemplate": "%{text}<extra></extra>",
                "name": kind,
                "marker": {
                    "symbol": symbol,
                    "size": 9 if large else 6,
                    "color": colour,
                    "line": {"width": 1 if large else 0, "color": "@card"},
                },
            }
        )
    return traces
