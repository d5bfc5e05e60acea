"""What a reconciliation compares, and the breaks that it finds; `portfolio.reconciliation` has the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.events import Execution

ZERO = Decimal(0)


class BreakKind(StrEnum):
    """In what our book and the broker's differ; the value is journaled."""

    POSITION = "position"
    FOREIGN_EXECUTION = "foreign_execution"
    FOREIGN_ORDER = "foreign_order"
    LOST_ORDER = "lost_order"
    UNSENT_INTENT = "unsent_intent"
    REVIVED_ORDER = "revived_order"
    CASH = "cash"
    ACCOUNT = "account"

    @property
    def locks_symbol(self) -> bool:
        """Whether nothing more may be opened in the symbol until a person or a later agreement clears it."""
        return self in {BreakKind.POSITION, BreakKind.FOREIGN_EXECUTION, BreakKind.FOREIGN_ORDER}


class OrderProgress(StrEnum):
    """How far an order of ours has got, as far as we know."""

    INTENDED = "intended"
    """Journaled; we can't tell whether it was sent."""
    WORKING = "working"
    """Sent and not finished."""
    FINISHED = "finished"
    """Filled, cancelled or rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOrder:
    """One order of ours. ``touched_monotonic_ns``: this process's newest record of it, None if it has written none."""

    order_ref: str
    strategy: str
    symbol: str
    quantity: Decimal
    filled: Decimal
    phase: OrderProgress
    touched_monotonic_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookView:
    """What we believe.

    Parameters
    ----------
    account
        The account that we trade.
    positions
        Net quantity by symbol (`Ledger.net_positions`).
    cash
        Cash by our ledger, or None if it is not to be compared.
    orders
        Every order of ours by order_ref, finished ones included.
    booked
        The execution as booked under an execId or an earlier one that it corrects, else None (`Ledger.booked`).
    """

    account: str
    positions: Mapping[str, Decimal]
    cash: Decimal | None
    orders: Mapping[str, KnownOrder]
    booked: Callable[[str], Execution | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One difference. ``book`` and ``broker`` are the two sides as text for the journal."""

    kind: BreakKind
    symbol: str | None
    book: str
    broker: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingExecution:
    """An execution to apply to the book of ``strategy``; ``replaces`` is the one that it corrects."""

    execution: Execution
    strategy: str
    replaces: Execution | None

    def move(self, positions: dict[str, Decimal]) -> None:
        """Change ``positions`` (by symbol) as the ledger's will when this is applied."""
        for execution, sign in ((self.replaces, -1), (self.execution, 1)):
            if execution is not None:
                before = positions.get(execution.symbol, ZERO)
                positions[execution.symbol] = before + sign * execution.signed_quantity

    @property
    def filled(self) -> Decimal:
        """By how much the filled quantity of its order changes."""
        return self.execution.quantity - (self.replaces.quantity if self.replaces else ZERO)

    @property
    def cash(self) -> Decimal:
        """By how much the cash changes, before commissions."""
        before = self.replaces.signed_quantity * self.replaces.price if self.replaces else ZERO
        return before - self.execution.signed_quantity * self.execution.price


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileResult:
    """What a reconciliation found.

    ``unknown`` names the parts without an answer; while it is not empty the book is not proven. ``deferred`` holds the
    differences (broker less book) by symbol that may pass by themselves: ask again soon, and hand them in. One that
    was handed in and is still there is a break as well.
    """

    breaks: tuple[Break, ...]
    missing_executions: tuple[MissingExecution, ...]
    unknown: tuple[str, ...]
    deferred: Mapping[str, Decimal]

    @property
    def agrees(self) -> bool:
        """Whether every part was known and nothing differed (missing executions explain themselves)."""
        return not (self.breaks or self.unknown or self.deferred)

    @property
    def locked_symbols(self) -> frozenset[str]:
        """Symbols in which nothing may be opened."""
        return frozenset(b.symbol for b in self.breaks if b.kind.locks_symbol and b.symbol is not None)
