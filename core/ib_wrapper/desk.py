"""Asks the broker and promises an answer: each question gives a future that ends with the answer or an ``Unknown``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from decimal import Decimal
from typing import Any, Final, TypeVar

from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter

from core.clock import Clock
from core.errors import Rejected, RetryLater
from core.events import Bar, BrokerSnapshot, Execution, OpenOrderReport, PositionReport
from core.ib_wrapper.requests import (
    IdRequests,
    Plain,
    PlainRequests,
    Question,
    TimeRequests,
    resolve,
)
from core.ib_wrapper.sender import Sender
from core.ib_wrapper.times import format_end
from core.ib_wrapper.translate import bar_size_text, parse_decimal, stock
from core.ib_wrapper.types import ContractInfo
from core.vocabulary import Unknown

T = TypeVar("T")
Positions = tuple[PositionReport, ...]
OpenOrders = tuple[OpenOrderReport, ...]
Executions = tuple[Execution, ...]
Values = Mapping[str, Decimal]
Bars = tuple[Bar, ...]

SUMMARY_TAGS: Final = (
    "NetLiquidation,TotalCashValue,SettledCash,AccruedCash,BuyingPower,EquityWithLoanValue,GrossPositionValue,"
    "InitMarginReq,MaintMarginReq,AvailableFunds,ExcessLiquidity,Cushion"
)


def answered(unknown: Unknown) -> Future[Any]:
    """Future that has ended without an answer."""
    future: Future[Any] = Future()
    future.set_result(unknown)
    return future


class RequestDesk:
    """All questions of a session.

    Parameters
    ----------
    timeout_s
        How long an answer may take.
    id_timeout_s
        How long one may take that carries an id, by which a late answer is known; None for ``timeout_s``.
    contract_of
        Makes the ibapi contract of a symbol.
    account
        Gives the account that the session works with, None while it isn't known.
    """

    def __init__(
        self,
        sender: Sender,
        clock: Clock,
        *,
        timeout_s: float,
        id_timeout_s: float | None = None,
        exchange: str,
        primary_exchanges: Mapping[str, str],
        currency: str,
        account: Callable[[], str | None],
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._timeout_ns = round(timeout_s * 1e9)
        self._id_timeout_ns = self._timeout_ns if id_timeout_s is None else round(id_timeout_s * 1e9)
        self._exchange = exchange
        self._primary_exchanges = dict(primary_exchanges)
        self._currency = currency
        self._account = account
        self._con_ids: dict[str, int] = {}
        self.by_id = IdRequests()
        self.times = TimeRequests()
        self.plain = {
            Plain.POSITIONS: PlainRequests(
                Plain.POSITIONS, lambda: self._tell("reqPositions"), clock, patience_s=timeout_s
            ),
            Plain.OPEN_ORDERS: PlainRequests(
                Plain.OPEN_ORDERS, lambda: self._tell("reqAllOpenOrders"), clock, patience_s=timeout_s
            ),
        }
        self.timed_out = 0

    # --- life --------------------------------------------------------------------------------------------

    def expire(self) -> list[str]:
        """End what has taken too long; return the names of those questions."""
        now = self._clock.monotonic_ns()
        names = self.by_id.expire(now) + self.times.expire(now)
        for requests in self.plain.values():
            names += requests.expire(now)
        self.timed_out += len(names)
        return names

    def end_all(self) -> None:
        """End every question: the connection is gone."""
        self.by_id.end_all(Unknown.DISCONNECTED)
        self.times.end_all(Unknown.DISCONNECTED)
        for requests in self.plain.values():
            requests.end_all(Unknown.DISCONNECTED)

    def contract(self, symbol: str) -> Contract:
        """Contract of a stock for ibapi, with its contract id once the broker has told it."""
        return stock(
            symbol,
            con_id=self._con_ids.get(symbol, 0),
            exchange=self._exchange,
            primary_exchange=self._primary_exchanges.get(symbol, ""),
            currency=self._currency,
        )

    def learn(self, symbol: str, contract: Contract) -> None:
        """Note the contract id of a position: what closes it must name the very same instrument."""
        if contract.conId > 0:
            self._con_ids[symbol] = contract.conId

    # --- questions ---------------------------------------------------------------------------------------

    def positions(self) -> Future[Positions | Unknown]:
        """Every position that isn't zero, of the session's account."""

        def finish(parts: list[PositionReport]) -> Positions:
            account = self._account()
            latest = {(p.account, p.symbol): p for p in parts if account is None or p.account == account}
            return tuple(p for p in latest.values() if p.quantity != 0)

        return self.plain[Plain.POSITIONS].ask(self._question("positions", finish, self._timeout_ns))

    def open_orders(self) -> Future[OpenOrders | Unknown]:
        """Every open order of the account, whoever placed it."""

        def finish(parts: list[OpenOrderReport]) -> OpenOrders:
            # permId names an order for the whole account; before it has one, its client and id do.
            latest = {(p.perm_id or (p.client_id, p.order_id)): p for p in parts}
            return tuple(latest.values())

        return self.plain[Plain.OPEN_ORDERS].ask(self._question("open orders", finish, self._timeout_ns))

    def executions(self, *, pass_on: bool = False) -> Future[Executions | Unknown]:
        """Today's executions of all clients (TWS keeps one day); ``pass_on`` makes events of them too."""

        def finish(parts: list[Execution]) -> Executions:
            return tuple({p.exec_id: p for p in parts}.values())

        wanted = ExecutionFilter()
        wanted.acctCode = self._account() or ""
        question = self._question("executions", finish)
        question.context = pass_on
        return self._ask(question, "reqExecutions", wanted)

    def account_values(self) -> Future[Values | Unknown]:
        """Account values that are numbers, by IB's names.

        Amounts of another currency than ours are left out: an account that is kept in euros has no value in dollars
        that could be sized from.
        """

        def finish(parts: list[tuple[str, str, str, str]]) -> Values:
            account = self._account()
            numbers = {
                tag: parse_decimal(value)
                for owner, tag, value, currency in parts
                if account in {None, owner} and currency in {self._currency, ""}
            }
            return {tag: number for tag, number in numbers.items() if number is not None}

        question = self._question("account values", finish)
        request_id = self.by_id.new_id()
        # TWS keeps the summary up to date until it is told to stop, and allows two at a time.
        question.future.add_done_callback(lambda _: self._tell_quietly("cancelAccountSummary", request_id))
        return self._ask(question, "reqAccountSummary", "All", SUMMARY_TAGS, request_id=request_id)

    def contract_details(self, symbol: str) -> Future[ContractInfo | Unknown]:
        """Contract of a stock; REFUSED when there is none or more than one."""

        def finish(parts: list[ContractInfo]) -> ContractInfo | Unknown:
            fitting = {p.con_id: p for p in parts if p.symbol == symbol}
            if len(fitting) != 1:
                return Unknown.REFUSED
            (info,) = fitting.values()
            self._con_ids[symbol] = info.con_id
            return info

        return self._ask(
            self._question(f"contract details of {symbol}", finish),
            "reqContractDetails",
            self.contract(symbol),
        )

    def historical_bars(
        self,
        symbol: str,
        *,
        bar_size_s: int,
        duration: str,
        end_ns: int | None,
        regular_hours: bool,
        on_refused: Callable[[str], None] | None = None,
    ) -> Future[Bars | Unknown]:
        """Bars of the past, oldest first. The last one may still be forming when ``end_ns`` is None."""

        def finish(parts: list[Bar]) -> Bars:
            return tuple(sorted({p.end_ns: p for p in parts}.values(), key=lambda bar: bar.end_ns))

        request_id = self.by_id.new_id()
        question = self._question(f"bars of {symbol}", finish)
        question.context, question.on_refused = (symbol, bar_size_s), on_refused
        question.on_timeout = lambda: self._tell_quietly("cancelHistoricalData", request_id)
        end = format_end(end_ns)
        size = bar_size_text(bar_size_s)
        hours, epoch_seconds, keep_up_to_date = int(regular_hours), 2, False
        return self._ask(
            question,
            "reqHistoricalData",
            self.contract(symbol), end, duration, size, "TRADES", hours, epoch_seconds, keep_up_to_date, [],
            request_id=request_id,
        )  # fmt: skip

    def current_time(self, *, urgent: bool = False) -> Future[int | Unknown]:
        """Time of the broker, in seconds since the epoch."""
        question = self._question("current time", lambda _: 0, self._timeout_ns)
        self.times.add(question)
        try:
            self._sender.send("reqCurrentTime", urgent=urgent)
        except RetryLater:
            resolve(question.future, Unknown.DISCONNECTED)
            self.times.forget(question)
        return question.future

    def snapshot(self) -> Future[BrokerSnapshot]:
        """Positions, open orders, executions and account values; each part may be unknown by itself."""
        requested_ns = self._clock.monotonic_ns()
        whole: Future[BrokerSnapshot] = Future()
        parts: tuple[Future[Any], ...] = (
            self.positions(), self.open_orders(), self.executions(), self.account_values(),
        )  # fmt: skip

        def done(_: Future[Any]) -> None:
            if not all(part.done() for part in parts):
                return
            positions, orders, executions, values = (part.result() for part in parts)
            resolve(
                whole,
                BrokerSnapshot(
                    account=self._account() or "",
                    requested_monotonic_ns=requested_ns,
                    received_monotonic_ns=self._clock.monotonic_ns(),
                    positions=positions,
                    open_orders=orders,
                    executions=executions,
                    values=values,
                ),
            )

        for part in parts:
            part.add_done_callback(done)
        return whole

    # --- how they are asked ------------------------------------------------------------------------------

    def _question(
        self, name: str, finish: Callable[[list[Any]], T], timeout_ns: int | None = None
    ) -> Question[T]:
        waits_ns = self._id_timeout_ns if timeout_ns is None else timeout_ns
        return Question(name=name, deadline_ns=self._clock.monotonic_ns() + waits_ns, finish=finish)

    def _ask(
        self, question: Question[Any], request: str, *arguments: object, request_id: int | None = None
    ) -> Future[Any]:
        chosen = self.by_id.new_id() if request_id is None else request_id
        self.by_id.add(chosen, question)
        try:
            self._sender.send(request, chosen, *arguments)
        except RetryLater:
            self.by_id.end(chosen, Unknown.DISCONNECTED)
        except Rejected:
            self.by_id.end(chosen, Unknown.REFUSED)
        return question.future

    def _tell(self, request: str, *arguments: object) -> None:
        self._sender.send(request, *arguments)

    def _tell_quietly(self, request: str, *arguments: object) -> None:
        """Send what is only a courtesy; without a connection there is nobody to be courteous to."""
        try:
            self._sender.send(request, *arguments)
        except RetryLater:
            return
