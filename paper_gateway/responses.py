"""Messages to clients, as bytes ready for the socket; orders have their own file (``open_order``).

Layouts: ``ibapi.decoder`` 9.81 at server version 157 (the handlers it calls "with signature" take every field behind
the version as an argument). ib_async 2.1 and ib_insync 0.9.86 read the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from paper_gateway.codec import UNSET_DOUBLE, Field, message
from paper_gateway.types import CommissionView, ExecutionView, Instrument, OrderView, PositionView

ORDER_TYPES = "DAY,GTC,LMT,LOC,MKT,MOC,STP,STPLMT,TRAIL,WHATIF"


def handshake(server_version: int, connection_time: str) -> bytes:
    """Answer to the client's version range."""
    return message(server_version, connection_time)


def error(request_id: int, code: int, text: str) -> bytes:
    """Build errMsg; ``request_id`` is -1 when it concerns the connection."""
    return message(4, 2, request_id, code, text)


def managed_accounts(account: str) -> bytes:
    """Build managedAccts."""
    return message(15, 1, account)


def next_valid_id(order_id: int) -> bytes:
    """Build nextValidId."""
    return message(9, 1, order_id)


def current_time(seconds: int) -> bytes:
    """Build currentTime, seconds since the epoch."""
    return message(49, 1, seconds)


# --- market data -----------------------------------------------------------------------------------------


def market_data_type(request_id: int, data_type: int) -> bytes:
    """Build marketDataType: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""
    return message(58, 1, request_id, data_type)


def tick_parameters(request_id: int, min_tick: Decimal) -> bytes:
    """Build tickReqParams."""
    return message(81, request_id, min_tick, "9c0001", 3)


def tick_snapshot_end(request_id: int) -> bytes:
    """Build tickSnapshotEnd."""
    return message(57, 1, request_id)


def historical_data(request_id: int, start: str, end: str, rows: Sequence[Sequence[Field]]) -> bytes:
    """Build historicalData; a row is date, open, high, low, close, volume, average price, count."""
    flat = [field for row in rows for field in row]
    return message(17, request_id, start, end, len(rows), *flat)


def historical_data_update(request_id: int, row: Sequence[Field]) -> bytes:
    """Build historicalDataUpdate from a row as in ``historical_data``; here the fields stand in another order."""
    date, open_, high, low, close, volume, average, count = row
    return message(90, request_id, count, date, open_, close, high, low, average, volume)


def head_timestamp(request_id: int, text: str) -> bytes:
    """Build headTimestamp."""
    return message(88, request_id, text)


# --- contracts -------------------------------------------------------------------------------------------


def contract_details(request_id: int, instrument: Instrument, hours: str) -> bytes:
    """Build contractData; ``hours`` are the regular sessions as ``20200102:0930-20200102:1600;...``."""
    symbol, exchange = instrument.symbol, instrument.primary_exchange
    return message(
        *(10, 8, request_id, symbol, "STK", "", 0, "", "SMART", instrument.currency, symbol, symbol, symbol),
        *(instrument.con_id, instrument.min_tick, 100, "", ORDER_TYPES, f"SMART,{exchange}", 1, 0),
        *(instrument.long_name, exchange, "", "", "", "", "US/Eastern", hours, hours),
        *("", 0, 0),  # economic value rule and multiplier, number of security ids
        *(1, "", "", "26,26", "", "COMMON"),
    )


def contract_details_end(request_id: int) -> bytes:
    """Build contractDetailsEnd."""
    return message(52, 1, request_id)


def symbol_samples(request_id: int, instruments: Sequence[Instrument]) -> bytes:
    """Build symbolSamples: stocks, without derivatives."""
    rows: list[Field] = []
    for one in instruments:
        rows += [one.con_id, one.symbol, "STK", one.primary_exchange, one.currency, 0]
    return message(79, request_id, len(instruments), *rows)


def market_rule(rule_id: int, increments: Sequence[tuple[Decimal, Decimal]]) -> bytes:
    """Build marketRule from pairs of lowest price and price increment."""
    return message(93, rule_id, len(increments), *[field for pair in increments for field in pair])


# --- orders ----------------------------------------------------------------------------------------------


def order_status(order: OrderView) -> bytes:
    """Build orderStatus."""
    ticket = order.ticket
    return message(
        *(3, ticket.order_id, order.state.value, order.filled, order.remaining, order.average_fill_price),
        *(order.perm_id, ticket.parent_id, order.last_fill_price, ticket.client_id, order.why_held, 0),
    )


def open_order_end() -> bytes:
    """Build openOrderEnd."""
    return message(53, 1)


def completed_orders_end() -> bytes:
    """Build completedOrdersEnd."""
    return message(102)


def execution(request_id: int, view: ExecutionView, instrument: Instrument, time: str) -> bytes:
    """Build execDetails; ``request_id`` is -1 for a live one, ``time`` is local to the exchange."""
    return message(
        *(11, request_id, view.order_id, instrument.con_id, view.symbol, "STK", "", 0, "", "", view.exchange),
        *(instrument.currency, view.symbol, view.symbol, view.exec_id, time, view.account, view.exchange),
        *(view.side, view.quantity, view.price, view.perm_id, view.client_id, view.liquidation),
        *(view.cumulative_quantity, view.average_price, view.order_ref, "", "", "", view.last_liquidity),
    )


def executions_end(request_id: int) -> bytes:
    """Build execDetailsEnd."""
    return message(55, 1, request_id)


def commission(view: CommissionView) -> bytes:
    """Build commissionReport."""
    realized: Field = UNSET_DOUBLE if view.realized_pnl is None else view.realized_pnl
    return message(59, 1, view.exec_id, view.amount, view.currency, realized, UNSET_DOUBLE, "")


# --- account ---------------------------------------------------------------------------------------------


def _position_contract(instrument: Instrument) -> tuple[Field, ...]:
    symbol = instrument.symbol
    exchange = instrument.primary_exchange
    return (instrument.con_id, symbol, "STK", "", 0, "", "", exchange, instrument.currency, symbol, symbol)


def account_value(account: str, key: str, value: str, currency: str) -> bytes:
    """Build updateAccountValue."""
    return message(6, 2, key, value, currency, account)


def portfolio_value(account: str, view: PositionView, instrument: Instrument) -> bytes:
    """Build updatePortfolio."""
    return message(
        *(7, 8, *_position_contract(instrument), view.quantity, view.market_price, view.market_value),
        *(view.average_cost, view.unrealized_pnl, view.realized_pnl, account),
    )


def account_time(text: str) -> bytes:
    """Build updateAccountTime; ``HH:MM``."""
    return message(8, 1, text)


def account_download_end(account: str) -> bytes:
    """Build accountDownloadEnd."""
    return message(54, 1, account)


def account_summary(request_id: int, account: str, tag: str, value: str, currency: str) -> bytes:
    """Build accountSummary."""
    return message(63, 1, request_id, account, tag, value, currency)


def account_summary_end(request_id: int) -> bytes:
    """Build accountSummaryEnd."""
    return message(64, 1, request_id)


def account_update_multi(request_id: int, account: str, key: str, value: str, currency: str) -> bytes:
    """Build accountUpdateMulti."""
    return message(73, 1, request_id, account, "", key, value, currency)


def account_update_multi_end(request_id: int) -> bytes:
    """Build accountUpdateMultiEnd."""
    return message(74, 1, request_id)


def position(account: str, view: PositionView, instrument: Instrument) -> bytes:
    """Build position."""
    return message(61, 3, account, *_position_contract(instrument), view.quantity, view.average_cost)


def position_end() -> bytes:
    """Build positionEnd."""
    return message(62, 1)


def position_multi(request_id: int, account: str, view: PositionView, instrument: Instrument) -> bytes:
    """Build positionMulti."""
    return message(
        71, 1, request_id, account, *_position_contract(instrument), view.quantity, view.average_cost, ""
    )


def position_multi_end(request_id: int) -> bytes:
    """Build positionMultiEnd."""
    return message(72, 1, request_id)


def profit_and_loss(request_id: int, daily: Decimal, unrealized: Decimal, realized: Decimal) -> bytes:
    """Build pnl."""
    return message(94, request_id, daily, unrealized, realized)


def profit_and_loss_single(request_id: int, view: PositionView | None) -> bytes:
    """Build pnlSingle; a position that the account doesn't have reads zero.

    The daily figure is not kept by position and reads "unset", as TWS sends it when it can't be computed.
    """
    if view is None:
        return message(95, request_id, 0, UNSET_DOUBLE, 0, 0, 0)
    # The official client reads the position as an integer here.
    pnl = (UNSET_DOUBLE, view.unrealized_pnl, view.realized_pnl)
    return message(95, request_id, int(view.quantity), *pnl, view.market_value)


# --- lists that are empty here ---------------------------------------------------------------------------


def option_parameters_end(request_id: int) -> bytes:
    """Build securityDefinitionOptionParameterEnd: no options are listed."""
    return message(76, request_id)


def soft_dollar_tiers(request_id: int) -> bytes:
    """Build softDollarTiers without any."""
    return message(77, request_id, 0)


def family_codes(account: str) -> bytes:
    """Build familyCodes: one account, without a family."""
    return message(78, 1, account, "")


def depth_exchanges() -> bytes:
    """Build mktDepthExchanges without any."""
    return message(80, 0)


def smart_components(request_id: int) -> bytes:
    """Build smartComponents without any."""
    return message(82, request_id, 0)


def news_providers() -> bytes:
    """Build newsProviders without any."""
    return message(85, 0)


def display_groups(request_id: int) -> bytes:
    """Build displayGroupList without any."""
    return message(67, 1, request_id, "")


def scanner_parameters() -> bytes:
    """Build scannerParameters: an empty document, for there are no scanners."""
    return message(19, 1, '<?xml version="1.0" encoding="UTF-8"?><ScanParameterResponse/>')


def user_info(request_id: int) -> bytes:
    """Build userInfo: no white-branding id."""
    return message(107, request_id, "")
