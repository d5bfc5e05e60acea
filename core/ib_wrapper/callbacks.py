"""ibapi's callbacks, turned into events and answers. They run on the reader thread and only translate.

What the broker sends unasked always becomes an event. Parts of an answer go to their question as well; executions
that were asked for go only there, unless the question itself wants them passed on (after a reconnect).
"""
# The names and signatures are ibapi's.
# ruff: noqa: N802, N803, PLR0917

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import structlog
from ibapi.contract import Contract
from ibapi.wrapper import EWrapper

from core.clock import Clock
from core.events import (
    AccountValue,
    Bar,
    Commission,
    Event,
    OrderStatusReport,
    ProfitAndLoss,
)
from core.ib_wrapper import translate
from core.ib_wrapper.feeds import Feeds
from core.ib_wrapper.oca import OcaGroups
from core.ib_wrapper.order_ids import OrderIds, OrderRefs
from core.ib_wrapper.requests import IdRequests, Plain, PlainRequests, TimeRequests
from core.ib_wrapper.times import parse_bar_end, parse_execution_time

_MAX_COMMISSIONS: Final = 100_000
_COMMISSION_NOT_KNOWN_YET: Final = -1.0


class SessionHooks(Protocol):
    """What the session itself must hear."""

    def on_accounts(self, accounts: tuple[str, ...]) -> None:
        """Accounts of this login."""

    def on_next_valid_id(self, order_id: int) -> None:
        """Next order id of the broker: the last step of the handshake."""

    def on_commission_unknown(self, exec_id: str) -> None:
        """Cost of an execution that the broker doesn't know yet."""

    def on_code(self, request_id: int, code: int, text: str) -> None:
        """Error, warning or notice of the broker."""


class Callbacks(EWrapper):  # type: ignore[misc]
    """Receives one session's messages, across its connections."""

    def __init__(
        self,
        *,
        emit: Callable[[Event], None],
        clock: Clock,
        zone: ZoneInfo,
        client_id: int,
        hooks: SessionHooks,
        feeds: Feeds,
        requests: IdRequests,
        plain: dict[Plain, PlainRequests],
        times: TimeRequests,
        order_ids: OrderIds,
        order_refs: OrderRefs,
        groups: OcaGroups,
        on_contract: Callable[[str, Contract], None],
        pnl_account: Callable[[int], str | None],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        super().__init__()
        self._emit_event = emit
        self._clock = clock
        self._zone = zone
        self._client_id = client_id
        self._hooks = hooks
        self._feeds = feeds
        self._requests = requests
        self._plain = plain
        self._times = times
        self._order_ids = order_ids
        self._order_refs = order_refs
        self._groups = groups
        self._on_contract = on_contract
        self._pnl_account = pnl_account
        self._log = log
        self._commissions: OrderedDict[str, tuple[Decimal, str]] = OrderedDict()

    def _emit(self, event: Event) -> None:
        # Quotes that came before this message must not be passed on after it.
        self._feeds.flush()
        self._emit_event(event)

    # --- the session -------------------------------------------------------------------------------------

    def managedAccounts(self, accountsList: str) -> None:
        """Accounts of this login, separated by commas."""
        self._hooks.on_accounts(tuple(name.strip() for name in accountsList.split(",") if name.strip()))

    def nextValidId(self, orderId: int) -> None:
        """First order id that the broker takes."""
        self._order_ids.offered(orderId)
        self._hooks.on_next_valid_id(orderId)

    def error(self, reqId: int, errorCode: int, errorString: str) -> None:
        """Error, warning or notice of the broker."""
        self._feeds.flush()
        self._hooks.on_code(reqId, errorCode, errorString)

    def currentTime(self, time: int) -> None:
        """Time of the broker, in seconds since the epoch."""
        self._times.answer(time)

    # --- market data -------------------------------------------------------------------------------------

    def tickPrice(self, reqId: int, tickType: int, price: float, attrib: Any) -> None:  # noqa: ANN401, ARG002
        """One price of a quote."""
        self._feeds.price(reqId, tickType, price)

    def tickSize(self, reqId: int, tickType: int, size: int) -> None:
        """One size of a quote."""
        self._feeds.size(reqId, tickType, size)

    def realtimeBar(
        self,
        reqId: int,
        time: int,
        open_: float,
        high: float,
        low: float,
        close: float,
        volume: int,
        wap: float,  # noqa: ARG002 (ibapi's signature)
        count: int,  # noqa: ARG002 (ibapi's signature)
    ) -> None:
        """One five-second bar."""
        self._feeds.bar(reqId, time, (open_, high, low, close), volume)

    def historicalData(self, reqId: int, bar: Any) -> None:  # noqa: ANN401 (ibapi's BarData)
        """One bar of a historical request."""
        question = self._requests.find(reqId)
        if question is None:
            return
        symbol, bar_size_s = question.context
        self._requests.collect(
            reqId,
            Bar(
                symbol=symbol,
                end_ns=parse_bar_end(bar.date, bar_size_s, self._zone),
                open=bar.open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                volume=bar.volume,
            ),
        )

    def historicalDataEnd(self, reqId: int, start: str, end: str) -> None:  # noqa: ARG002 (ibapi's signature)
        """No more bars follow."""
        self._requests.complete(reqId)

    def contractDetails(self, reqId: int, contractDetails: Any) -> None:  # noqa: ANN401
        """One contract that fits a request."""
        self._requests.collect(reqId, translate.contract_info(contractDetails))

    def contractDetailsEnd(self, reqId: int) -> None:
        """All contracts that fit have come."""
        self._requests.complete(reqId)

    # --- orders ------------------------------------------------------------------------------------------

    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:  # noqa: ANN401
        """One order that the broker has."""
        report = translate.open_order(orderId, contract, order, orderState)
        self._order_refs.learn(report.client_id, orderId, report.order_ref)
        # Other clients' ids too: TWS wants new ids above every id that it has told this client.
        self._order_ids.saw(orderId)
        if report.client_id == self._client_id:
            self._groups.reported(orderId, translate.group_of(order))
        self._plain[Plain.OPEN_ORDERS].collect(report)
        self._emit(report)

    def openOrderEnd(self) -> None:
        """All open orders have come."""
        self._plain[Plain.OPEN_ORDERS].complete()

    def orderStatus(
        self,
        orderId: int,
        status: str,
        filled: float,
        remaining: float,
        avgFillPrice: float,
        permId: int,
        parentId: int,  # noqa: ARG002 (ibapi's signature)
        lastFillPrice: float,  # noqa: ARG002 (ibapi's signature)
        clientId: int,
        whyHeld: str,
        mktCapPrice: float,  # noqa: ARG002 (ibapi's signature)
    ) -> None:
        """State of one order."""
        self._order_ids.saw(orderId)
        self._emit(
            OrderStatusReport(
                order_ref=self._order_refs.find(clientId, orderId),
                order_id=orderId,
                perm_id=permId,
                client_id=clientId,
                status=translate.status_of(status),
                filled=translate.to_decimal(filled),
                remaining=translate.to_decimal(remaining),
                average_fill_price=avgFillPrice,
                why_held=whyHeld,
            )
        )

    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:  # noqa: ANN401
        """One execution, live (id -1) or asked for."""
        report = translate.execution(contract, execution, self._execution_time(execution.time))
        self._order_refs.learn(report.client_id, report.order_id, report.order_ref)
        self._order_ids.saw(report.order_id)
        question = self._requests.find(reqId)
        if question is not None:
            self._requests.collect(reqId, report)
            if not question.context:
                return
        # An answer that comes too late for its question is news all the same.
        self._emit(report)

    def execDetailsEnd(self, reqId: int) -> None:
        """All executions that were asked for have come."""
        self._requests.complete(reqId)

    def commissionReport(self, commissionReport: Any) -> None:  # noqa: ANN401
        """Cost of an execution. Repeated with every request for executions, passed on when it is new."""
        report = commissionReport
        if not translate.is_set(report.commission) or report.commission == _COMMISSION_NOT_KNOWN_YET:
            self._log.warning("commission_unknown", exec_id=report.execId, commission=report.commission)
            self._hooks.on_commission_unknown(report.execId)
            return
        cost = (translate.to_decimal(report.commission), str(report.currency))
        if self._commissions.get(report.execId) == cost:
            return
        self._commissions[report.execId] = cost
        if len(self._commissions) > _MAX_COMMISSIONS:
            self._commissions.popitem(last=False)
        self._emit(Commission(exec_id=report.execId, amount=cost[0], currency=cost[1]))

    def _execution_time(self, text: str) -> int:
        """Time of an execution. One that can't be read must not cost us the execution: then it is now."""
        try:
            return parse_execution_time(text, self._zone)
        except ValueError as error:
            self._log.warning("execution_time_unreadable", text=text, error=str(error))
            return self._clock.now_ns()

    # --- account -----------------------------------------------------------------------------------------

    def updateAccountValue(self, key: str, val: str, currency: str, accountName: str) -> None:
        """One value of the account, from the subscription."""
        self._emit(
            AccountValue(
                account=accountName,
                key=key,
                value=val,
                currency=currency,
                received_monotonic_ns=self._clock.monotonic_ns(),
            )
        )

    def accountSummary(self, reqId: int, account: str, tag: str, value: str, currency: str) -> None:
        """One value of the account, from a request."""
        self._requests.collect(reqId, (account, tag, value, currency))

    def accountSummaryEnd(self, reqId: int) -> None:
        """All values that were asked for have come."""
        self._requests.complete(reqId)

    def position(self, account: str, contract: Any, position: float, avgCost: float) -> None:  # noqa: ANN401
        """One position: part of an answer, or a change."""
        report = translate.position(account, contract, position, avgCost)
        self._on_contract(report.symbol, contract)
        self._plain[Plain.POSITIONS].collect(report)
        self._emit(report)

    def positionEnd(self) -> None:
        """All positions have come."""
        self._plain[Plain.POSITIONS].complete()

    def pnl(
        self, reqId: int, dailyPnL: float, unrealizedPnL: float | None, realizedPnL: float | None
    ) -> None:
        """Profit and loss of the account; what the broker leaves unset is NaN."""
        account = self._pnl_account(reqId)
        if account is None:
            return
        daily, unrealized, realized = (
            value if value is not None and translate.is_set(value) else float("nan")
            for value in (dailyPnL, unrealizedPnL, realizedPnL)
        )
        self._emit(
            ProfitAndLoss(
                account=account,
                daily=daily,
                unrealized=unrealized,
                realized=realized,
                received_monotonic_ns=self._clock.monotonic_ns(),
            )
        )
