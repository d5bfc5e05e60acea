"""One client: handshake, dispatch of its messages, and the bytes that wait for it. Sans-IO."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum, auto
from time import time_ns

from paper_gateway import responses, times
from paper_gateway.account_service import AccountService
from paper_gateway.codec import (
    SERVER_VERSION,
    FrameReader,
    MalformedMessage,
    ProtocolViolation,
    decode_fields,
)
from paper_gateway.hub import AccountNews, Hub, StepData
from paper_gateway.market_service import MarketService
from paper_gateway.order_service import OrderService
from paper_gateway.place_order import PlaceOrder
from paper_gateway.request_decoder import decode_request
from paper_gateway.requests import (
    AccountRequest,
    AccountUpdatesRequest,
    ContractDetailsRequest,
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
from paper_gateway.types import BrokerageEvent, PositionChanged, RequestFailed

# Farm notices that TWS sends after the log-in; clients wait for them or count on them.
_NOTICES = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)
# Errors of services that this gateway doesn't offer, as TWS words them for an account without them.
_NOT_OFFERED = {
    Incoming.REQ_MKT_DEPTH: (
        10092,
        "Deep market data is not supported for this combination of security type/exchange",
    ),
    Incoming.REQ_FUNDAMENTAL_DATA: (10358, "Fundamentals data is not allowed"),
    Incoming.REQ_NEWS_ARTICLE: (10276, "News feed is not allowed"),
    Incoming.REQ_HISTORICAL_NEWS: (10276, "News feed is not allowed"),
    Incoming.REQ_HISTORICAL_TICKS: (10187, "Failed to request historical ticks:No historical ticks"),
    Incoming.REQ_SCANNER_SUBSCRIPTION: (162, "Historical Market Data Service error message:No scanners"),
    Incoming.REQ_WSH_META_DATA: (10276, "News feed is not allowed"),
    Incoming.REQ_WSH_EVENT_DATA: (10276, "News feed is not allowed"),
}


class Stage(Enum):
    """How far a client has come."""

    PREFIX = auto()
    VERSION = auto()
    START = auto()
    READY = auto()
    CLOSED = auto()


class ClientSession:
    """A client's side of the conversation.

    The server feeds ``receive`` and writes what ``take`` gives. ``closing`` says that nothing more follows, so the
    connection is to be closed once that is written.

    Parameters
    ----------
    hub
        What all sessions share.
    wake
        Called when bytes wait to be written.
    """

    def __init__(self, hub: Hub, wake: Callable[[], None] = lambda: None) -> None:
        self.client_id = -1
        self.stage = Stage.PREFIX
        self.closing = False
        self.close_reason = ""
        self.current_time_requests = 0
        self._hub = hub
        self._wake = wake
        self._reader = FrameReader()
        self._outbox: list[bytes] = []
        self._arrivals: deque[float] = deque()
        self._market = MarketService(hub, self.send)
        self._account = AccountService(hub, self.send)
        self._orders: OrderService | None = None
        self._handlers: dict[type[Request], Callable[..., None]] = {}
        self._simple: dict[Incoming, Callable[[Simple], None]] = {}

    # --- bytes -------------------------------------------------------------------------------------------

    @property
    def wants_bars(self) -> bool:
        """Whether the client receives five-second bars."""
        return self.stage is Stage.READY and self._market.wants_bars

    def send(self, data: bytes) -> None:
        """Queue one complete message."""
        if not self._outbox:
            self._wake()
        self._outbox.append(data)

    def take(self) -> bytes:
        """Everything queued so far, as one block."""
        block = b"".join(self._outbox)
        self._outbox.clear()
        return block

    def receive(self, data: bytes) -> None:
        """Take bytes from the client and do what they ask."""
        if not self.closing:
            self._reader.feed(data)
            try:
                self._read_on()
            except ProtocolViolation as problem:
                self.close(str(problem))

    def _read_on(self) -> None:
        if self.stage is Stage.PREFIX:
            if not self._reader.take_prefix():
                return
            self.stage = Stage.VERSION
        while not self.closing and (payload := self._reader.next()) is not None:
            self._hub.statistics.messages_in += 1
            self._on_payload(payload)

    def close(self, reason: str) -> None:
        """Ask for the connection to be closed after what is queued has been written."""
        if not self.closing:
            self.closing, self.close_reason = True, reason
            self._wake()

    def disconnected(self) -> None:
        """Free the client id: the connection is gone. Orders of the client go on working."""
        if self.stage is Stage.READY:
            self._hub.leave(self)
        self.stage, self.closing = Stage.CLOSED, True

    # --- handshake ---------------------------------------------------------------------------------------

    def _on_payload(self, payload: bytes) -> None:
        if self.stage is Stage.VERSION:
            self._on_version(payload)
            return
        if not self._is_within_rate():
            self.send(responses.error(-1, 100, "Max rate of messages per second has been exceeded"))
            self.close("the client sent more messages a second than allowed")
            return
        try:
            request = decode_request(payload)
            if self.stage is Stage.READY:
                self._dispatch(request)
            elif isinstance(request, StartApi):
                self._start(request.client_id)
            else:
                self.close("the client sent a request before startApi")
        except MalformedMessage as problem:
            self._hub.statistics.malformed += 1
            self.send(responses.error(_id_of(payload), 320, f"Error reading request: {problem}"))

    def _on_version(self, payload: bytes) -> None:
        """Answer ``v100..157 options`` with this server's version when it lies in the range."""
        text = payload.decode("ascii", "replace").partition(" ")[0]
        low, dots, high = text.removeprefix("v").partition("..")
        high = high if dots else low
        if not (low.isdecimal() and high.isdecimal() and len(low) <= 6 and len(high) <= 6):
            raise ProtocolViolation(f"the client's version range can't be read: {text[:40]!r}")
        if not int(low) <= SERVER_VERSION <= int(high):
            text = "The TWS is out of date and must be upgraded."
            self.send(responses.error(-1, 503, text))
            self.close(f"the client speaks versions {low} to {high}, the server {SERVER_VERSION}")
            return
        self.stage = Stage.START
        self.send(responses.handshake(SERVER_VERSION, times.connection_time(time_ns())))

    def _start(self, client_id: int) -> None:
        if client_id < 0:
            raise MalformedMessage(f"{client_id} isn't a client id")
        self.client_id = client_id
        if not self._hub.join(self):
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            self.send(responses.error(-1, 326, text))
            self.close(f"client id {client_id} is in use")
            return
        self._orders = OrderService(self._hub, self.send, client_id)
        self._handlers, self._simple = self._make_handlers(self._orders)
        self.stage = Stage.READY
        self.send(responses.managed_accounts(self._hub.settings.account))
        self.send(responses.next_valid_id(self._hub.next_order_id(client_id)))
        for code, text in _NOTICES:
            self.send(responses.error(-1, code, text))

    def _is_within_rate(self) -> bool:
        """Count a message of the last second; TWS drops a client that sends more than fifty."""
        limit = self._hub.settings.max_messages_per_second
        if not limit:
            return True
        now = self._hub.monotonic()
        self._arrivals.append(now)
        while now - self._arrivals[0] >= 1.0:
            self._arrivals.popleft()
        return len(self._arrivals) <= limit

    # --- dispatch ----------------------------------------------------------------------------------------

    def _make_handlers(
        self, orders: OrderService
    ) -> tuple[dict[type[Request], Callable[..., None]], dict[Incoming, Callable[[Simple], None]]]:
        market, account = self._market, self._account
        typed: dict[type[Request], Callable[..., None]] = {
            PlaceOrder: orders.place,
            ExecutionsRequest: orders.executions,
            MarketDataRequest: market.market_data,
            RealTimeBarsRequest: market.real_time_bars,
            TickByTickRequest: market.tick_by_tick,
            HistoricalDataRequest: market.historical_data,
            HeadTimestampRequest: market.head_timestamp,
            ContractDetailsRequest: market.contract_details,
            MatchingSymbolsRequest: market.matching_symbols,
            AccountUpdatesRequest: account.request_updates,
            AccountRequest: account.request,
            StartApi: self._refuse_second_start,
            Unserved: self._on_unserved,
            Simple: self._on_simple,
        }
        simple: dict[Incoming, Callable[[Simple], None]] = {
            Incoming.CANCEL_ORDER: orders.cancel,
            Incoming.REQ_GLOBAL_CANCEL: orders.global_cancel,
            Incoming.REQ_OPEN_ORDERS: orders.own_open_orders,
            Incoming.REQ_ALL_OPEN_ORDERS: orders.all_open_orders,
            Incoming.REQ_AUTO_OPEN_ORDERS: orders.auto_open_orders,
            Incoming.REQ_COMPLETED_ORDERS: orders.completed_orders,
            Incoming.REQ_POSITIONS: account.request_positions,
            Incoming.CANCEL_POSITIONS: account.cancel,
            Incoming.CANCEL_ACCOUNT_SUMMARY: account.cancel,
            Incoming.CANCEL_ACCOUNT_UPDATES_MULTI: account.cancel,
            Incoming.CANCEL_POSITIONS_MULTI: account.cancel,
            Incoming.CANCEL_PNL: account.cancel,
            Incoming.CANCEL_PNL_SINGLE: account.cancel,
            Incoming.REQ_MARKET_DATA_TYPE: market.set_data_type,
            Incoming.REQ_MARKET_RULE: market.market_rule,
            Incoming.CANCEL_MKT_DATA: market.cancel,
            Incoming.CANCEL_REAL_TIME_BARS: market.cancel,
            Incoming.CANCEL_TICK_BY_TICK: market.cancel,
            Incoming.CANCEL_HISTORICAL_DATA: market.cancel,
            Incoming.REQ_CURRENT_TIME: self._current_time,
            Incoming.REQ_IDS: self._next_id,
            Incoming.REQ_MANAGED_ACCOUNTS: self._managed_accounts,
        }
        return typed, simple

    def _dispatch(self, request: Request) -> None:
        faults = self._hub.faults
        if faults is not None and not faults.answers(self.client_id, request):
            return
        self._handlers[type(request)](request)

    def _on_simple(self, request: Simple) -> None:
        handler = self._simple.get(request.kind)
        if handler is not None:
            handler(request)
            return
        answer = _empty_answer(request, self._hub.settings.account)
        if answer is not None:
            self.send(answer)

    def _current_time(self, _request: Simple) -> None:
        """Answer with market time. In a replay with barriers it also says: I have worked up to here."""
        self.current_time_requests += 1
        self.send(responses.current_time(self._hub.market.now_ns // 1_000_000_000))

    def _next_id(self, _request: Simple) -> None:
        self.send(responses.next_valid_id(self._hub.next_order_id(self.client_id)))

    def _managed_accounts(self, _request: Simple) -> None:
        self.send(responses.managed_accounts(self._hub.settings.account))

    def _refuse_second_start(self, _request: StartApi) -> None:
        raise MalformedMessage("startApi was sent before")

    def _on_unserved(self, request: Unserved) -> None:
        if request.kind == Incoming.REQ_SCANNER_PARAMETERS:
            self.send(responses.scanner_parameters())
            return
        code, text = next(
            (answer for kind, answer in _NOT_OFFERED.items() if kind == request.kind),
            (321, f"Error validating request : cause - message {request.kind} isn't served"),
        )
        self.send(responses.error(request.request_id, code, text))

    # --- news (hub.Subscriber) ---------------------------------------------------------------------------

    def on_brokerage_event(self, event: BrokerageEvent) -> None:
        """Tell the client of one event that it may see."""
        if isinstance(event, RequestFailed):
            self.send(responses.error(event.request_id, event.code, event.message))
        elif isinstance(event, PositionChanged):
            self._account.on_position(event.position)
        elif self._orders is not None:
            self._orders.on_event(event)

    def drop_streams(self) -> None:
        """Forget every market data subscription."""
        self._market.drop_streams()

    def on_step(self, step: Sequence[StepData]) -> None:
        """Send bars and quotes to those subscriptions that want them."""
        self._market.on_step(step)

    def on_account(self, news: AccountNews) -> None:
        """Send account values and profit and loss to those subscriptions that want them."""
        self._account.on_account(news)


def _empty_answer(request: Simple, account: str) -> bytes | None:
    """Answer of lists that are always empty here; None for messages that need no answer."""
    number = request.number
    makers: dict[Incoming, Callable[[], bytes]] = {
        Incoming.REQ_SEC_DEF_OPT_PARAMS: lambda: responses.option_parameters_end(number),
        Incoming.REQ_SOFT_DOLLAR_TIERS: lambda: responses.soft_dollar_tiers(number),
        Incoming.REQ_FAMILY_CODES: lambda: responses.family_codes(account),
        Incoming.REQ_MKT_DEPTH_EXCHANGES: responses.depth_exchanges,
        Incoming.REQ_SMART_COMPONENTS: lambda: responses.smart_components(number),
        Incoming.REQ_NEWS_PROVIDERS: responses.news_providers,
        Incoming.QUERY_DISPLAY_GROUPS: lambda: responses.display_groups(number),
        Incoming.REQ_USER_INFO: lambda: responses.user_info(number),
    }
    maker = makers.get(request.kind)
    return None if maker is None else maker()


def _id_of(payload: bytes) -> int:
    """Order id of a malformed order, so that its client learns which one; else -1."""
    try:
        fields = decode_fields(payload)
    except MalformedMessage:
        return -1
    is_order = len(fields) > 1 and fields[0] == str(Incoming.PLACE_ORDER.value)
    return int(fields[1]) if is_order and fields[1].isdecimal() and len(fields[1]) < 10 else -1
