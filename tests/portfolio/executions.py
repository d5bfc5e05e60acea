"""Builders of broker reports for tests."""

from __future__ import annotations

from decimal import Decimal

from core.events import Commission, Execution
from core.vocabulary import Side

ACCOUNT = "DU1234567"


def execution(
    number: int = 1,
    side: Side = Side.BUY,
    quantity: str | int | Decimal = 100,
    price: str | int | Decimal = 10,
    *,
    symbol: str = "AAPL",
    correction: int = 1,
    order_ref: str = "BS-0000-000001-E",
    time_ns: int | None = None,
) -> Execution:
    """One execution; ``number`` gives its execId and, if not said otherwise, its time."""
    return Execution(
        exec_id=f"0000e0d5.{number:08x}.01.{correction:02d}",
        order_ref=order_ref,
        order_id=number,
        perm_id=number,
        client_id=1,
        account=ACCOUNT,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        time_ns=number if time_ns is None else time_ns,
    )


def commission(number: int = 1, amount: str = "1.00", correction: int = 1) -> Commission:
    """Commission of execution ``number``."""
    return Commission(
        exec_id=f"0000e0d5.{number:08x}.01.{correction:02d}", amount=Decimal(amount), currency="USD"
    )
