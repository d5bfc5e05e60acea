"""Does what the table of ``error_codes`` says about a code that came."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

import structlog

from core.clock import Clock
from core.events import BrokerError, Event, FeedChanged
from core.ib_wrapper.connection import Connection, Impairment
from core.ib_wrapper.desk import RequestDesk
from core.ib_wrapper.error_codes import Category, CodeInfo, Response, classify
from core.ib_wrapper.feeds import Feeds
from core.ib_wrapper.order_ids import FIRST_REQUEST_ID
from core.ib_wrapper.subscriber import Subscriber
from core.vocabulary import FeedStatus, Unknown

_CLIENT_ID_IN_USE: Final = 326
_NOT_VALID: Final = 321
_READ_ONLY: Final = "read-only"
# Said anew of every bar and tick with a fraction of a share: once is enough at the level of a warning.
_SIZE_CUT: Final = 10285
# The answer to each of our own cancels, and to each order whose OCA group has done its work.
_CANCELLED: Final = 202
_TEXT_LIMIT: Final = 500
# Waiting time before the first of the questions for a missing commission; it doubles with each.
_COMMISSION_WAIT_NS: Final = 1_000_000_000
_COMMISSION_TRIES: Final = 6
_GOOD_NEWS: Final = frozenset({Response.NOTE, Response.FEED_BACK, Response.RECOVER, Response.RENEW})


class Responder:
    """Reacts to codes, and asks anew for orders, executions and positions when some may have been missed."""

    def __init__(
        self,
        *,
        connection: Connection,
        desk: RequestDesk,
        subscriber: Subscriber,
        feeds: Feeds,
        order_ref_of: Callable[[int], str | None],
        emit: Callable[[Event], None],
        client_id: int,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._connection = connection
        self._desk = desk
        self._subscriber = subscriber
        self._feeds = feeds
        self._order_ref_of = order_ref_of
        self._emit = emit
        self._client_id = client_id
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._after_loss = False
        self._farm_lost = False
        self._said_size_cut = False
        self._commission_tries: dict[str, int] = {}
        self._ask_costs_ns: int | None = None
        self.resyncs = 0

    def handle(self, request_id: int, code: int, text: str) -> None:
        """Handle one message (reader thread)."""
        info = classify(code)
        text = text[:_TEXT_LIMIT]
        self._write(request_id, info, text)
        if info.response is Response.RETRY_CONNECT:
            self._connection.refuse(self._refusal(code, text, info))
        elif info.category in {Category.CONNECTION, Category.FARM}:
            self._about_connection(info, text)
        elif request_id >= FIRST_REQUEST_ID:
            self._about_request(request_id, info, text)
        elif info.response is Response.FEED_STALE:
            self._emit(FeedChanged(symbol=None, status=FeedStatus.STALE, detail=f"{code} {text}"))
        elif info.response is not Response.NOTE:
            order_ref = self._order_ref_of(request_id)
            self._emit(BrokerError(request_id=request_id, code=code, message=text, order_ref=order_ref))

    def _write(self, request_id: int, info: CodeInfo, text: str) -> None:
        is_everyday = info.response in _GOOD_NEWS or info.code == _CANCELLED
        write = self._log.info if is_everyday else self._log.warning
        if info.code == _SIZE_CUT:
            write, self._said_size_cut = self._log.debug if self._said_size_cut else write, True
        write("broker_message", code=info.code, request_id=request_id, text=text, meaning=info.meaning)
        if info.code == _NOT_VALID and _READ_ONLY in text.lower():
            self._log.error(
                "broker_is_read_only",
                hint="no order can be sent, changed or cancelled: clear 'Read-Only API' in the API settings of TWS",
            )

    def resync(self) -> Future[Any]:
        """Ask for executions, open orders and positions; what comes flows on as events.

        Returns
        -------
        Future
            Ends with True when all three were answered, else with False.
        """
        self.resyncs += 1
        whole: Future[Any] = Future()
        parts: tuple[Future[Any], ...] = (
            self._desk.executions(pass_on=True),
            self._desk.open_orders(),
            self._desk.positions(),
        )
        lock = threading.Lock()
        left = len(parts)

        def done(_: Future[Any]) -> None:
            nonlocal left
            with lock:
                left -= 1
                last = left == 0
            if last:
                whole.set_result(not any(isinstance(part.result(), Unknown) for part in parts))

        for part in parts:
            part.add_done_callback(done)
        return whole

    def resync_after_loss(self) -> None:
        """Ask for everything, then count as ready again: a message was lost that may have held a fill.

        Further losses until then are covered by the same questions, unless they spoil an answer; a message that
        can never be read must not keep the session degraded for ever, so one round is enough.
        """
        with self._lock:
            if self._after_loss:
                return
            self._after_loss = True

        def done(_: Future[Any]) -> None:
            with self._lock:
                self._after_loss = False
            self._connection.recover(Impairment.FRAMES, "asked again for orders, executions and positions")

        self.resync().add_done_callback(done)

    def commission_missing(self, exec_id: str) -> None:
        """Ask for executions, and with them their costs, a little later (reader thread)."""
        tries = self._commission_tries.get(exec_id, 0)
        if tries >= _COMMISSION_TRIES:
            return
        self._commission_tries[exec_id] = tries + 1
        with self._lock:
            if self._ask_costs_ns is None:
                self._ask_costs_ns = self._clock.monotonic_ns() + _COMMISSION_WAIT_NS * 2**tries

    def tick(self) -> None:
        """Ask for the costs that are due (keeper thread)."""
        with self._lock:
            due = self._ask_costs_ns
            if due is None or self._clock.monotonic_ns() < due:
                return
            self._ask_costs_ns = None
        self._desk.executions()

    def _refusal(self, code: int, text: str, info: CodeInfo) -> str:
        if code == _CLIENT_ID_IN_USE:
            return f"client id {self._client_id} is in use by another session; waiting until it is free"
        return f"{info.meaning}: {text} ({code})"

    def _about_connection(self, info: CodeInfo, text: str) -> None:
        reason = f"{info.code} {text}"
        match info.response:
            case Response.DEGRADE:
                self._connection.impair(Impairment.SERVERS, reason)
            case Response.RECOVER:
                self._connection.recover(Impairment.SERVERS, reason)
                self.resync()
                # TWS says that data subscriptions were kept; some have been seen to stay silent all the same.
                self._subscriber.farm_is_back()
            case Response.RENEW:
                self._connection.recover(Impairment.SERVERS, reason, data_lost=True)
                self.resync()
                self._subscriber.renew()
            case Response.FEED_STALE:
                self._farm_lost = True
                self._emit(FeedChanged(symbol=None, status=FeedStatus.STALE, detail=reason))
            case Response.FEED_BACK if self._farm_lost:
                self._farm_lost = False
                self._emit(FeedChanged(symbol=None, status=FeedStatus.LIVE, detail=reason))
                self._subscriber.farm_is_back()
            case _:
                pass

    def _about_request(self, request_id: int, info: CodeInfo, text: str) -> None:
        """Handle a code that names a question or a subscription."""
        detail = f"{info.code} {text}"
        symbol = self._feeds.symbol_of(request_id)
        if symbol is None:
            if info.response not in {Response.NOTE, Response.WARN}:
                self._desk.by_id.end(request_id, Unknown.REFUSED, detail)
        elif info.response is Response.FEED_STALE:
            self._emit(FeedChanged(symbol=symbol, status=FeedStatus.STALE, detail=detail))
        elif info.response is Response.FEED_ENDED:
            self._emit(FeedChanged(symbol=symbol, status=FeedStatus.STALE, detail=detail))
            self._subscriber.ended(symbol)
        elif info.response in {Response.FEED_REFUSED, Response.FAIL, Response.QUERY}:
            self._emit(FeedChanged(symbol=symbol, status=FeedStatus.NO_SUBSCRIPTION, detail=detail))
