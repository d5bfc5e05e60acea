"""Between ibapi's objects and ours: pure functions, no state."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ibapi.common import UNSET_DOUBLE
from ibapi.contract import Contract
from ibapi.order import Order as IbOrder
from ibapi.tag_value import TagValue

from core.events import Execution, OpenOrderReport, Order, PositionReport
from core.ib_wrapper.oca import OcaGroup
from core.ib_wrapper.types import ContractInfo
from core.vocabulary import BrokerStatus, OrderType, Side

_CURRENCY: Final = "USD"
_PEGGED: Final = frozenset({OrderType.RELATIVE, OrderType.PEGGED_TO_MIDPOINT})
_PEGGED_TEXTS: Final = frozenset(one.value for one in _PEGGED)
_STATUSES: Final = {status.value: status for status in BrokerStatus}
_SIDES: Final = {"BOT": Side.BUY, "BUY": Side.BUY, "SLD": Side.SELL, "SELL": Side.SELL, "SSHORT": Side.SELL}
_BAR_SIZES: Final = {
    1: "1 secs", 5: "5 secs", 10: "10 secs", 15: "15 secs", 30: "30 secs", 60: "1 min", 120: "2 mins",
    180: "3 mins", 300: "5 mins", 600: "10 mins", 900: "15 mins", 1200: "20 mins", 1800: "30 mins",
    3600: "1 hour", 7200: "2 hours", 14400: "4 hours", 28800: "8 hours", 86400: "1 day",
}  # fmt: skip


def is_set(value: float | None) -> bool:
    """Whether ibapi really gave a number: neither its sentinel for "unset" nor NaN nor infinite."""
    return value is not None and math.isfinite(value) and abs(value) < UNSET_DOUBLE


def to_decimal(value: float) -> Decimal:
    """Shortest decimal that stands for a float; whole numbers without a fraction.

    Raises
    ------
    ValueError
        If the number is unset or not finite.
    """
    if not is_set(value):
        raise ValueError(f"not a number of the broker: {value}")
    return Decimal(int(value)) if float(value).is_integer() else Decimal(repr(float(value)))


def parse_decimal(text: str) -> Decimal | None:
    """Decimal of an account value; None for text, an unset or a non-finite number."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) < Decimal("1e300") else None


def price_or_none(value: float) -> Decimal | None:
    """Price of an order; None when it has none (unset, or 0 as TWS writes it for a market order)."""
    return to_decimal(value) if is_set(value) and value != 0 else None


def side_of(action: str) -> Side:
    """Side of an order's action or of an execution.

    Raises
    ------
    ValueError
        If it is neither a buy nor a sell.
    """
    try:
        return _SIDES[action]
    except KeyError:
        raise ValueError(f"not a side: {action!r}") from None


def status_of(text: str) -> BrokerStatus:
    """Status by name; one that we don't know is UNKNOWN, never an error."""
    return _STATUSES.get(text, BrokerStatus.UNKNOWN)


def symbol_of(contract: Any) -> str:  # noqa: ANN401 (an ibapi Contract)
    """Symbol of a stock in our currency; anything else gets a name that can't be taken for one.

    A symbol names another company on another exchange: a position in SAP in Frankfurt must never be closed in New York.
    """
    if contract.secType in {"STK", ""}:
        if contract.currency in {_CURRENCY, ""}:
            return str(contract.symbol)
        return f"{contract.symbol} (STK {contract.currency})"
    return f"{contract.localSymbol or contract.symbol} ({contract.secType})"


def bar_size_text(bar_size_s: int) -> str:
    """Bar size as TWS spells it.

    Raises
    ------
    ValueError
        If TWS has no bars of that size.
    """
    try:
        return _BAR_SIZES[bar_size_s]
    except KeyError:
        raise ValueError(f"TWS has no bars of {bar_size_s} s; it has {sorted(_BAR_SIZES)}") from None


def stock(symbol: str, *, con_id: int, exchange: str, primary_exchange: str, currency: str) -> Contract:
    """Contract of a stock for ibapi; ``con_id`` 0 when it isn't known yet."""
    contract = Contract()
    contract.conId = con_id
    contract.symbol = symbol
    contract.secType = "STK"
    contract.exchange = exchange
    contract.primaryExchange = primary_exchange
    contract.currency = currency
    return contract


def group_of(order: Any) -> OcaGroup:  # noqa: ANN401 (an ibapi Order)
    """OCA group of an order as the broker has it."""
    return OcaGroup(str(order.ocaGroup), int(order.ocaType))


def ib_order(
    order: Order,
    *,
    order_id: int,
    account: str,
    parent_id: int | None,
    transmit: bool,
    group: OcaGroup | None = None,
) -> IbOrder:
    """Order of ours for ibapi. Decimals go out as the text that they are, never through a float."""
    wanted = IbOrder()
    wanted.orderId = order_id
    wanted.action = order.side.value
    wanted.totalQuantity = format(order.quantity, "f")
    wanted.orderType = order.order_type.value
    wanted.tif = order.time_in_force.value
    wanted.orderRef = order.order_ref
    wanted.account = account
    wanted.transmit = transmit
    wanted.parentId = parent_id or 0
    if order.limit_price is not None:
        wanted.lmtPrice = format(order.limit_price, "f")
    if order.order_type is OrderType.TRAIL:
        if order.trailing_amount is not None:
            wanted.auxPrice = format(order.trailing_amount, "f")
        if order.stop_price is not None:
            wanted.trailStopPrice = format(order.stop_price, "f")
    elif order.order_type in _PEGGED:  # MIDPRICE has no offset
        wanted.auxPrice = format(order.peg_offset or Decimal(0), "f")
    elif order.stop_price is not None:
        wanted.auxPrice = format(order.stop_price, "f")
    if order.algo is not None:
        wanted.algoStrategy = order.algo
        wanted.algoParams = [TagValue(key, value) for key, value in order.algo_params]
    if group is not None:
        wanted.ocaGroup = group.name
        wanted.ocaType = group.kind
    # ibapi 9.81 sets these by default and every TWS since 10.1 rejects an order that carries them (error 10268).
    wanted.eTradeOnly = False
    wanted.firmQuoteOnly = False
    return wanted


def open_order(order_id: int, contract: Any, order: Any, state: Any) -> OpenOrderReport:  # noqa: ANN401 (ibapi)
    """Report of one ``openOrder`` callback."""
    is_pegged = order.orderType in _PEGGED_TEXTS
    trails = order.orderType == OrderType.TRAIL.value
    aux_price = price_or_none(order.auxPrice)
    stop_price = price_or_none(order.trailStopPrice) if trails else aux_price
    return OpenOrderReport(
        order_ref=order.orderRef,
        order_id=order_id,
        perm_id=order.permId,
        client_id=order.clientId,
        symbol=symbol_of(contract),
        side=side_of(order.action),
        quantity=to_decimal(order.totalQuantity),
        order_type=order.orderType,
        status=status_of(state.status),
        limit_price=price_or_none(order.lmtPrice),
        stop_price=None if is_pegged else stop_price,
        trailing_amount=aux_price if trails else None,
        peg_offset=aux_price if is_pegged else None,
        algo=str(order.algoStrategy or ""),
        algo_params=tuple((str(one.tag), str(one.value)) for one in order.algoParams or ()),
    )


def execution(contract: Any, report: Any, time_ns: int) -> Execution:  # noqa: ANN401 (ibapi)
    """Report of one ``execDetails`` callback."""
    return Execution(
        exec_id=report.execId,
        order_ref=report.orderRef,
        order_id=report.orderId,
        perm_id=report.permId,
        client_id=report.clientId,
        account=report.acctNumber,
        symbol=symbol_of(contract),
        side=side_of(report.side),
        quantity=to_decimal(report.shares),
        price=to_decimal(report.price),
        time_ns=time_ns,
    )


def position(account: str, contract: Any, quantity: float, average_cost: float) -> PositionReport:  # noqa: ANN401
    """Report of one ``position`` callback."""
    return PositionReport(
        account=account,
        symbol=symbol_of(contract),
        quantity=to_decimal(quantity),
        average_cost=to_decimal(average_cost) if is_set(average_cost) else Decimal(0),
    )


def contract_info(details: Any) -> ContractInfo:  # noqa: ANN401 (an ibapi ContractDetails)
    """Report of one ``contractDetails`` callback."""
    contract = details.contract
    return ContractInfo(
        symbol=symbol_of(contract),
        con_id=contract.conId,
        min_tick=to_decimal(details.minTick),
        long_name=details.longName,
        primary_exchange=contract.primaryExchange,
        currency=contract.currency,
        time_zone=details.timeZoneId,
        trading_hours=details.tradingHours,
        liquid_hours=details.liquidHours,
    )
