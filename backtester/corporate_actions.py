"""Splits, dividends and delistings in a backtest on raw prices, so that the account earns the total return.

Strategies see prices that are adjusted backwards for both splits and dividends, because a step that no trading explains
is no signal. That looks ahead at nothing: a later event multiplies all earlier prices by one factor, and no rule here
depends on a price's scale. Fills, values and stops are in the prices of their day.

On the first bar of the ex-date, before anything fills:

split
    Positions become whole new shares. The broker pays the rest of a share in cash at the last close. The protective stop
    moves with the ratio. Orders at work end, as IB cancels them; the next close decides anew.
dividend
    Each long share is paid, each short share pays. IB pays on a later date, which the data doesn't hold; the cash is
    available at once here.
delisting
    On the first bar after the last day every position is paid out at the given price, without commission.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtester.money import MICRO
from data.corporate_actions import ActionKind, CorporateAction

FloatArray = npt.NDArray[np.float64]
IntVector = npt.NDArray[np.int64]

SPLIT, DIVIDEND, DELISTING = 0, 1, 2
_KINDS = {ActionKind.SPLIT: SPLIT, ActionKind.DIVIDEND: DIVIDEND, ActionKind.DELISTING: DELISTING}


class Events(NamedTuple):
    """Events as kernels see them, each of shape (events,), in the order of their bars.

    ``numerator`` new shares replace ``denominator`` old ones in a split; ``amount`` is in micro-dollars a share.
    """

    bar: IntVector
    symbol: IntVector
    kind: IntVector
    numerator: IntVector
    denominator: IntVector
    amount: IntVector


def events_of(actions: Sequence[CorporateAction], symbols: Sequence[str], end_ns: IntVector) -> Events:
    """Events that fall on the bars of a market; what lies outside them, or on other symbols, is left out.

    Parameters
    ----------
    actions
        In any order.
    symbols, end_ns
        Columns and closing times of the market's bars.
    """
    columns = {symbol: number for number, symbol in enumerate(symbols)}
    rows = []
    for action in sorted(actions, key=lambda one: (one.day, one.symbol, _KINDS[one.kind])):
        column = columns.get(action.symbol)
        bar = first_bar_of(action, end_ns)
        if column is None or not 0 < bar < len(end_ns):
            continue
        ratio = Fraction(1)
        amount = 0
        if action.kind is ActionKind.SPLIT:
            ratio = _ratio(action.value)
        else:
            amount = round(action.value * MICRO)
        rows.append((bar, column, _KINDS[action.kind], ratio.numerator, ratio.denominator, amount))
    table = np.array(sorted(rows, key=lambda row: row[0]), dtype=np.int64).reshape(-1, 6)
    return Events(*(np.ascontiguousarray(column) for column in table.T))


def _ratio(value: float) -> Fraction:
    """Ratio of a split in whole numbers; the smaller of them is at most 1000, as in 1:3000."""
    if value < 1.0:
        return 1 / Fraction(1.0 / value).limit_denominator(1000)
    return Fraction(value).limit_denominator(1000)


def first_bar_of(action: CorporateAction, end_ns: IntVector) -> int:
    """First bar at which an event has happened; the number of bars if it lies behind them."""
    day = action.day + timedelta(days=1 if action.kind is ActionKind.DELISTING else 0)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(np.searchsorted(end_ns, int(midnight.timestamp()) * 1_000_000_000))


def adjusted_bars(events: Events, bars: FloatArray) -> FloatArray:
    """Bars as strategies see them: without the steps of splits and dividends; `adjustment_factors` says how."""
    if not len(events.bar):
        return bars
    prices, volumes = adjustment_factors(events, bars)
    return np.concatenate(
        [bars[:, :, :4] * prices[:, :, None], (bars[:, :, 4] * volumes)[:, :, None]], axis=2
    )


def adjustment_factors(events: Events, bars: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Factors that take splits and dividends out of earlier prices, and splits out of earlier volumes.

    Parameters
    ----------
    events
        Of these bars.
    bars
        Shape (bars, symbols, 5), raw.

    Returns
    -------
    prices, volumes
        Each of shape (bars, symbols); adjusted price = price * factor, and so for volumes. A dividend's factor is
        ``1 - dividend / last close before it`` (the convention of CRSP and Yahoo), both in the shares of its day.
    """
    prices, volumes = np.ones(bars.shape[:2]), np.ones(bars.shape[:2])
    for bar, symbol, kind, numerator, denominator, amount in zip(
        *(field.tolist() for field in events), strict=True
    ):
        if kind == SPLIT:
            prices[:bar, symbol] *= denominator / numerator
            volumes[:bar, symbol] *= numerator / denominator
        elif kind == DIVIDEND:
            closes = bars[:bar, symbol, 3]
            known = np.flatnonzero(~np.isnan(closes))
            if not len(known):
                continue
            # A split since that close, on the dividend's own day or in a hole, has changed what a share is.
            last = closes[known[-1]] / volumes[known[-1], symbol]
            if amount / MICRO < last:
                prices[:bar, symbol] *= 1.0 - amount / MICRO / last
    return prices, volumes
