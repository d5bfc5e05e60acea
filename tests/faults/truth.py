"""What really happened at the broker, read from the gateway's audit (``--audit``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.exec_ids import base_exec_id, correction_number

OVER = frozenset({"Filled", "Cancelled", "ApiCancelled", "Inactive", "Forgotten"})


@dataclass(slots=True)
class TrueOrder:
    """One order at the broker; a permId names it."""

    perm_id: int
    order_ref: str
    client_id: int
    symbol: str
    first_ns: int
    quantity: Decimal
    state: str

    @property
    def is_live(self) -> bool:
        return self.state not in OVER


@dataclass(frozen=True, slots=True)
class TrueFill:
    """One execution, and the position before it."""

    at_ns: int
    exec_id: str
    order_ref: str
    client_id: int
    symbol: str
    signed: Decimal
    before: Decimal


@dataclass(slots=True)
class Truth:
    """The account by the audit, up to a moment of the monotonic clock."""

    orders: dict[int, TrueOrder] = field(default_factory=dict)
    fills: list[TrueFill] = field(default_factory=list)
    positions: dict[str, Decimal] = field(default_factory=dict)
    commissions: dict[str, Decimal] = field(default_factory=dict)
    most_live: dict[str, int] = field(default_factory=dict)
    """Most live orders that one orderRef ever had at once."""
    cash: Decimal = Decimal(0)
    starts: int = 0
    last_ns: int = 0

    @property
    def held(self) -> dict[str, Decimal]:
        """Positions that aren't flat."""
        return {symbol: quantity for symbol, quantity in self.positions.items() if quantity}

    @property
    def working(self) -> list[TrueOrder]:
        """Orders that may still fill."""
        return [order for order in self.orders.values() if order.is_live]

    def filled(self) -> dict[str, Decimal]:
        """Filled quantity by orderRef, each execution once."""
        totals: dict[str, Decimal] = {}
        for fill in self.fills:
            totals[fill.order_ref] = totals.get(fill.order_ref, Decimal(0)) + abs(fill.signed)
        return totals

    def intended(self) -> dict[str, Decimal]:
        """Largest quantity that was asked for, by orderRef."""
        most: dict[str, Decimal] = {}
        for order in self.orders.values():
            most[order.order_ref] = max(most.get(order.order_ref, Decimal(0)), order.quantity)
        return most

    def take(self, line: dict[str, Any]) -> None:
        self.last_ns, self.cash = line["monotonic_ns"], Decimal(line["cash"])
        match line["what"]:
            case "started":
                starts = self.starts + 1
                self.__init__()  # type: ignore[misc]  # a gateway that starts has a new account
                self.starts, self.cash, self.last_ns = starts, Decimal(line["cash"]), line["monotonic_ns"]
            case "order":
                self._order(line)
            case "forgotten":
                self.orders[line["perm_id"]].state = "Forgotten"
            case "execution":
                self._fill(line)
            case "commission":
                self.commissions[base_exec_id(line["exec_id"])] = Decimal(line["amount"])
            case "position":
                self.positions[line["symbol"]] = Decimal(line["quantity"])

    def _order(self, line: dict[str, Any]) -> None:
        order = self.orders.get(line["perm_id"])
        if order is None:
            order = self.orders[line["perm_id"]] = TrueOrder(
                line["perm_id"],
                line["order_ref"],
                line["client_id"],
                line["symbol"],
                line["monotonic_ns"],
                Decimal(line["quantity"]),
                line["state"],
            )
        order.state = line["state"]
        order.quantity = max(order.quantity, Decimal(line["quantity"]))
        if order.is_live and order.order_ref:
            live = sum(1 for one in self.orders.values() if one.is_live and one.order_ref == order.order_ref)
            self.most_live[order.order_ref] = max(live, self.most_live.get(order.order_ref, 0))

    def _fill(self, line: dict[str, Any]) -> None:
        if correction_number(line["exec_id"]) > 1:
            return  # another price for the same shares
        sign = 1 if line["side"] == "BOT" else -1
        signed = sign * Decimal(line["quantity"])
        before = self.positions.get(line["symbol"], Decimal(0))
        self.fills.append(
            TrueFill(
                line["monotonic_ns"],
                line["exec_id"],
                line["order_ref"],
                line["client_id"],
                line["symbol"],
                signed,
                before,
            )
        )
        self.positions[line["symbol"]] = before + signed


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Complete lines of an audit; its gateway may have died within one."""
    if not path.exists():
        return
    for text in path.read_text().splitlines():
        try:
            yield json.loads(text)
        except ValueError:
            continue


def read_truth(path: Path, until_ns: int | None = None) -> Truth:
    """Fold the audit up to a moment."""
    truth = Truth()
    for line in lines(path):
        if until_ns is not None and line["monotonic_ns"] > until_ns:
            break
        truth.take(line)
    return truth
