"""Decodes the messages of clients. Layouts: the senders in ``ibapi.client``, at server version 157.

A message that this gateway has no use for decodes to ``Unserved``, so that its sender gets an answer instead of
silence. Fields behind those that are read are let go: newer clients may append some.
"""

from __future__ import annotations

from collections.abc import Callable

from paper_gateway.codec import FieldReader, MalformedMessage, decode_fields
from paper_gateway.place_order import decode_place_order
from paper_gateway.requests import (
    AccountRequest,
    AccountUpdatesRequest,
    ContractDetailsRequest,
    ContractSpec,
    ExecutionsRequest,
    HeadTimestampRequest,
    HistoricalDataRequest,
    Incoming,
    MarketDataRequest,
    MatchingSymbolsRequest,
    RealTimeBarsRequest,
    Request,
    Simple,
    StartApi,
    TickByTickRequest,
    Unserved,
)

Decode = Callable[[FieldReader], Request]


def _contract(reader: FieldReader) -> ContractSpec:
    con_id = reader.integer()
    symbol, sec_type = reader.text(), reader.text()
    reader.skip(4)  # expiry, strike, right, multiplier: of derivatives only
    spec = ContractSpec(
        con_id=con_id,
        symbol=symbol,
        sec_type=sec_type,
        exchange=reader.text(),
        primary_exchange=reader.text(),
        currency=reader.text(),
        local_symbol=reader.text(),
    )
    reader.skip()  # trading class
    return spec


def _skip_legs(reader: FieldReader, contract: ContractSpec) -> None:
    if contract.sec_type == "BAG":
        reader.skip(4 * reader.integer())


def _start_api(reader: FieldReader) -> Request:
    reader.skip()
    client_id = reader.integer()
    return StartApi(client_id=client_id, optional_capabilities=reader.text() if reader.left else "")


def _market_data(reader: FieldReader) -> Request:
    reader.skip()
    request_id, contract = reader.integer(), _contract(reader)
    _skip_legs(reader, contract)
    if reader.boolean():  # a delta-neutral contract follows
        reader.skip(3)
    return MarketDataRequest(
        request_id=request_id, contract=contract, generic_ticks=reader.text(), snapshot=reader.boolean()
    )


def _real_time_bars(reader: FieldReader) -> Request:
    reader.skip()
    return RealTimeBarsRequest(
        request_id=reader.integer(),
        contract=_contract(reader),
        bar_size=reader.integer(),
        what_to_show=reader.text(),
        regular_hours_only=reader.boolean(),
    )


def _tick_by_tick(reader: FieldReader) -> Request:
    return TickByTickRequest(request_id=reader.integer(), contract=_contract(reader), tick_type=reader.text())


def _historical_data(reader: FieldReader) -> Request:
    request_id, contract = reader.integer(), _contract(reader)
    reader.skip()  # includeExpired
    end, bar_size, duration = reader.text(), reader.text(), reader.text()
    regular_hours_only, what_to_show, format_date = reader.boolean(), reader.text(), reader.integer(1)
    _skip_legs(reader, contract)
    return HistoricalDataRequest(
        request_id=request_id,
        contract=contract,
        end=end,
        bar_size=bar_size,
        duration=duration,
        regular_hours_only=regular_hours_only,
        what_to_show=what_to_show,
        format_date=format_date,
        keep_up_to_date=reader.boolean(),
    )


def _head_timestamp(reader: FieldReader) -> Request:
    request_id, contract = reader.integer(), _contract(reader)
    reader.skip(3)  # includeExpired, useRTH, whatToShow
    return HeadTimestampRequest(request_id=request_id, contract=contract, format_date=reader.integer(1))


def _contract_details(reader: FieldReader) -> Request:
    reader.skip()
    return ContractDetailsRequest(request_id=reader.integer(), contract=_contract(reader))


def _matching_symbols(reader: FieldReader) -> Request:
    return MatchingSymbolsRequest(request_id=reader.integer(), pattern=reader.text())


def _executions(reader: FieldReader) -> Request:
    reader.skip()
    return ExecutionsRequest(
        request_id=reader.integer(),
        client_id=reader.integer(),
        account=reader.text(),
        time=reader.text(),
        symbol=reader.text(),
        sec_type=reader.text(),
        exchange=reader.text(),
        side=reader.text(),
    )


def _account_updates(reader: FieldReader) -> Request:
    reader.skip()
    return AccountUpdatesRequest(subscribe=reader.boolean(), account=reader.text())


def _account_summary(reader: FieldReader) -> Request:
    reader.skip()
    request_id = reader.integer()
    reader.skip()  # group: there is one account
    return AccountRequest(kind=Incoming.REQ_ACCOUNT_SUMMARY, request_id=request_id, tags=reader.text())


def _account_multi(kind: Incoming) -> Decode:
    def decode(reader: FieldReader) -> Request:
        reader.skip()
        return AccountRequest(kind=kind, request_id=reader.integer(), account=reader.text())

    return decode


def _pnl(reader: FieldReader) -> Request:
    return AccountRequest(kind=Incoming.REQ_PNL, request_id=reader.integer(), account=reader.text())


def _pnl_single(reader: FieldReader) -> Request:
    request_id, account = reader.integer(), reader.text()
    reader.skip()  # model code
    return AccountRequest(
        kind=Incoming.REQ_PNL_SINGLE, request_id=request_id, account=account, con_id=reader.integer()
    )


def _simple(kind: Incoming, *, versioned: bool, number: bool) -> Decode:
    """Make a decoder of a message that holds a version (perhaps) and a number (perhaps)."""

    def decode(reader: FieldReader) -> Request:
        if versioned:
            reader.skip()
        if not number:
            return Simple(kind=kind)
        text = reader.text()
        if text in {"True", "False"}:  # ib_insync writes flags this way in some messages
            return Simple(kind=kind, number=int(text == "True"))
        return Simple(kind=kind, number=FieldReader((text,)).integer())

    return decode


def _unserved(kind: Incoming, *, id_at: int) -> Decode:
    """Make a decoder of a message that is not served; ``id_at`` is the place of its request id (-1: it has none)."""

    def decode(reader: FieldReader) -> Request:
        if id_at < 0:
            return Unserved(kind=kind)
        reader.skip(id_at)
        return Unserved(kind=kind, request_id=reader.integer(-1))

    return decode


_VERSIONED_ID = (
    Incoming.CANCEL_MKT_DATA,
    Incoming.CANCEL_ORDER,
    Incoming.REQ_IDS,
    Incoming.SET_SERVER_LOG_LEVEL,
    Incoming.REQ_AUTO_OPEN_ORDERS,
    Incoming.CANCEL_HISTORICAL_DATA,
    Incoming.CANCEL_REAL_TIME_BARS,
    Incoming.REQ_MARKET_DATA_TYPE,
    Incoming.CANCEL_ACCOUNT_SUMMARY,
    Incoming.CANCEL_POSITIONS_MULTI,
    Incoming.CANCEL_ACCOUNT_UPDATES_MULTI,
    Incoming.QUERY_DISPLAY_GROUPS,
    Incoming.REQ_NEWS_BULLETINS,
)
_VERSIONED = (
    Incoming.REQ_OPEN_ORDERS,
    Incoming.CANCEL_NEWS_BULLETINS,
    Incoming.REQ_ALL_OPEN_ORDERS,
    Incoming.REQ_MANAGED_ACCOUNTS,
    Incoming.REQ_CURRENT_TIME,
    Incoming.REQ_GLOBAL_CANCEL,
    Incoming.REQ_POSITIONS,
    Incoming.CANCEL_POSITIONS,
)
_PLAIN_ID = (
    Incoming.REQ_SEC_DEF_OPT_PARAMS,
    Incoming.REQ_SOFT_DOLLAR_TIERS,
    Incoming.REQ_SMART_COMPONENTS,
    Incoming.CANCEL_HEAD_TIMESTAMP,
    Incoming.REQ_MARKET_RULE,
    Incoming.CANCEL_PNL,
    Incoming.CANCEL_PNL_SINGLE,
    Incoming.CANCEL_TICK_BY_TICK,
    Incoming.REQ_COMPLETED_ORDERS,
    Incoming.REQ_USER_INFO,
)
_PLAIN = (Incoming.REQ_FAMILY_CODES, Incoming.REQ_MKT_DEPTH_EXCHANGES, Incoming.REQ_NEWS_PROVIDERS)

# Messages that are not served: where their request id stands (-1: they have none).
_UNSERVED = {
    Incoming.REQ_MKT_DEPTH: 1,
    Incoming.REQ_FA: -1,
    Incoming.REPLACE_FA: -1,
    Incoming.EXERCISE_OPTIONS: 1,
    Incoming.REQ_SCANNER_SUBSCRIPTION: 0,
    Incoming.REQ_SCANNER_PARAMETERS: -1,
    Incoming.REQ_FUNDAMENTAL_DATA: 1,
    Incoming.CALC_IMPLIED_VOLATILITY: 1,
    Incoming.CALC_OPTION_PRICE: 1,
    Incoming.REQ_NEWS_ARTICLE: 0,
    Incoming.REQ_HISTORICAL_NEWS: 0,
    Incoming.REQ_HISTOGRAM_DATA: 0,
    Incoming.REQ_HISTORICAL_TICKS: 0,
    Incoming.REQ_WSH_META_DATA: 0,
    Incoming.REQ_WSH_EVENT_DATA: 0,
}

_DECODERS: dict[int, Decode] = {
    **{kind: _simple(kind, versioned=True, number=True) for kind in _VERSIONED_ID},
    **{kind: _simple(kind, versioned=True, number=False) for kind in _VERSIONED},
    **{kind: _simple(kind, versioned=False, number=True) for kind in _PLAIN_ID},
    **{kind: _simple(kind, versioned=False, number=False) for kind in _PLAIN},
    **{kind: _unserved(kind, id_at=place) for kind, place in _UNSERVED.items()},
    Incoming.START_API: _start_api,
    Incoming.REQ_MKT_DATA: _market_data,
    Incoming.REQ_REAL_TIME_BARS: _real_time_bars,
    Incoming.REQ_TICK_BY_TICK: _tick_by_tick,
    Incoming.REQ_HISTORICAL_DATA: _historical_data,
    Incoming.REQ_HEAD_TIMESTAMP: _head_timestamp,
    Incoming.REQ_CONTRACT_DETAILS: _contract_details,
    Incoming.REQ_MATCHING_SYMBOLS: _matching_symbols,
    Incoming.REQ_EXECUTIONS: _executions,
    Incoming.REQ_ACCOUNT_UPDATES: _account_updates,
    Incoming.REQ_ACCOUNT_SUMMARY: _account_summary,
    Incoming.REQ_POSITIONS_MULTI: _account_multi(Incoming.REQ_POSITIONS_MULTI),
    Incoming.REQ_ACCOUNT_UPDATES_MULTI: _account_multi(Incoming.REQ_ACCOUNT_UPDATES_MULTI),
    Incoming.REQ_PNL: _pnl,
    Incoming.REQ_PNL_SINGLE: _pnl_single,
    Incoming.PLACE_ORDER: decode_place_order,
}


def decode_request(payload: bytes) -> Request:
    """Decode one message of a client.

    Raises
    ------
    MalformedMessage
        When it can't be read.
    """
    reader = FieldReader(decode_fields(payload))
    text = reader.text()
    if not text.isdecimal() or len(text) > 9:
        raise MalformedMessage(f"{text[:40]!r} isn't a message id")
    kind = int(text)
    decoder = _DECODERS.get(kind)
    return Unserved(kind=kind) if decoder is None else decoder(reader)
