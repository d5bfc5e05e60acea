"""The ledger: who holds what, at what cost, and what it has earned. In `Decimal`, a fold over executions.

Each strategy has its own holding of each symbol. A holding keeps its *cost basis*; the average cost follows from
it. What a closing fill realises is the cash it moved plus the basis it released, so that to the last digit

    cash = opening cash + adjustments + realised P&L - commissions - cost basis of what is held

whatever order executions come in. What the watchdog closes belongs to the strategies that held it: its executions are
booked to `WATCHDOG`, which shares each out over the holdings it closes. Duplicated reports change nothing. A correction (the same execId with another
last part) takes the place of the execution it corrects, as if it had been reported so at the time. A commission may be
revised under the same execId as well: the one that was reported last counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from core.events import Commission, Execution
from core.exec_ids import base_exec_id, correction_number
from core.payloads import commission_of, execution_of
from core.records import RecordKind

ZERO = Decimal(0)
WATCHDOG = "watchdog"
"""Owner of the closing executions of a kill; what closes no holding stays with it, as do the commissions."""

BASIS_STEP = Decimal("0.0000000001")
"""Step to which a released share of the cost basis is rounded; the rest stays in the basis, nothing is lost."""


class Applied(StrEnum):
    """What a report did to the ledger."""

    NEW = "new"
    CORRECTION = "correction"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One strategy's position in one symbol.

    Parameters
    ----------
    quantity
        Signed.
    cost_basis
        Signed like the quantity: what was paid for a long, minus what was received for a short.
    realised
        Profit of what was closed, before commissions.
    last_direction
        Sign of the present position, or of the last one if flat; 0 if there never was one.
    last_fill_ns
        Time of the latest execution; 0 if there was none.
    """

    quantity: Decimal = ZERO
    cost_basis: Decimal = ZERO
    realised: Decimal = ZERO
    last_direction: int = 0
    last_fill_ns: int = 0

    @property
    def average_cost(self) -> Decimal:
        """Average price at which the position was opened; 0 when flat."""
        return self.cost_basis / self.quantity if self.quantity else ZERO

    def unrealised(self, price: Decimal) -> Decimal:
        """Profit if all were closed at ``price``, before commissions."""
        return self.quantity * price - self.cost_basis

    def after(self, execution: Execution) -> Holding:
        """Return this holding after one more execution.

        One that goes through zero closes all that was held and opens the rest at its own price.
        """
        traded = execution.signed_quantity
        closed = ZERO  # signed like the position
        if self.quantity * traded < 0:
            closed = min(abs(self.quantity), abs(traded)).copy_sign(self.quantity)
        released = self.cost_basis
        if closed != self.quantity:
            released = (self.cost_basis * closed / self.quantity).quantize(BASIS_STEP)
        opened = traded + closed
        quantity = self.quantity + traded
        return Holding(
            quantity=quantity,
            cost_basis=self.cost_basis - released + opened * execution.price,
            realised=self.realised + closed * execution.price - released,
            last_direction=_sign(quantity) or _sign(self.quantity) or self.last_direction,
            last_fill_ns=max(self.last_fill_ns, execution.time_ns),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One execution as booked, with whom it belongs to."""

    strategy: str
    execution: Execution


@dataclass(slots=True)
class Ledger:
    """The book of one account. Mutable; changed only by `apply`, `apply_commission` and `adjust_cash`."""

    adjustments: Decimal = ZERO
    _entries: dict[str, _Entry] = field(default_factory=dict)  # by base execId, in order of first report
    _commissions: dict[str, Commission] = field(default_factory=dict)  # by base execId
    _holdings: dict[tuple[str, str], Holding] = field(default_factory=dict)
    _paid: dict[str, Decimal] = field(default_factory=dict)  # commissions by strategy
    _paid_in_all: Decimal = ZERO
    _flows: Decimal = ZERO

    # --- changes ---

    def adjust_cash(self, amount: Decimal) -> None:
        """Book cash that no execution explains: the opening balance, interest, a deposit."""
        self.adjustments += amount

    def apply(self, execution: Execution, strategy: str) -> Applied:
        """Book an execution for ``strategy``; see `Applied` for what it may turn out to be."""
        base = execution.base_exec_id
        entry = _Entry(strategy=strategy, execution=execution)
        before = self._entries.get(base)
        if before is None:
            self._entries[base] = entry
            self._book(entry)
            if base in self._commissions:
                self._pay(strategy, self._commissions[base].amount)
            return Applied.NEW
        if correction_number(execution.exec_id) <= correction_number(before.execution.exec_id):
            return Applied.DUPLICATE
        # The owner was fixed by the first report; a correction can't move an execution to another strategy.
        self._entries[base] = _Entry(strategy=before.strategy, execution=execution)
        self._rebuild()
        return Applied.CORRECTION

    def apply_commission(self, commission: Commission) -> Applied:
        """Book a commission, also one that comes before its execution. One that revises it replaces it.

        A revision is a later correction's commission, or another amount under the same execId.
        """
        base = base_exec_id(commission.exec_id)
        before = self._commissions.get(base)
        if before is not None:
            revision, known = correction_number(commission.exec_id), correction_number(before.exec_id)
            if revision < known or (revision == known and commission.amount == before.amount):
                return Applied.DUPLICATE
        self._commissions[base] = commission
        entry = self._entries.get(base)
        if entry is not None:
            self._pay(entry.strategy, commission.amount - (before.amount if before else ZERO))
        return Applied.NEW if before is None else Applied.CORRECTION

    def fold(self, kind: str, payload: Mapping[str, object]) -> None:
        """Apply one journal record; kinds that move neither shares nor cash are passed over."""
        if kind == RecordKind.FILL:
            self.apply(execution_of(payload), str(payload["strategy"]))
        elif kind == RecordKind.COMMISSION:
            self.apply_commission(commission_of(payload))
        elif kind == RecordKind.CASH_ADJUSTED:
            self.adjust_cash(Decimal(str(payload["amount"])))

    @classmethod
    def replay(cls, records: Iterable[tuple[str, Mapping[str, object]]]) -> Ledger:
        """Ledger that results from journal records (kind, payload), oldest first."""
        ledger = cls()
        for kind, payload in records:
            ledger.fold(kind, payload)
        return ledger

    def _book(self, entry: _Entry) -> None:
        execution = entry.execution
        for strategy, quantity in self._shares(entry.strategy, execution):
            key = (strategy, execution.symbol)
            part = execution if quantity == execution.quantity else replace(execution, quantity=quantity)
            self._holdings[key] = self._holdings.get(key, Holding()).after(part)
        self._flows -= execution.signed_quantity * execution.price

    def _shares(self, strategy: str, execution: Execution) -> list[tuple[str, Decimal]]:
        """Whose execution it is, in parts: one, but for the watchdog's, which closes holdings in name order."""
        if strategy != WATCHDOG:
            return [(strategy, execution.quantity)]
        left, shares = execution.quantity, []
        for (owner, symbol), holding in sorted(self._holdings.items()):
            if symbol == execution.symbol and holding.quantity * execution.side.sign < 0 and left:
                part = min(left, abs(holding.quantity))
                shares.append((owner, part))
                left -= part
        return [*shares, (WATCHDOG, left)] if left else shares

    def _pay(self, strategy: str, amount: Decimal) -> None:
        self._paid[strategy] = self._paid.get(strategy, ZERO) + amount
        self._paid_in_all += amount

    def _rebuild(self) -> None:
        self._holdings.clear()
        self._flows = ZERO
        for entry in self._entries.values():
            self._book(entry)

    # --- questions ---

    def holding(self, strategy: str, symbol: str) -> Holding:
        """Return the holding of one strategy in one symbol; an empty one if there never was any."""
        return self._holdings.get((strategy, symbol), Holding())

    def holdings(self) -> dict[tuple[str, str], Holding]:
        """All holdings by (strategy, symbol), closed ones included."""
        return dict(self._holdings)

    def position(self, strategy: str, symbol: str) -> Decimal:
        """Signed quantity that one strategy holds."""
        return self.holding(strategy, symbol).quantity

    def net_positions(self) -> dict[str, Decimal]:
        """Signed quantity by symbol over all strategies, without the flat ones: what the broker should show."""
        net: dict[str, Decimal] = {}
        for (_strategy, symbol), holding in self._holdings.items():
            net[symbol] = net.get(symbol, ZERO) + holding.quantity
        return {symbol: quantity for symbol, quantity in net.items() if quantity}

    def booked(self, exec_id: str) -> Execution | None:
        """Return the execution as booked under this execId or one that it corrects; None if there is none."""
        entry = self._entries.get(base_exec_id(exec_id))
        return None if entry is None else entry.execution

    def executions(self) -> tuple[Execution, ...]:
        """All executions as booked, each in its last correction, in the order of their first reports."""
        return tuple(entry.execution for entry in self._entries.values())

    def strategy_of(self, exec_id: str) -> str | None:
        """Strategy to which an execution was booked; None if it is not."""
        entry = self._entries.get(base_exec_id(exec_id))
        return None if entry is None else entry.strategy

    @property
    def fills(self) -> int:
        """Number of executions, corrections not counted."""
        return len(self._entries)

    @property
    def cash(self) -> Decimal:
        """Cash, after the commissions that have been reported."""
        return self.adjustments + self._flows - self.commissions()

    def commissions(self, strategy: str | None = None) -> Decimal:
        """Commissions of booked executions, of one strategy or of all.

        A commission whose execution is not booked yet waits until it is.
        """
        if strategy is None:
            return self._paid_in_all
        return self._paid.get(strategy, ZERO)

    def charged(self, exec_id: str) -> Decimal:
        """Commission that was reported last for an execution, booked or not; 0 if none was."""
        known = self._commissions.get(base_exec_id(exec_id))
        return ZERO if known is None else known.amount

    def without_commission(self) -> tuple[str, ...]:
        """ExecIds for which no commission has been reported."""
        return tuple(
            entry.execution.exec_id for base, entry in self._entries.items() if base not in self._commissions
        )

    def realised(self, strategy: str | None = None) -> Decimal:
        """Profit of what was closed, before commissions, of one strategy or of all."""
        return sum((h.realised for (s, _), h in self._holdings.items() if strategy in {None, s}), ZERO)

    def unrealised(self, prices: Mapping[str, Decimal], strategy: str | None = None) -> Decimal:
        """Profit of what is held at ``prices``, of one strategy or of all.

        Raises
        ------
        KeyError
            A held symbol has no price: no number would be better than a wrong one.
        """
        return sum(
            (
                holding.unrealised(prices[symbol])
                for (owner, symbol), holding in self._holdings.items()
                if holding.quantity and strategy in {None, owner}
            ),
            ZERO,
        )

    def net_liquidation(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Cash plus the value of all positions at ``prices``. Raises KeyError as `unrealised` does."""
        net = self.net_positions()
        return self.cash + sum((quantity * prices[symbol] for symbol, quantity in net.items()), ZERO)

    def to_dict(self) -> dict[str, object]:
        """State as JSON-ready values, to compare two ledgers or to show one. Decimals become strings."""
        return {
            "cash": str(self.cash.normalize()),
            "fills": self.fills,
            "commissions": str(self.commissions().normalize()),
            "holdings": {
                f"{strategy}/{symbol}": {
                    "quantity": str(holding.quantity.normalize()),
                    "cost_basis": str(holding.cost_basis.normalize()),
                    "realised": str(holding.realised.normalize()),
                }
                for (strategy, symbol), holding in sorted(self._holdings.items())
            },
        }


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)
