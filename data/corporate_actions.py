"""Splits, dividends and delistings of a stock, and what splits do to the prices before them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from data.bar_table import NS_PER_S, BarTable


class ActionKind(StrEnum):
    """What happened; it says what ``CorporateAction.value`` is."""

    SPLIT = "split"
    """Shares after for one share before: 2.0 is a 2:1 split."""
    DIVIDEND = "dividend"
    """Dollars for a share, in the shares of its own day."""
    DELISTING = "delisting"
    """Dollars paid for a share at the end; 0 when it became worthless."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CorporateAction:
    """One event; ``day`` is the first session on which the stock trades without it (ex-date; last day if delisted).

    Raises
    ------
    ValueError
        When the value can't be one of its kind.
    """

    symbol: str
    day: date
    kind: ActionKind
    value: float

    def __post_init__(self) -> None:
        least_ok = self.value >= 0 if self.kind is ActionKind.DELISTING else self.value > 0
        if not math.isfinite(self.value) or not least_ok:
            raise ValueError(f"{self.symbol} {self.day}: {self.value:g} is no value of a {self.kind.value}")


def split_divisors(end_ns: NDArray[np.int64], actions: Iterable[CorporateAction]) -> NDArray[np.float64]:
    """Divisor of each bar's prices that takes out the splits after it, shape (bars,); other actions are ignored."""
    divisors = np.ones(len(end_ns))
    for action in actions:
        if action.kind is ActionKind.SPLIT:
            divisors[end_ns < _midnight_ns(action.day)] *= action.value
    return divisors


def adjust_for_splits(table: BarTable, actions: Iterable[CorporateAction]) -> BarTable:
    """Table with prices before each split divided by its ratio and volumes multiplied; splits outside it are ignored.

    The newest prices stay those that were traded.
    """
    known = [
        one
        for one in actions
        if one.kind is ActionKind.SPLIT
        and one.symbol == table.symbol
        and table.end_ns[0] < _midnight_ns(one.day) <= table.end_ns[-1]
    ]
    if not known:
        return table
    divisors = split_divisors(table.end_ns, known)
    texts = ", ".join(f"{one.value:g}:1 of {one.day}" for one in sorted(known))
    return replace(
        table,
        open=table.open / divisors,
        high=table.high / divisors,
        low=table.low / divisors,
        close=table.close / divisors,
        volume=np.rint(table.volume * divisors),
        notes=(*table.notes, f"{table.symbol}: adjusted for splits: {texts}"),
    )


def not_in_the_prices(
    actions: Iterable[CorporateAction], *, splits: bool, dividends: bool
) -> tuple[CorporateAction, ...]:
    """Actions that an account must book itself on prices that are adjusted for ``splits``, and for ``dividends``.

    A dividend is given in the shares of its own day; on prices that are adjusted for splits it is divided by the ratios of
    the splits since.
    """
    known = tuple(actions)
    kept = []
    for one in known:
        if one.kind is ActionKind.SPLIT and splits:
            continue
        if one.kind is ActionKind.DIVIDEND and dividends:
            continue
        ratio = 1.0
        if one.kind is ActionKind.DIVIDEND and splits:
            ratio = math.prod(
                after.value
                for after in known
                if after.kind is ActionKind.SPLIT and after.symbol == one.symbol and after.day > one.day
            )
        kept.append(replace(one, value=one.value / ratio))
    return tuple(kept)


def known_splits(actions: Iterable[CorporateAction]) -> frozenset[tuple[str, date]]:
    """Symbols and days of splits, for checks that would take them for defects."""
    return frozenset((one.symbol, one.day) for one in actions if one.kind is ActionKind.SPLIT)


def _midnight_ns(day: date) -> int:
    # Exchange sessions of a date end after its midnight UTC in America and Europe.
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * NS_PER_S
