"""A live account's history, read from its journal.

What counts is the journal's order: a fill belongs to the first bar that was decided on after it had been booked, whatever
its own time says. So the comparison knows at each bar exactly what the live process knew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from backtester.parity.history import AccountDenial, AccountFill, AccountHistory, Balance, PlacedOrder
from core.errors import BackstopError
from core.events import Execution, Order
from core.journal import Journal, Record
from core.payloads import commission_of, execution_of, order_of
from core.records import RecordKind
from core.vocabulary import BrokerStatus, Purpose
from portfolio.veto.verdict import Outcome

_ENDED = frozenset({BrokerStatus.CANCELLED, BrokerStatus.API_CANCELLED, BrokerStatus.INACTIVE})


class NothingRecorded(BackstopError):
    """The journal holds no run that decided on a bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """An execution of ours, its strategy and what it was for; ``order`` is None for the watchdog's and strangers'."""

    execution: Execution
    strategy: str
    order: Order | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """Cash that moved: a commission or a correction (signed); ``exec_id`` of the former."""

    amount: Decimal
    exec_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The broker ended an order of ours before it was filled."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An exchange session began."""

    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A bar was decided on; the account was worth this."""

    balance: Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Restricted:
    """From now on new risk is scaled so, by strategy."""

    scales: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """From now on entries of a strategy in a symbol on one side are denied by the veto, or are not any more."""

    bar_end_ns: int
    strategy: str
    symbol: str
    side: int
    denied: bool


Event = Booked | Paid | Ended | Session | Restricted | Judged | Decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One run of the journal.

    Attributes
    ----------
    run_id, code_version, config_sha256
        Of the run.
    before
        What happened in earlier runs: the state that this one began with.
    events
        What happened in this run, in the order in which the process learned of it.
    history
        The same, for comparison with another account.
    session_dates
        Sessions in which it decided.
    incidents
        What no backtest has: halts, breaks, executions of the watchdog; in words.
    """

    run_id: str
    code_version: str
    config_sha256: str
    before: tuple[Event, ...]
    events: tuple[Event, ...]
    history: AccountHistory
    session_dates: tuple[date, ...]
    incidents: tuple[str, ...]

    @property
    def first_bar_ns(self) -> int:
        """End of the first bar that was decided on."""
        return self.history.balances[0].bar_end_ns

    @property
    def last_bar_ns(self) -> int:
        """End of the last bar that was decided on."""
        return self.history.balances[-1].bar_end_ns

    @property
    def opening_cash(self) -> Decimal:
        """Cash that was there before the first bar."""
        early: list[Event] = []
        for event in self.events:
            if isinstance(event, Decided):
                break
            early.append(event)
        return sum((one.amount for one in (*self.before, *early) if isinstance(one, Paid)), Decimal(0))


def read_recording(path: Path, run_id: str | None = None) -> Recording:
    """Read one run of a journal.

    Parameters
    ----------
    path
        Main's journal; it may be in use.
    run_id
        None: the last run that decided on a bar.

    Raises
    ------
    FileNotFoundError, JournalCorrupt
        When it can't be read.
    NothingRecorded
        When no run, or not this one, decided on a bar.
    """
    records = tuple(Journal.read(path))
    deciding = [one.run_id for one in records if one.kind == RecordKind.EQUITY]
    wanted = run_id or (deciding[-1] if deciding else "")
    if wanted not in deciding:
        raise NothingRecorded(f"{path}: {f'run {wanted}' if wanted else 'no run'} decided on a bar")
    reader = _Reader()
    for record in records:
        if record.run_id == wanted:
            break
        reader.take(record)
    before = tuple(reader.events)
    orders = reader.orders
    reader = _Reader(orders=orders)
    for record in records:
        if record.run_id == wanted:
            reader.take(record)
    return reader.recording(wanted, before)


@dataclass(slots=True)
class _Reader:
    orders: dict[str, Order] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    placed: list[PlacedOrder] = field(default_factory=list)
    denials: list[AccountDenial] = field(default_factory=list)
    sessions: list[date] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    started: Mapping[str, object] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Take the next record."""
        payload = record.payload
        match record.kind:
            case RecordKind.RUN_STARTED:
                self.started = payload
            case RecordKind.ORDER_INTENT:
                self._intent(order_of(payload))
            case RecordKind.ORDER_STATUS | RecordKind.ORDER_ENDED:
                self._status(payload)
            case RecordKind.FILL:
                self._fill(execution_of(payload), str(payload["strategy"]))
            case RecordKind.DENIAL:
                self._denial(payload)
            case RecordKind.HALT | RecordKind.BREAK:
                self.incidents.append(f"{record.kind}: {dict(payload)}")
            case _:
                self._take_account(record.kind, payload)

    def _take_account(self, kind: str, payload: Mapping[str, object]) -> None:
        if kind == RecordKind.COMMISSION:
            commission = commission_of(payload)
            self.events.append(Paid(amount=-commission.amount, exec_id=commission.exec_id))
        elif kind == RecordKind.CASH_ADJUSTED:
            self.events.append(Paid(amount=Decimal(str(payload["amount"]))))
        elif kind == RecordKind.SESSION:
            self.sessions.append(date.fromisoformat(str(payload["date"])))
            self.events.append(Session(date=self.sessions[-1]))
        elif kind == RecordKind.RESTRICTIONS:
            self.events.append(Restricted(scales=_scales(payload)))
        elif kind == RecordKind.VETO:
            self.events.append(_judged(payload))
        elif kind == RecordKind.EQUITY:
            self.events.append(Decided(balance=_balance(payload)))

    def _intent(self, order: Order) -> None:
        is_new = order.order_ref not in self.orders
        self.orders[order.order_ref] = order
        if is_new:  # a second intent amends a stop
            self.placed.append(
                PlacedOrder(
                    bar_end_ns=order.created_ns,
                    strategy=order.strategy,
                    symbol=order.symbol,
                    side=order.side,
                    quantity=int(order.quantity),
                    order_type=order.order_type,
                    purpose=order.purpose,
                    reason=order.reason,
                    stop_price=order.stop_price,
                    trailing_amount=order.trailing_amount,
                )
            )

    def _status(self, payload: Mapping[str, object]) -> None:
        order = self.orders.get(str(payload["order_ref"]))
        if order is not None and str(payload.get("status", BrokerStatus.CANCELLED)) in _ENDED:
            self.events.append(Ended(order=order))

    def _fill(self, execution: Execution, strategy: str) -> None:
        order = self.orders.get(execution.order_ref)
        if order is None:
            self.incidents.append(
                f"an execution that is none of main's: {execution.order_ref or '(unnamed)'}"
            )
        self.events.append(Booked(execution=execution, strategy=strategy, order=order))

    def _denial(self, payload: Mapping[str, object]) -> None:
        self.denials.append(
            AccountDenial(
                bar_end_ns=int(str(payload["bar_end_ns"])),
                strategy=str(payload["strategy"]),
                symbol=str(payload["symbol"]),
                reason=str(payload["reason"]),
                quantity=int(Decimal(str(payload["quantity"]))),
            )
        )

    def recording(self, run_id: str, before: tuple[Event, ...]) -> Recording:
        """Put together what was read."""
        return Recording(
            run_id=run_id,
            code_version=str(self.started.get("code_version", "")),
            config_sha256=str(self.started.get("config_sha256", "")),
            before=before,
            events=tuple(self.events),
            history=AccountHistory(
                orders=tuple(self.placed),
                fills=tuple(_fills(self.events)),
                denials=tuple(self.denials),
                balances=tuple(one.balance for one in self.events if isinstance(one, Decided)),
            ),
            session_dates=tuple(self.sessions),
            incidents=tuple(self.incidents),
        )


def _scales(payload: Mapping[str, object]) -> dict[str, float]:
    scales = payload["scales"]
    if not isinstance(scales, Mapping):
        raise TypeError(f"scales must be a mapping, not {scales!r}")
    return {str(strategy): float(str(scale)) for strategy, scale in scales.items()}


def _judged(payload: Mapping[str, object]) -> Judged:
    return Judged(
        bar_end_ns=int(str(payload["bar_end_ns"])),
        strategy=str(payload["strategy"]),
        symbol=str(payload["symbol"]),
        side=int(str(payload["side"])),
        denied=bool(payload["enforced"]) and payload["outcome"] != Outcome.APPROVED,
    )


def _balance(payload: Mapping[str, object]) -> Balance:
    return Balance(
        bar_end_ns=int(str(payload["bar_end_ns"])),
        nlv=Decimal(str(payload["nlv"])),
        cash=Decimal(str(payload["cash"])),
    )


def _fills(events: Iterable[Event]) -> list[AccountFill]:
    """List fills with their commissions, each at the bar that was decided on next; later ones are left out."""
    events = tuple(events)
    paid = {one.exec_id: -one.amount for one in events if isinstance(one, Paid) and one.exec_id}
    fills: list[AccountFill] = []
    waiting: list[Booked] = []
    for event in events:
        if isinstance(event, Booked):
            waiting.append(event)
        elif isinstance(event, Decided):
            fills += [_fill(one, event.balance.bar_end_ns, paid) for one in waiting]
            waiting = []
    return fills


def _fill(booked: Booked, bar_end_ns: int, paid: Mapping[str, Decimal]) -> AccountFill:
    execution, order = booked.execution, booked.order
    purpose = order.purpose if order is not None else Purpose.FLATTEN
    return AccountFill(
        bar_end_ns=bar_end_ns,
        strategy=booked.strategy,
        symbol=execution.symbol,
        side=execution.side,
        quantity=int(execution.quantity),
        price=execution.price,
        commission=paid.get(execution.exec_id, Decimal(0)),
        purpose=purpose,
        reason=order.reason if order is not None and purpose is not Purpose.STOP else "",
    )
