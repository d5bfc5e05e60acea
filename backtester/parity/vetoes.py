"""The veto of a recorded account as an input of a backtest: no model is asked again, its rulings are followed.

A denied entry is a signal of 0 (`portfolio.veto.standing`): from the bar of the ruling until the signal changes, another ruling lifts it, or
an order that was under way opens the position after all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtester.market import Market
from backtester.parity.recorded import Booked, Decided, Event, Judged
from core.vocabulary import Purpose

FloatArray = npt.NDArray[np.float64]
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    key: _Key
    side: int
    first: int
    end: int
    """Bar behind the last."""


def with_judgements(events: Iterable[Event], recorded: Iterable[Event]) -> Iterator[Event]:
    """Put a recorded account's rulings among another's events, each before the decision of its bar."""
    rulings: dict[int, list[Judged]] = {}
    for one in recorded:
        if isinstance(one, Judged):
            rulings.setdefault(one.bar_end_ns, []).append(one)
    for event in events:
        if isinstance(event, Decided):
            yield from rulings.get(event.balance.bar_end_ns, ())
        yield event


def masked_signals(
    signals: FloatArray, names: Sequence[str], market: Market, recorded: Iterable[Event]
) -> FloatArray:
    """Signals of which the denied ones are 0.

    Parameters
    ----------
    signals
        Shape (bars, strategies, symbols).
    names
        Of the strategies.
    market
        The bars.
    recorded
        What happened to the account.
    """
    result = signals.copy()
    for span in _spans(recorded, market.end_ns):
        if span.key[0] not in names or span.key[1] not in market.symbols:
            continue
        row, column = names.index(span.key[0]), market.symbols.index(span.key[1])
        signal = signals[span.first : span.end, row, column]
        changed = (np.sign(signal) != span.side) & ~np.isnan(signal)
        end = span.first + (int(changed.argmax()) if changed.any() else len(signal))
        result[span.first : end, row, column] = 0.0
    return result


def _spans(recorded: Iterable[Event], end_ns: npt.NDArray[np.int64]) -> Iterator[_Span]:
    """Bars in which each side of each strategy and symbol was denied."""
    begun: dict[_Key, tuple[int, int]] = {}
    opened: set[_Key] = set()
    waiting: list[Judged] = []
    for event in recorded:
        match event:
            case Judged():
                waiting.append(event)
            case Booked(order=order) if order is not None and order.purpose is Purpose.ENTRY:
                opened.add((order.strategy, order.symbol))
            case Decided():
                bar = int(np.searchsorted(end_ns, event.balance.bar_end_ns))
                ended = opened | {(one.strategy, one.symbol) for one in waiting}
                for key in sorted(ended & begun.keys()):
                    side, first = begun.pop(key)
                    yield _Span(key=key, side=side, first=first, end=bar)
                begun |= {(one.strategy, one.symbol): (one.side, bar) for one in waiting if one.denied}
                opened, waiting = set(), []
            case _:
                pass
    for key, (side, first) in begun.items():
        yield _Span(key=key, side=side, first=first, end=len(end_ns))
