"""A broker with a true history, whose messages arrive in any order, repeated, and some of them never."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.events import BrokerError, BrokerSnapshot, Execution, OrderStatusReport
from core.vocabulary import BrokerStatus, Unknown
from execution.order_manager import OrderManager
from execution.order_state import TRANSITIONS, OrderPhase, OrderSignal, OrderState
from tests.execution.orders import (
    CLIENT,
    D,
    ListJournal,
    execution_of,
    make_manager,
    make_order,
    open_report,
    sent,
    status_of,
)

ORDER_ID = 7
FINAL = {OrderPhase.FILLED, OrderPhase.CANCELLED, OrderPhase.REJECTED}


class OrderUnderABadConnection(RuleBasedStateMachine):
    """One order of 100. The broker's truth grows by rules; its messages pile up and are delivered at random."""

    manager: OrderManager
    journal: ListJournal

    @initialize()
    def send(self) -> None:
        self.manager, self.journal = make_manager()
        self.order = sent(self.manager, make_order(), ORDER_ID)
        self.truth: dict[str, Execution] = {}
        self.true_status = BrokerStatus.PENDING_SUBMIT
        self.messages: list[OrderStatusReport | Execution | BrokerError] = []
        self.delivered: dict[str, Execution] = {}
        self.phases = [self.state.phase]

    @property
    def state(self) -> OrderState:
        state = self.manager.book.get(self.order.order_ref)
        assert state is not None
        return state

    def true_filled(self) -> Decimal:
        return sum((e.quantity for e in self.truth.values()), D(0))

    def report(self) -> None:
        self.messages.append(status_of(self.order, ORDER_ID, self.true_status, self.true_filled()))

    def is_over(self) -> bool:
        return self.true_status in {BrokerStatus.FILLED, BrokerStatus.CANCELLED}

    @precondition(lambda self: not self.is_over())
    @rule(status=st.sampled_from([BrokerStatus.PRE_SUBMITTED, BrokerStatus.SUBMITTED, BrokerStatus.INACTIVE]))
    def broker_reports(self, status: BrokerStatus) -> None:
        self.true_status = status
        self.report()

    @precondition(lambda self: self.true_filled() < 100)
    @rule(quantity=st.integers(1, 60))
    def broker_fills(self, quantity: int) -> None:
        """Also after its Cancelled status: such fills happen."""
        quantity = min(quantity, 100 - int(self.true_filled()))
        execution = execution_of(self.order, ORDER_ID, quantity, number=len(self.truth) + 1)
        self.truth[execution.base_exec_id] = execution
        self.messages.append(execution)
        if self.true_filled() == 100:
            self.true_status = BrokerStatus.FILLED
        self.report()

    @precondition(lambda self: bool(self.truth))
    @rule(data=st.data(), price=st.sampled_from(["190.05", "189.90"]))
    def broker_corrects(self, data: st.DataObject, price: str) -> None:
        old = data.draw(st.sampled_from(sorted(self.truth.values(), key=lambda e: e.exec_id)))
        number, revision = int(old.exec_id.split(".")[2]), int(old.exec_id.split(".")[3]) + 1
        new = execution_of(self.order, ORDER_ID, old.quantity, number=number, revision=revision, price=price)
        self.truth[new.base_exec_id] = new
        self.messages.append(new)

    @precondition(lambda self: not self.is_over())
    @rule()
    def we_cancel(self) -> None:
        self.manager.cancelling(self.order.order_ref, "test")

    @precondition(lambda self: not self.is_over())
    @rule(code=st.sampled_from([202, 10147, 10148, 161]))
    def broker_ends_it(self, code: int) -> None:
        self.true_status = BrokerStatus.CANCELLED
        self.messages.append(BrokerError(request_id=ORDER_ID, code=code, message="..."))
        self.report()

    @precondition(lambda self: bool(self.messages))
    @rule(data=st.data(), again=st.booleans())
    def deliver(self, data: st.DataObject, again: bool) -> None:
        place = data.draw(st.integers(0, len(self.messages) - 1))
        message = self.messages[place] if again else self.messages.pop(place)
        self.take(message)

    @precondition(lambda self: any(isinstance(m, OrderStatusReport) for m in self.messages))
    @rule(data=st.data())
    def lose_a_status(self, data: st.DataObject) -> None:
        statuses = [m for m in self.messages if isinstance(m, OrderStatusReport)]
        self.messages.remove(data.draw(st.sampled_from(statuses)))

    def take(self, message: OrderStatusReport | Execution | BrokerError) -> None:
        if isinstance(message, Execution):
            self.manager.on_execution(message)
            known = self.delivered.get(message.base_exec_id)
            if known is None or known.exec_id < message.exec_id:
                self.delivered[message.base_exec_id] = message
        elif isinstance(message, OrderStatusReport):
            self.manager.on_status(message)
        else:
            self.manager.on_error(message)
        self.phases.append(self.state.phase)

    @invariant()
    def fills_are_what_was_delivered_and_never_more_than_asked(self) -> None:
        if not hasattr(self, "order"):
            return
        assert self.state.filled == sum((e.quantity for e in self.delivered.values()), D(0))
        assert not self.state.overfilled
        assert 0 <= self.state.open_quantity <= 100 - self.state.filled

    @invariant()
    def an_ended_order_lives_no_more(self) -> None:
        if not hasattr(self, "order"):
            return
        for before, after in pairwise(self.phases):
            assert before not in FINAL or after == before or after is OrderPhase.FILLED

    @invariant()
    def the_fold_of_the_journal_is_the_live_book(self) -> None:
        if not hasattr(self, "order"):
            return
        folded = self.journal.fold()
        assert list(folded) == list(self.manager.book)
        assert folded.pending() == self.manager.book.pending()
        assert folded.filled_position("momentum", "IBM") == self.manager.book.filled_position(
            "momentum", "IBM"
        )

    def teardown(self) -> None:
        """Whatever was lost: all executions and two snapshots bring the book to the truth."""
        if not hasattr(self, "order"):
            return
        for message in self.messages:
            if isinstance(message, Execution):
                self.take(message)
        is_open = not self.is_over()
        for _ in range(3):
            now = self.manager._clock.monotonic_ns() + 10**9
            self.manager._clock.advance(1.0)  # type: ignore[attr-defined]
            snapshot = BrokerSnapshot(
                account="DU1234567",
                requested_monotonic_ns=now,
                received_monotonic_ns=now,
                positions=Unknown.TIMED_OUT,
                open_orders=(open_report(self.order, ORDER_ID, self.true_status),) if is_open else (),
                executions=tuple(self.truth.values()),
            )
            assert self.manager.resolve(snapshot).missing == ()
        assert self.state.filled == self.true_filled()
        assert self.state.fills.keys() == self.truth.keys()
        if not is_open:
            assert not self.state.is_live
            assert self.state.open_quantity == 0
            assert self.manager.book.pending() == ()


TestOrderUnderABadConnection = OrderUnderABadConnection.TestCase
TestOrderUnderABadConnection.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@given(st.lists(st.sampled_from(list(OrderSignal)), max_size=30), st.sampled_from(list(OrderPhase)))
def test_no_sequence_of_signals_brings_an_ended_order_back_to_life(
    signals: list[OrderSignal], phase: OrderPhase
) -> None:
    phases = [phase]
    for signal in signals:
        phases.append(TRANSITIONS[phases[-1]].get(signal, phases[-1]))
    for before, after in pairwise(phases):
        assert before not in FINAL or after in {before, OrderPhase.FILLED}


def test_every_phase_has_a_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(OrderPhase)


def test_only_an_order_that_may_never_have_arrived_surfaces_again() -> None:
    revived = {
        phase
        for phase, row in TRANSITIONS.items()
        if not phase.is_live and any(to.is_live for to in row.values())
    }
    assert revived == {OrderPhase.NOT_SENT, OrderPhase.GONE}


def test_the_client_id_of_the_reports_is_ours() -> None:
    manager, _ = make_manager()
    order = sent(manager, make_order(), ORDER_ID)
    foreign = status_of(order, ORDER_ID, BrokerStatus.FILLED, 100)
    assert foreign.client_id == CLIENT
    of_another_client = OrderStatusReport(
        order_ref=None,
        order_id=ORDER_ID,
        perm_id=1,
        client_id=CLIENT + 1,
        status=BrokerStatus.CANCELLED,
        filled=D(0),
        remaining=D(0),
        average_fill_price=0.0,
    )
    assert manager.on_status(of_another_client) is None
    assert manager.book.pending() != ()
