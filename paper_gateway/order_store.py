"""All orders of the account, indexed the ways the brokerage looks for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from paper_gateway.matching import Pool
from paper_gateway.working_order import NEVER_HIGH, NEVER_LOW, OrderKey, WorkingOrder

_KEEP_COMPLETED = 5000

GroupKey = tuple[int, str]  # client id, name
Key = TypeVar("Key")


@dataclass(slots=True, eq=False)
class SymbolBook:
    """Live orders of one symbol in order of time, and the prices between which none of them has anything to do."""

    orders: list[WorkingOrder] = field(default_factory=list)
    pool: Pool = field(default_factory=Pool)
    is_dirty: bool = True
    wake_low: int = NEVER_LOW
    wake_high: int = NEVER_HIGH
    pending_buys: int = 0
    pending_sells: int = 0

    def refresh(self) -> None:
        """Work out the wake levels and the pending quantities again after a change."""
        if not self.is_dirty:
            return
        low, high, buys, sells = NEVER_LOW, NEVER_HIGH, 0, 0
        for order in self.orders:
            if not order.is_active:
                continue
            order_low, order_high = order.wake_levels()
            low, high = max(low, order_low), min(high, order_high)
            if order.is_buy:
                buys += order.workable
            else:
                sells += order.workable
        self.wake_low, self.wake_high = low, high
        self.pending_buys, self.pending_sells = buys, sells
        self.is_dirty = False


class OrderStore:
    """Live and completed orders. An id stays used after its order is forgotten."""

    def __init__(self) -> None:
        self._orders: dict[OrderKey, WorkingOrder] = {}
        self._used: set[OrderKey] = set()
        self._completed: deque[WorkingOrder] = deque()
        self._children: dict[OrderKey, list[WorkingOrder]] = {}
        self._groups: dict[GroupKey, list[WorkingOrder]] = {}
        self._sequence = 0
        self.books: dict[str, SymbolBook] = {}

    def get(self, key: OrderKey) -> WorkingOrder | None:
        """Order of a key; None when there is none, or it was completed long ago."""
        return self._orders.get(key)

    def is_used(self, key: OrderKey) -> bool:
        """Whether the id was ever taken."""
        return key in self._used

    def add(self, order: WorkingOrder) -> None:
        """Take in a new order that is live."""
        self._orders[order.key] = order
        self._used.add(order.key)
        book = self.books.setdefault(order.symbol, SymbolBook())
        book.orders.append(order)
        book.is_dirty = True
        self.requeue(order)
        if order.parent is not None:
            self._children.setdefault(order.parent.key, []).append(order)
        if order.ticket.oca_group:
            self._groups.setdefault(_group(order), []).append(order)

    def requeue(self, order: WorkingOrder) -> None:
        """Give the order the last place in time."""
        self._sequence += 1
        order.sequence = self._sequence
        book = self.books[order.symbol]
        book.orders.sort(key=lambda each: each.sequence)
        book.is_dirty = True

    def touch(self, order: WorkingOrder) -> None:
        """Note that something about the order changed."""
        self.books[order.symbol].is_dirty = True

    def complete(self, order: WorkingOrder) -> None:
        """Move an order that is done from the live to the completed ones."""
        book = self.books[order.symbol]
        book.orders.remove(order)
        book.is_dirty = True
        if not book.orders:
            book.refresh()
        if order.parent is not None:
            _discard(self._children, order.parent.key, order)
        if order.ticket.oca_group:
            _discard(self._groups, _group(order), order)
        self.remember(order)

    def remember(self, order: WorkingOrder) -> None:
        """Keep a completed order (or one that was rejected at once) for those who ask."""
        self._orders[order.key] = order
        self._used.add(order.key)
        self._completed.append(order)
        if len(self._completed) > _KEEP_COMPLETED:
            forgotten = self._completed.popleft()
            if self._orders.get(forgotten.key) is forgotten:
                del self._orders[forgotten.key]

    def forget(self, order: WorkingOrder) -> None:
        """Drop a live order without a trace, as a restart does with one that had not reached the exchange."""
        self.complete(order)
        self._completed.remove(order)
        del self._orders[order.key]
        self._used.discard(order.key)

    def live(self) -> Iterator[WorkingOrder]:
        """Live orders, by symbol, then by time."""
        for book in self.books.values():
            yield from book.orders

    def completed(self) -> Iterator[WorkingOrder]:
        """Completed orders, oldest first."""
        return iter(self._completed)

    def children(self, parent: WorkingOrder) -> list[WorkingOrder]:
        """Live children of an order."""
        return list(self._children.get(parent.key, ()))

    def siblings(self, order: WorkingOrder) -> list[WorkingOrder]:
        """Live orders that a fill of ``order`` cancels or reduces.

        These are its OCA group's, or without a group the other children of its parent: TWS ties them together too.
        """
        if order.ticket.oca_group:
            related = self._groups.get(_group(order), [])
        elif order.parent is not None:
            brothers = self._children.get(order.parent.key, [])
            related = [each for each in brothers if not each.ticket.oca_group]
        else:
            related = []
        return [each for each in related if each is not order]


def _group(order: WorkingOrder) -> GroupKey:
    return order.ticket.client_id, order.ticket.oca_group


def _discard(index: dict[Key, list[WorkingOrder]], key: Key, order: WorkingOrder) -> None:
    members = index.get(key, [])
    if order in members:
        members.remove(order)
        if not members:
            del index[key]
