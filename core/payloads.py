"""Orders, executions and commissions as flat journal payloads (``core.records``), and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal

from core.events import Commission, Execution, Order
from core.vocabulary import ExecutionMethod, OrderType, Purpose, Side, TimeInForce

Payload = Mapping[str, object]

_ORDER_FIELDS = tuple(field.name for field in fields(Order))
_EXECUTION_FIELDS = tuple(field.name for field in fields(Execution))
_COMMISSION_FIELDS = tuple(field.name for field in fields(Commission))


def intent_payload(order: Order, order_id: int) -> dict[str, object]:
    """Make the payload of an ORDER_INTENT: every field of the order, and the id under which it will be sent."""
    plain = {name: _plain(getattr(order, name)) for name in _ORDER_FIELDS}
    return {**plain, "algo_params": [list(pair) for pair in order.algo_params], "order_id": order_id}


def order_of(payload: Payload) -> Order:
    """Read the order of an ORDER_INTENT payload; fields that an older journal doesn't have keep their defaults."""
    method = _optional_text(payload, "method")
    return Order(
        order_ref=text(payload, "order_ref"),
        strategy=text(payload, "strategy"),
        symbol=text(payload, "symbol"),
        side=Side(text(payload, "side")),
        quantity=decimal(payload, "quantity"),
        order_type=OrderType(text(payload, "order_type")),
        purpose=Purpose(text(payload, "purpose")),
        reason=text(payload, "reason"),
        created_ns=integer(payload, "created_ns"),
        limit_price=_optional_decimal(payload, "limit_price"),
        stop_price=_optional_decimal(payload, "stop_price"),
        trailing_amount=_optional_decimal(payload, "trailing_amount"),
        time_in_force=TimeInForce(text(payload, "time_in_force")),
        parent_ref=_optional_text(payload, "parent_ref"),
        oca_group=_optional_text(payload, "oca_group"),
        arrival_price=_optional_float(payload, "arrival_price"),
        method=None if method is None else ExecutionMethod(method),
        algo=_optional_text(payload, "algo"),
        algo_params=_pairs(payload, "algo_params"),
        peg_offset=_optional_decimal(payload, "peg_offset"),
        until_ns=_optional_integer(payload, "until_ns"),
        root_ref=_optional_text(payload, "root_ref"),
    )


def fill_payload(
    execution: Execution, *, strategy: str, arrival_price: float | None = None
) -> dict[str, object]:
    """Make the payload of a FILL: every field of the execution, whose it is, and the mid when it was decided."""
    return {
        **{name: _plain(getattr(execution, name)) for name in _EXECUTION_FIELDS},
        "strategy": strategy,
        "arrival_price": arrival_price,
    }


def execution_of(payload: Payload) -> Execution:
    """Read the execution of a FILL payload."""
    return Execution(
        exec_id=text(payload, "exec_id"),
        order_ref=text(payload, "order_ref"),
        order_id=integer(payload, "order_id"),
        perm_id=integer(payload, "perm_id"),
        client_id=integer(payload, "client_id"),
        account=text(payload, "account"),
        symbol=text(payload, "symbol"),
        side=Side(text(payload, "side")),
        quantity=decimal(payload, "quantity"),
        price=decimal(payload, "price"),
        time_ns=integer(payload, "time_ns"),
    )


def commission_payload(commission: Commission) -> dict[str, object]:
    """Make the payload of a COMMISSION."""
    return {name: _plain(getattr(commission, name)) for name in _COMMISSION_FIELDS}


def commission_of(payload: Payload) -> Commission:
    """Read the commission of a COMMISSION payload."""
    return Commission(
        exec_id=text(payload, "exec_id"),
        amount=decimal(payload, "amount"),
        currency=text(payload, "currency"),
    )


def _plain(value: object) -> object:
    # A StrEnum is written by its value, a Decimal by its digits.
    return str(value) if isinstance(value, Decimal | str) else value


def _pairs(payload: Payload, key: str) -> tuple[tuple[str, str], ...]:
    value = payload.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise TypeError(f"{key} must be a list of pairs, not {value!r}")
    return tuple((str(name), str(text)) for name, text in value)


def text(payload: Payload, key: str) -> str:
    """Return the string under ``key``."""
    value = payload[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} must be a string, not {value!r}")
    return value


def integer(payload: Payload, key: str) -> int:
    """Return the integer under ``key``."""
    value = payload[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{key} must be an integer, not {value!r}")
    return value


def decimal(payload: Payload, key: str) -> Decimal:
    """Return the Decimal under ``key``."""
    return Decimal(text(payload, key))


def _optional_text(payload: Payload, key: str) -> str | None:
    return None if payload.get(key) is None else text(payload, key)


def _optional_decimal(payload: Payload, key: str) -> Decimal | None:
    return None if payload.get(key) is None else decimal(payload, key)


def _optional_integer(payload: Payload, key: str) -> int | None:
    return None if payload.get(key) is None else integer(payload, key)


def _optional_float(payload: Payload, key: str) -> float | None:
    value = payload.get(key)
    if value is None:
        return None
    if not isinstance(value, int | float):
        raise TypeError(f"{key} must be a number, not {value!r}")
    return float(value)
