"""Messages that a client may send, as frozen values. ``request_decoder`` reads them, ``place_order`` reads orders."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from paper_gateway.place_order import PlaceOrder


class Incoming(IntEnum):
    """Message ids of clients (``ibapi.message.OUT``; the last five are of newer clients)."""

    REQ_MKT_DATA = 1
    CANCEL_MKT_DATA = 2
    PLACE_ORDER = 3
    CANCEL_ORDER = 4
    REQ_OPEN_ORDERS = 5
    REQ_ACCOUNT_UPDATES = 6
    REQ_EXECUTIONS = 7
    REQ_IDS = 8
    REQ_CONTRACT_DETAILS = 9
    REQ_MKT_DEPTH = 10
    CANCEL_MKT_DEPTH = 11
    REQ_NEWS_BULLETINS = 12
    CANCEL_NEWS_BULLETINS = 13
    SET_SERVER_LOG_LEVEL = 14
    REQ_AUTO_OPEN_ORDERS = 15
    REQ_ALL_OPEN_ORDERS = 16
    REQ_MANAGED_ACCOUNTS = 17
    REQ_FA = 18
    REPLACE_FA = 19
    REQ_HISTORICAL_DATA = 20
    EXERCISE_OPTIONS = 21
    REQ_SCANNER_SUBSCRIPTION = 22
    CANCEL_SCANNER_SUBSCRIPTION = 23
    REQ_SCANNER_PARAMETERS = 24
    CANCEL_HISTORICAL_DATA = 25
    REQ_CURRENT_TIME = 49
    REQ_REAL_TIME_BARS = 50
    CANCEL_REAL_TIME_BARS = 51
    REQ_FUNDAMENTAL_DATA = 52
    CANCEL_FUNDAMENTAL_DATA = 53
    CALC_IMPLIED_VOLATILITY = 54
    CALC_OPTION_PRICE = 55
    CANCEL_CALC_IMPLIED_VOLATILITY = 56
    CANCEL_CALC_OPTION_PRICE = 57
    REQ_GLOBAL_CANCEL = 58
    REQ_MARKET_DATA_TYPE = 59
    REQ_POSITIONS = 61
    REQ_ACCOUNT_SUMMARY = 62
    CANCEL_ACCOUNT_SUMMARY = 63
    CANCEL_POSITIONS = 64
    QUERY_DISPLAY_GROUPS = 67
    START_API = 71
    REQ_POSITIONS_MULTI = 74
    CANCEL_POSITIONS_MULTI = 75
    REQ_ACCOUNT_UPDATES_MULTI = 76
    CANCEL_ACCOUNT_UPDATES_MULTI = 77
    REQ_SEC_DEF_OPT_PARAMS = 78
    REQ_SOFT_DOLLAR_TIERS = 79
    REQ_FAMILY_CODES = 80
    REQ_MATCHING_SYMBOLS = 81
    REQ_MKT_DEPTH_EXCHANGES = 82
    REQ_SMART_COMPONENTS = 83
    REQ_NEWS_ARTICLE = 84
    REQ_NEWS_PROVIDERS = 85
    REQ_HISTORICAL_NEWS = 86
    REQ_HEAD_TIMESTAMP = 87
    REQ_HISTOGRAM_DATA = 88
    CANCEL_HISTOGRAM_DATA = 89
    CANCEL_HEAD_TIMESTAMP = 90
    REQ_MARKET_RULE = 91
    REQ_PNL = 92
    CANCEL_PNL = 93
    REQ_PNL_SINGLE = 94
    CANCEL_PNL_SINGLE = 95
    REQ_HISTORICAL_TICKS = 96
    REQ_TICK_BY_TICK = 97
    CANCEL_TICK_BY_TICK = 98
    REQ_COMPLETED_ORDERS = 99
    REQ_WSH_META_DATA = 100
    CANCEL_WSH_META_DATA = 101
    REQ_WSH_EVENT_DATA = 102
    CANCEL_WSH_EVENT_DATA = 103
    REQ_USER_INFO = 104


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSpec:
    """A contract as a client describes it; any field may be empty."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartApi:
    """Ends the handshake: the client says who it is."""

    client_id: int
    optional_capabilities: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple:
    """A message that holds nothing but perhaps one number: an id, a flag, a type."""

    kind: Incoming
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDataRequest:
    """Level-one ticks; with ``snapshot`` one set of them."""

    request_id: int
    contract: ContractSpec
    generic_ticks: str = ""
    snapshot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTimeBarsRequest:
    """Five-second bars."""

    request_id: int
    contract: ContractSpec
    bar_size: int
    what_to_show: str
    regular_hours_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TickByTickRequest:
    """Every tick of one kind: Last, AllLast, BidAsk or MidPoint."""

    request_id: int
    contract: ContractSpec
    tick_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalDataRequest:
    """Bars of the past, and with ``keep_up_to_date`` those that follow."""

    request_id: int
    contract: ContractSpec
    end: str
    bar_size: str
    duration: str
    regular_hours_only: bool
    what_to_show: str
    format_date: int
    keep_up_to_date: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadTimestampRequest:
    """Asks for the first moment of which there are data."""

    request_id: int
    contract: ContractSpec
    format_date: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDetailsRequest:
    """Asks for all contracts that match."""

    request_id: int
    contract: ContractSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingSymbolsRequest:
    """Asks for symbols that begin with, or names that hold, a pattern."""

    request_id: int
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionsRequest:
    """Executions that pass a filter; an empty field or a client id of 0 filters nothing."""

    request_id: int
    client_id: int = 0
    account: str = ""
    time: str = ""
    symbol: str = ""
    sec_type: str = ""
    exchange: str = ""
    side: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdatesRequest:
    """Starts or ends the stream of account values and portfolio."""

    subscribe: bool
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRequest:
    """A request about one account: summary, PnL, positions or updates of the "multi" kind."""

    kind: Incoming
    request_id: int
    account: str = ""
    tags: str = ""
    con_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unserved:
    """A message that is known, or unknown, and has no service behind it. ``request_id`` is -1 when it has none."""

    kind: int
    request_id: int = -1


Request = (
    StartApi
    | Simple
    | MarketDataRequest
    | RealTimeBarsRequest
    | TickByTickRequest
    | HistoricalDataRequest
    | HeadTimestampRequest
    | ContractDetailsRequest
    | MatchingSymbolsRequest
    | ExecutionsRequest
    | AccountUpdatesRequest
    | AccountRequest
    | PlaceOrder
    | Unserved
)
