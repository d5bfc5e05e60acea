"""The thin shell around the kill sequence: carries its actions out, and feeds it what the broker and the fence say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import structlog

from core.clock import Clock
from core.config_schema import RiskSettings
from core.errors import NotConnected, Rejected, RetryLater
from core.events import (
    BrokerError,
    ConnectionChanged,
    Event,
    Execution,
    OpenOrderReport,
    Order,
    OrderStatusReport,
    PositionReport,
)
from core.flags import KILL_NAME, FlagFolder
from core.ib_wrapper.error_codes import Response, classify
from core.ib_wrapper.session import IBSession
from core.records import RecordKind
from core.vocabulary import BrokerStatus, ConnectionState, HaltReason, OrderType, Purpose, Unknown
from risk.alerts import Alerts, Severity
from risk.checks.verdict import Figures
from risk.fence import Fence
from risk.kill_login import KillLogin
from risk.kill_messages import (
    CancelAll,
    CloseRefused,
    CloseStatus,
    ClosingOrder,
    FenceEnded,
    Finish,
    KillAction,
    KillEvent,
    Note,
    OpenOrdersRead,
    PositionsRead,
    RaiseFence,
    ReadOpenOrders,
    ReadPositions,
    RecordStart,
    SendCloses,
    SessionChanged,
    Tick,
    Warn,
)
from risk.kill_sequence import KillSequence
from risk.kill_trace import KillTrace
from risk.observation import Evidence, evidence_payload
from risk.recorder import Recorder

STRATEGY = "watchdog"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A kill and what set it off.

    Parameters
    ----------
    detected_ns
        When the breach was seen, monotonic.
    flag_mtime_ns
        Wall-clock time at which the operator's flag was made; 0 when there was none.
    flag_age_ns
        How old the flag was when it was seen: figures count from the flag, not from our seeing it.
    closes_sent, cancel_sent_ns
        Known of an earlier incarnation of this kill, when it is taken up again.
    login
        With which login it was begun.
    evidence
        What it was decided on, for the journal; None when the decision was not made here.
    """

    kill_id: str
    reason: HaltReason
    detail: str
    detected_ns: int
    figures: Figures = field(default_factory=dict)
    flag_mtime_ns: int = 0
    flag_age_ns: int = 0
    closes_sent: int = 0
    cancel_sent_ns: int | None = None
    is_resumed: bool = False
    login: KillLogin = field(default_factory=KillLogin)
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReport:
    """How a kill ended; times in milliseconds from the flag (or the breach), None for what never happened."""

    reason: HaltReason
    flat: bool
    residue: tuple[Mapping[str, str], ...]
    flag_to_cancel_sent_ms: float | None
    flag_to_cancel_ack_ms: float | None
    flag_to_flat_ms: float | None


class Liquidation:
    """One running kill.

    Parameters
    ----------
    post
        Hands an event to the watchdog's loop from any thread; it comes back through ``handle``.
    """

    def __init__(
        self,
        kill: Kill,
        *,
        session: IBSession,
        fence: Fence,
        flags: FlagFolder,
        recorder: Recorder,
        alerts: Alerts,
        clock: Clock,
        run_id: str,
        settings: RiskSettings,
        post: Callable[[KillEvent], None],
    ) -> None:
        self.kill = kill
        self.report: KillReport | None = None
        self._session, self._fence, self._flags = session, fence, flags
        self._recorder, self._alerts, self._clock = recorder, alerts, clock
        self._run_id, self._post, self._settings = run_id, post, settings
        self._log = structlog.get_logger("kill")
        self._sequence = KillSequence(kill_id=kill.kill_id, closes_sent=kill.closes_sent)
        self._trace = KillTrace(kill_id=kill.kill_id, closes_sent=kill.closes_sent)
        self._cancel_sent_ns = kill.cancel_sent_ns
        self._fills: dict[str, dict[str, Decimal]] = {}

    def start(self) -> None:
        """Cancel and fence, at once; a kill that is taken up again cancels only when its login has been looked at."""
        ready = self._session.state is ConnectionState.READY and not self.kill.is_resumed
        now = self._clock.monotonic_ns()
        actions = self._sequence.start(now, ready=ready)
        self._trace.began(now, actions, ready=ready)
        self._carry_out(actions)

    def poll(self) -> None:
        """Move the fence and the time-outs on."""
        result = self._fence.poll()
        now = self._clock.monotonic_ns()
        if result is not None:
            self.handle(FenceEnded(outcome=result.outcome, detail=result.detail, at_ns=now))
        self.handle(Tick(at_ns=now))

    def handle(self, event: KillEvent) -> None:
        """Give the sequence an event, do what it says."""
        actions = self._sequence.handle(event)
        self._trace.took(event, actions)
        self._carry_out(actions)

    def on_broker_event(self, event: Event) -> None:
        """Take from the broker's stream what concerns the kill."""
        now = self._clock.monotonic_ns()
        match event:
            case ConnectionChanged():
                self.handle(SessionChanged(ready=event.state is ConnectionState.READY, at_ns=now))
            case OrderStatusReport():
                if event.order_ref:
                    self.handle(
                        CloseStatus(
                            order_ref=event.order_ref, status=event.status, filled=event.filled, at_ns=now
                        )
                    )
            case Execution():
                fills = self._fills.setdefault(event.order_ref, {})
                fills[event.base_exec_id] = event.quantity
                filled = sum(fills.values(), Decimal(0))
                self.handle(
                    CloseStatus(
                        order_ref=event.order_ref, status=BrokerStatus.SUBMITTED, filled=filled, at_ns=now
                    )
                )
            case BrokerError() if classify(event.code).response is Response.FAIL:
                if event.order_ref:
                    detail = f"{event.code} {event.message}"
                    self.handle(CloseRefused(order_ref=event.order_ref, detail=detail, at_ns=now))
            case _:
                pass

    # --- actions -----------------------------------------------------------------------------------------

    def _carry_out(self, actions: tuple[KillAction, ...]) -> None:
        for action in actions:
            if isinstance(action, ReadOpenOrders | ReadPositions):
                self._read(action)
                continue
            match action:
                case CancelAll():
                    self._cancel_all()
                case RaiseFence():
                    self._fence.begin(self.kill.reason.value)
                case RecordStart():
                    self._record_start()
                case SendCloses():
                    self._send(action.orders)
                case Note():
                    self._note(action.step, action.detail)
                case Warn():
                    self._alerts.tell(Severity.CRITICAL, f"kill: {action.text}", key=action.text)
                case Finish():
                    self._finish(action)

    def _cancel_all(self) -> None:
        try:
            self._session.cancel_all()
        except (NotConnected, RetryLater) as error:
            self._alerts.tell(Severity.CRITICAL, f"kill: cancel not sent: {error}", key="cancel_not_sent")
            return
        now = self._clock.monotonic_ns()
        if self._cancel_sent_ns is None:
            self._cancel_sent_ns = now

    def _record_start(self) -> None:
        kill = self.kill
        body = {
            "kill_id": kill.kill_id,
            "reason": kill.reason.value,
            "detail": kill.detail,
            "figures": dict(kill.figures),
            "run_id": self._run_id,
            "wall_ns": self._clock.now_ns(),
            **kill.login.payload(),
        }
        if not kill.is_resumed or KILL_NAME not in self._flags.standing():
            self._raise_flag(body)
        if kill.is_resumed:
            self._note("resumed", f"{kill.closes_sent} closing orders had been sent")
            # Whoever began it may have died before it could tell anybody.
            self._alerts.tell(Severity.CRITICAL, f"KILL ({kill.reason.value}) taken up again: {kill.detail}")
            return
        started: dict[str, object] = {
            **body,
            "detected_monotonic_ns": kill.detected_ns,
            "flag_mtime_ns": kill.flag_mtime_ns,
            "flag_age_ns": kill.flag_age_ns,
        }
        if kill.evidence is None or not self._record_with_evidence(started, kill.evidence):
            self._recorder.write(RecordKind.KILL_STARTED, started)
        if self._cancel_sent_ns is not None:
            self._note("cancel_sent", "", at_ns=self._cancel_sent_ns)
        self._alerts.tell(Severity.CRITICAL, f"KILL ({kill.reason.value}): {kill.detail}")

    def _record_with_evidence(self, started: Mapping[str, object], evidence: Evidence) -> bool:
        """Record the start with what it was decided on; whether it is stored. A restart needs the start, not the evidence."""
        return self._recorder.write(
            RecordKind.KILL_STARTED, {**started, **evidence_payload(evidence, self._settings)}
        )

    def _raise_flag(self, body: Mapping[str, object]) -> None:
        try:
            self._flags.write_kill(body)
        except OSError as error:
            self._alerts.tell(
                Severity.CRITICAL, f"kill: the flag can't be written: {error}", key="flag_write"
            )

    def _note(self, step: str, detail: str, *, at_ns: int | None = None) -> None:
        moment = self._clock.monotonic_ns() if at_ns is None else at_ns
        self._log.info("kill_step", step=step, detail=detail)
        payload = {"kill_id": self.kill.kill_id, "step": step, "monotonic_ns": moment, "detail": detail}
        self._recorder.write(RecordKind.KILL_STEP, payload)

    def _read(self, question: ReadOpenOrders | ReadPositions) -> None:
        """Ask the broker; the answer comes back through the loop, stamped with its arrival."""
        read_id = question.read_id

        def orders_answered(future: Future[tuple[OpenOrderReport, ...] | Unknown]) -> None:
            answer = _result_of(future)
            self._post(OpenOrdersRead(read_id=read_id, orders=answer, at_ns=self._clock.monotonic_ns()))

        def positions_answered(future: Future[tuple[PositionReport, ...] | Unknown]) -> None:
            answer = _result_of(future)
            held = None if answer is None else {report.symbol: report.quantity for report in answer}
            self._post(PositionsRead(read_id=read_id, positions=held, at_ns=self._clock.monotonic_ns()))

        if isinstance(question, ReadOpenOrders):
            self._session.open_orders().add_done_callback(orders_answered)
        else:
            self._session.positions().add_done_callback(positions_answered)

    def _send(self, orders: tuple[ClosingOrder, ...]) -> None:
        ids = [self._session.next_order_id() for _ in orders]
        self._recorder.write_all(
            (
                RecordKind.CLOSE_INTENT,
                {
                    "kill_id": self.kill.kill_id,
                    "order_ref": close.order_ref,
                    "order_id": order_id,
                    "symbol": close.symbol,
                    "side": close.side.value,
                    "quantity": str(close.quantity),
                },
            )
            for order_id, close in zip(ids, orders, strict=True)
        )
        for order_id, close in zip(ids, orders, strict=True):
            try:
                self._session.place(order_id, self._order(close))
            except (NotConnected, RetryLater) as error:
                self._refuse(close, str(error), sent=False)
            except Rejected as error:
                self._refuse(close, str(error), sent=True)

    def _order(self, close: ClosingOrder) -> Order:
        return Order(
            order_ref=close.order_ref,
            strategy=STRATEGY,
            symbol=close.symbol,
            side=close.side,
            quantity=close.quantity,
            order_type=OrderType.MARKET,
            purpose=Purpose.FLATTEN,
            reason=self.kill.reason.value,
            created_ns=self._clock.now_ns(),
        )

    def _refuse(self, close: ClosingOrder, detail: str, *, sent: bool) -> None:
        # Posted, not handled: the sequence is still giving out the actions of an earlier event.
        now = self._clock.monotonic_ns()
        self._post(CloseRefused(order_ref=close.order_ref, detail=detail, at_ns=now, sent=sent))

    def _finish(self, finish: Finish) -> None:
        kill, sequence = self.kill, self._sequence
        zero = kill.detected_ns - kill.flag_age_ns
        self.report = KillReport(
            reason=kill.reason,
            flat=finish.flat,
            residue=tuple(
                {"symbol": item.symbol, "quantity": str(item.quantity), "reason": item.reason}
                for item in finish.residue
            ),
            flag_to_cancel_sent_ms=_milliseconds(zero, self._cancel_sent_ns),
            flag_to_cancel_ack_ms=_milliseconds(zero, sequence.orders_gone_ns),
            flag_to_flat_ms=_milliseconds(zero, sequence.flat_ns),
        )
        self._recorder.write(RecordKind.KILL_ENDED, {"kill_id": kill.kill_id, **report_body(self.report)})
        outcome = "the account is flat" if finish.flat else f"NOT flat: {_describe(self.report)}"
        self._alerts.tell(Severity.CRITICAL, f"kill ended ({kill.reason.value}): {outcome}")
        self._keep_trace()

    def _keep_trace(self) -> None:
        """Journal what the sequence took and asked for, now that nothing waits for it."""
        if not all(self._recorder.write(RecordKind.KILL_TRACE, part) for part in self._trace.payloads()):
            self._alerts.tell(Severity.WARNING, "the kill can't be replayed: its trace was not journaled")


def report_body(report: KillReport) -> dict[str, Any]:
    """Return the report as the journal and the heartbeat show it."""
    return {
        "reason": report.reason.value,
        "flat": report.flat,
        "residue": [dict(item) for item in report.residue],
        "flag_to_cancel_sent_ms": report.flag_to_cancel_sent_ms,
        "flag_to_cancel_ack_ms": report.flag_to_cancel_ack_ms,
        "flag_to_flat_ms": report.flag_to_flat_ms,
    }


def _describe(report: KillReport) -> str:
    return "; ".join(f"{item['symbol']} {item['quantity']} ({item['reason']})" for item in report.residue)


def _milliseconds(zero_ns: int, moment_ns: int | None) -> float | None:
    return None if moment_ns is None or moment_ns < zero_ns else round((moment_ns - zero_ns) / 1e6, 3)


def _result_of(future: Future[T | Unknown]) -> T | None:
    """Return the answer of a finished future, None when it is unknown."""
    if future.cancelled() or future.exception() is not None:
        return None
    answer = future.result()
    return None if isinstance(answer, Unknown) else answer
