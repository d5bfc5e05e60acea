"""Protective stops that follow the best price at a distance, as a bar shows it. Kernels.

Of a long position (a short one is the mirror image), each step taking only what is sure:

1. The bar's open comes first, so the stop stands at least the distance below it. One whose entry fills inside the bar
   stands at least the distance below the entry's limit.
2. A bar whose low reaches that stop hits it (`backtester.fills`): at the stop, or at the open of a gap.
3. Otherwise, a close at or below the high less the distance has *turned*: whichever came first, after the high the price
   has fallen through the stop. At which price it was hit isn't known, so the worst of the bar is taken, its low.
4. Otherwise the stop stands at least the distance below the high when the bar ends; below the close, if the entry filled
   inside the bar, because its high may have been before.

So the stop in force in a bar is made of the bars before it and of its open, and never moves away from the market.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backtester.book import Book, Kind
from backtester.money import micros
from backtester.tape import has_price
from core.kernel import inlined_kernel


@inlined_kernel
def followed(position: float, stop: int, trail: int, best: int) -> int:
    """Stop of a position after a price of ``best``, at the distance ``trail``; it never goes back."""
    return max(stop, best - trail) if position > 0.0 else min(stop, best + trail)


@inlined_kernel
def follow_price(book: Book, symbol: int, price: int) -> None:
    """Move the stops of a symbol after a price that comes before anything else in the bar."""
    for strategy in range(book.stop.shape[0]):
        cell = (strategy, symbol)
        if book.trail[cell] > 0 and book.stop[cell] != 0 and book.kind[cell] != Kind.STOP:
            book.stop[cell] = followed(book.position[cell], book.stop[cell], book.trail[cell], price)


@inlined_kernel
def entered_inside(book: Book, cell: tuple[int, int], price: int) -> None:
    """Begin to trail a stop whose entry has just filled inside the bar, or in its closing auction."""
    trail = book.trail[cell]
    if trail > 0:
        book.stop[cell] = followed(book.position[cell], book.stop[cell], trail, price)
        # The sign says until the bar ends that the bar's extremes may be older than the position.
        book.trail[cell] = -trail


@inlined_kernel
def turned(position: float, trail: int, high: int, low: int, close: int) -> bool:
    """Whether the price has surely fallen (for a short: risen) from its best by the distance; False for a fixed stop."""
    if trail <= 0:
        return False
    return close <= high - trail if position > 0.0 else close >= low + trail


@inlined_kernel
def follow_bar(book: Book, bars: npt.NDArray[np.float64], bar: int) -> bool:
    """Move all stops to where they stand at the end of a bar; return whether any has moved."""
    moved = False
    for symbol in range(book.stop.shape[1]):
        priced = has_price(bars, bar, symbol)
        for strategy in range(book.stop.shape[0]):
            cell = (strategy, symbol)
            trail = abs(book.trail[cell])
            if trail == 0 or book.stop[cell] == 0 or not priced:
                continue
            is_long = book.position[cell] > 0.0
            column = 3 if book.trail[cell] < 0 else 1 if is_long else 2
            book.trail[cell] = trail
            stop = followed(book.position[cell], book.stop[cell], trail, micros(bars[bar, symbol, column]))
            if stop != book.stop[cell] and book.kind[cell] != Kind.STOP:
                book.stop[cell] = stop
                moved = True
    return moved
