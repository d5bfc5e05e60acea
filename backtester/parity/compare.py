"""Where two accounts over the same bars differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Protocol, TypeVar

from backtester.parity.history import AccountDenial, AccountFill, AccountHistory, Balance, PlacedOrder
from core.reasons import Reason

LIVE_ONLY = frozenset(
    reason.code
    for reason in (
        Reason.ORDER_RATE,
        Reason.REPEAT_THROTTLE,
        Reason.STALE_PRICE,
        Reason.HALTED,
        Reason.REDUCE_ONLY,
        Reason.NO_LEASE,
        Reason.NOT_CONNECTED,
        Reason.NOT_RECONCILED,
        Reason.SYMBOL_LOCKED,
        Reason.ML_VETO,
        Reason.VETO_UNKNOWN,
    )
)
"""Reasons of denials that hang on the wall clock or on other processes, which no backtest has.

The veto's are given to the other side as an input: the entries that they cost are no difference."""


class Kind(StrEnum):
    """What differs."""

    ORDER = "order"
    FILL = "fill"
    DENIAL = "denial"
    EQUITY = "equity"


class Dated(Protocol):
    """Something that belongs to a bar."""

    @property
    def bar_end_ns(self) -> int:
        """End of the bar."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that one account did, and the other did not or did otherwise.

    ``live`` or ``other`` is None when it has no counterpart; ``columns`` names what differs when both are there.
    """

    kind: Kind
    bar_end_ns: int
    live: Dated | None
    other: Dated | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two histories and their differences, in order of time."""

    live: AccountHistory
    other: AccountHistory
    differences: tuple[Difference, ...]
    live_only_denials: int
    """Denials of the live account that no backtest has; the orders that they cost count as differences."""


T = TypeVar("T", PlacedOrder, AccountFill, AccountDenial)


def compare(
    live: AccountHistory,
    other: AccountHistory,
    *,
    session_of: Callable[[int], date],
    with_fills: bool = True,
) -> Comparison:
    """Compare two accounts.

    Parameters
    ----------
    live, other
        The recorded account, and what it is held against.
    session_of
        Date of the session in which a bar lies: equity is compared after each session.
    with_fills
        False when the fills of one are those of the other.
    """
    denials = _told_anew([one for one in live.denials if one.reason not in LIVE_ONLY], live.orders)
    found = _differences(Kind.ORDER, live.orders, other.orders, _key_of_order)
    if with_fills:
        found += _differences(Kind.FILL, live.fills, other.fills, _key_of_order)
    found += _differences(Kind.DENIAL, denials, _told_anew(other.denials, other.orders), _key_of_denial)
    found += _equity(live.balances, other.balances, session_of)
    return Comparison(
        live=live,
        other=other,
        differences=tuple(sorted(found, key=lambda one: one.bar_end_ns)),
        live_only_denials=sum(one.reason in LIVE_ONLY for one in live.denials),
    )


def _key_of_order(one: PlacedOrder | AccountFill) -> Hashable:
    return one.bar_end_ns, one.strategy, one.symbol, one.purpose


def _key_of_denial(one: AccountDenial) -> Hashable:
    return one.bar_end_ns, one.strategy, one.symbol, one.reason


def _differences(
    kind: Kind, live: Iterable[T], other: Iterable[T], key_of: Callable[[T], Hashable]
) -> list[Difference]:
    """Pair what has the same key, in order, and compare each pair field by field."""
    groups: dict[Hashable, tuple[list[T], list[T]]] = defaultdict(lambda: ([], []))
    for side, items in enumerate((live, other)):
        for item in items:
            groups[key_of(item)][side].append(item)
    found = []
    for ours, theirs in groups.values():
        for place in range(max(len(ours), len(theirs))):
            a = ours[place] if place < len(ours) else None
            b = theirs[place] if place < len(theirs) else None
            columns = _columns(a, b)
            if columns or a is None or b is None:
                end_ns = (a or b).bar_end_ns  # type: ignore[union-attr]  # one of them is there
                found.append(Difference(kind=kind, bar_end_ns=end_ns, live=a, other=b, columns=columns))
    return found


def _columns(a: T | Balance | None, b: T | Balance | None) -> tuple[str, ...]:
    if a is None or b is None:
        return ()
    names = (column.name for column in fields(a))
    return tuple(name for name in names if getattr(a, name) != getattr(b, name))


def _told_anew(denials: Iterable[AccountDenial], orders: Iterable[PlacedOrder]) -> list[AccountDenial]:
    """Denials without expired orders, which only a backtest tells of, and without what then repeats."""
    moments: list[tuple[int, int, PlacedOrder | AccountDenial]] = [
        *((one.bar_end_ns, 0, one) for one in denials),
        *((one.bar_end_ns, 1, one) for one in orders),
    ]
    told: dict[tuple[str, str], str] = {}
    kept: list[AccountDenial] = []
    for _end_ns, _rank, one in sorted(moments, key=lambda moment: moment[:2]):
        key = (one.strategy, one.symbol)
        if isinstance(one, PlacedOrder):
            told.pop(key, None)
        elif one.reason != Reason.ORDER_EXPIRED.code and told.get(key) != one.reason:
            told[key] = one.reason
            kept.append(one)
    return kept


def _equity(
    live: Sequence[Balance], other: Sequence[Balance], session_of: Callable[[int], date]
) -> list[Difference]:
    ours = {session_of(one.bar_end_ns): one for one in live}
    theirs = {session_of(one.bar_end_ns): one for one in other}
    found = []
    for session in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(session), theirs.get(session)
        columns = _columns(a, b)
        if columns or a is None or b is None:
            end_ns = (a or b).bar_end_ns  # type: ignore[union-attr]  # one of them is there
            found.append(Difference(kind=Kind.EQUITY, bar_end_ns=end_ns, live=a, other=b, columns=columns))
    return found
