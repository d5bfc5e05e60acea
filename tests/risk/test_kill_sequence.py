"""The kill sequence in simulated time, against a broker that is late, forgetful and moody."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.events import OpenOrderReport
from core.vocabulary import BrokerStatus, Side
from risk.kill_messages import (
    CancelAll,
    CloseRefused,
    CloseStatus,
    FenceEnded,
    FenceOutcome,
    Finish,
    KillAction,
    KillEvent,
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
from risk.kill_sequence import KillSequence, Phase
from tests.risk.simulated_broker import MS, SYMBOLS, Troubles, World

troubles = st.builds(
    Troubles,
    lost_answers=st.sampled_from((0.0, 0.1, 0.4)),
    lost_statuses=st.sampled_from((0.0, 0.3, 1.0)),
    disconnects=st.integers(0, 3),
    restarts=st.integers(0, 4),
    halted_symbols=st.frozensets(st.sampled_from(SYMBOLS), max_size=2),
    uncancellable=st.sampled_from((0, 0, 0, 2)),
    partial_fills=st.booleans(),
    fence_ms=st.integers(0, 300),
    fence=st.sampled_from((FenceOutcome.ACKNOWLEDGED, FenceOutcome.KILLED)),
)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), trouble=troubles)
def test_a_kill_never_turns_a_position_round_and_ends_flat_or_with_a_listed_residue(
    seed: int, trouble: Troubles
) -> None:
    world = World(seed=seed, troubles=trouble)
    outcome = world.run()
    held = {symbol: quantity for symbol, quantity in world.positions.items() if quantity}
    listed = {item.symbol: item.quantity for item in outcome.residue if item.quantity}
    assert held == listed
    assert outcome.flat == (not outcome.residue)
    assert all(item.reason for item in outcome.residue)
    if outcome.flat:
        assert not world.working
    assert all(order.stuck for order in world.working.values())
    if not trouble.halted_symbols and not trouble.uncancellable:
        assert outcome.flat


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), restarts=st.integers(1, 6))
def test_a_kill_whose_watchdog_dies_again_and_again_still_ends_flat(seed: int, restarts: int) -> None:
    assert World(seed=seed, troubles=Troubles(restarts=restarts)).run().flat


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    locked=st.integers(1, 6),
    auction_ms=st.integers(0, 6_000),
    lost_answers=st.sampled_from((0.0, 0.1)),
)
def test_a_kill_around_the_closing_auction_leaves_to_locked_orders_what_they_will_close(
    seed: int, locked: int, auction_ms: int, lost_answers: float
) -> None:
    troubles = Troubles(uncancellable=locked, auction_ms=auction_ms, lost_answers=lost_answers)
    world = World(seed=seed, troubles=troubles)
    outcome = world.run()  # each fill of a close is checked as it happens
    assert outcome.flat == (not outcome.residue)
    assert all(order.stuck for order in world.working.values())


# --- step by step ----------------------------------------------------------------------------------------


class Play:
    """Drives one sequence by hand."""

    def __init__(self, *, ready: bool = True) -> None:
        self.now = 10 * MS
        self.sequence = KillSequence(kill_id="k1")
        self.actions = list(self.sequence.start(self.now, ready=ready))

    def feed(self, event: KillEvent) -> list[KillAction]:
        self.actions = list(self.sequence.handle(event))
        return self.actions

    def fence(self, outcome: FenceOutcome = FenceOutcome.ACKNOWLEDGED) -> None:
        self.feed(FenceEnded(outcome=outcome, detail="", at_ns=self.now))

    def tick(self, milliseconds: int = 1_000) -> list[KillAction]:
        self.now += milliseconds * MS
        return self.feed(Tick(at_ns=self.now))

    def no_orders(self) -> list[KillAction]:
        question = next(action for action in self.actions if isinstance(action, ReadOpenOrders))
        return self.feed(OpenOrdersRead(read_id=question.read_id, orders=(), at_ns=self.now))

    def positions(self, **held: int | str) -> list[KillAction]:
        question = next(action for action in self.actions if isinstance(action, ReadPositions))
        answer = {symbol: Decimal(quantity) for symbol, quantity in held.items()}
        return self.feed(PositionsRead(read_id=question.read_id, positions=answer, at_ns=self.now))

    def look(self, **held: int | str) -> list[KillAction]:
        """One look: no orders, then positions."""
        self.no_orders()
        return self.positions(**held)

    def two_looks(self, **held: int | str) -> list[KillAction]:
        self.look(**held)
        self.tick()
        return self.look(**held)


def kinds(actions: list[KillAction]) -> list[type]:
    return [type(action) for action in actions]


def test_the_first_thing_is_the_cancel_then_the_fence_then_the_record() -> None:
    assert kinds(Play().actions) == [CancelAll, RaiseFence, RecordStart, ReadOpenOrders]


def test_without_a_session_the_fence_is_raised_and_the_cancel_follows_with_the_session() -> None:
    play = Play(ready=False)
    assert CancelAll not in kinds(play.actions)
    assert RaiseFence in kinds(play.actions)
    assert CancelAll in kinds(play.feed(SessionChanged(ready=True, at_ns=play.now)))


def test_nothing_is_closed_before_the_fence() -> None:
    play = Play()
    play.no_orders()
    assert kinds(play.tick()) == [ReadOpenOrders]
    assert kinds(play.no_orders()) == []


def test_the_fence_cancels_a_second_time() -> None:
    play = Play()
    play.fence()
    assert CancelAll in kinds(play.actions)


def test_an_answer_from_before_the_fence_is_not_counted() -> None:
    play = Play()
    old = next(action for action in play.actions if isinstance(action, ReadOpenOrders))
    play.fence()
    assert play.feed(OpenOrdersRead(read_id=old.read_id, orders=(), at_ns=play.now)) == []


def test_two_equal_looks_close_exactly_the_position() -> None:
    play = Play()
    play.fence()
    actions = play.two_looks(AAPL=100, IBM=-30)
    send = next(action for action in actions if isinstance(action, SendCloses))
    assert [(o.symbol, o.side, o.quantity) for o in send.orders] == [
        ("AAPL", Side.SELL, Decimal(100)),
        ("IBM", Side.BUY, Decimal(30)),
    ]
    assert [o.order_ref for o in send.orders] == ["BS-KILL-k1-AAPL-1", "BS-KILL-k1-IBM-2"]


def test_a_fraction_of_a_share_is_listed_and_the_whole_ones_are_closed() -> None:
    play = Play()
    play.fence()
    actions = play.two_looks(AAPL="10.5")
    send = next(action for action in actions if isinstance(action, SendCloses))
    assert [order.quantity for order in send.orders] == [Decimal(10)]
    for order in send.orders:
        filled = CloseStatus(
            order_ref=order.order_ref, status=BrokerStatus.FILLED, filled=order.quantity, at_ns=play.now
        )
        play.feed(filled)
    actions = play.two_looks(AAPL="0.5")
    finish = next(action for action in actions if isinstance(action, Finish))
    assert [(item.symbol, item.quantity) for item in finish.residue] == [("AAPL", Decimal("0.5"))]
    assert "fraction" in finish.residue[0].reason


def test_two_looks_that_differ_close_nothing_yet() -> None:
    play = Play()
    play.fence()
    play.look(AAPL=100)
    play.tick()
    assert SendCloses not in kinds(play.look(AAPL=50))
    play.tick()
    assert SendCloses in kinds(play.look(AAPL=50))


def test_an_unknown_answer_is_never_flat() -> None:
    play = Play()
    play.fence()
    for _ in range(10):
        play.no_orders()
        question = next(action for action in play.actions if isinstance(action, ReadPositions))
        play.feed(PositionsRead(read_id=question.read_id, positions=None, at_ns=play.now))
        play.tick()
    assert play.sequence.phase is not Phase.ENDED


def test_a_lost_session_between_two_looks_starts_the_round_again() -> None:
    play = Play()
    play.fence()
    play.look()
    play.feed(SessionChanged(ready=False, at_ns=play.now))
    assert play.tick() == []
    play.feed(SessionChanged(ready=True, at_ns=play.now))
    assert Finish not in kinds(play.look())
    play.tick()
    assert kinds(play.look()) == [Finish]


def test_flat_is_ended_only_after_two_looks() -> None:
    play = Play()
    play.fence()
    assert Finish not in kinds(play.look())
    play.tick()
    assert play.look() == [Finish(flat=True, residue=())]


def test_a_refused_symbol_is_listed_after_three_attempts_while_the_others_go_on() -> None:
    play = Play()
    play.fence()
    rounds = 0
    actions = play.two_looks(AAPL=100, IBM=50)
    while Finish not in kinds(actions):
        rounds += 1
        send = next(action for action in actions if isinstance(action, SendCloses))
        for order in send.orders:
            if order.symbol == "AAPL":
                play.feed(CloseRefused(order_ref=order.order_ref, detail="201 halted", at_ns=play.now))
            else:
                play.feed(
                    CloseStatus(
                        order_ref=order.order_ref,
                        status=BrokerStatus.FILLED,
                        filled=order.quantity,
                        at_ns=play.now,
                    )
                )
            if play.sequence.phase is Phase.CANCELLING:
                break
        actions = play.two_looks(AAPL=100)
    assert rounds == 3
    finish = next(action for action in actions if isinstance(action, Finish))
    assert [(item.symbol, item.quantity, item.reason) for item in finish.residue] == [
        ("AAPL", Decimal(100), "201 halted")
    ]


# --- orders that can't be cancelled ------------------------------------------------------------------------


def locked(side: Side, quantity: int, kind: str = "MOC") -> OpenOrderReport:
    return OpenOrderReport(
        order_ref="BS-1-1-c",
        order_id=1,
        perm_id=9,
        client_id=1,
        symbol="AAPL",
        side=side,
        quantity=Decimal(quantity),
        order_type=kind,
        status=BrokerStatus.PRE_SUBMITTED,
    )


class LockedPlay(Play):
    """A broker that goes on working one order."""

    def __init__(self, order: OpenOrderReport) -> None:
        super().__init__()
        self.fence()
        self.order = order

    def still_open(self) -> list[KillAction]:
        question = next(action for action in self.actions if isinstance(action, ReadOpenOrders))
        return self.feed(OpenOrdersRead(read_id=question.read_id, orders=(self.order,), at_ns=self.now))

    def until_read(self) -> list[KillAction]:
        """Answer with the order until the sequence goes on without its cancel; return what that said."""
        for _ in range(100):
            if ReadPositions in kinds(actions := self.still_open()):
                return actions
            self.tick()
            while ReadOpenOrders not in kinds(self.actions):
                self.tick()
        raise AssertionError("the sequence waits for the cancel for ever")

    def two_looks(self, **held: int | str) -> list[KillAction]:
        self.until_read()
        self.positions(**held)
        self.tick()
        self.still_open()
        return self.positions(**held)


@pytest.mark.parametrize(
    ("held", "side", "quantity", "closed"),
    [
        (100, Side.SELL, 40, 60),
        (100, Side.SELL, 100, None),
        (100, Side.SELL, 250, None),
        (-100, Side.BUY, 40, 60),
        (-100, Side.BUY, 100, None),
        (100, Side.BUY, 40, 100),  # it would add to the position: nothing but the position is ours to close
        (-100, Side.SELL, 40, 100),
        (0, Side.BUY, 40, None),
    ],
)
def test_a_close_leaves_room_for_what_cant_be_cancelled(
    held: int, side: Side, quantity: int, closed: int | None
) -> None:
    actions = LockedPlay(locked(side, quantity)).two_looks(AAPL=held)
    sent = [order for action in actions if isinstance(action, SendCloses) for order in action.orders]
    if closed is not None:
        assert [(one.side, one.quantity) for one in sent] == [
            (Side.SELL if held > 0 else Side.BUY, Decimal(closed))
        ]
        return
    assert sent == []
    finish = next(action for action in actions if isinstance(action, Finish))
    assert not finish.flat
    assert [item.quantity for item in finish.residue] == ([Decimal(held)] if held else []) + [Decimal(0)]
    assert finish.residue[-1].reason == "order BS-1-1-c (MOC: may fill at the close) can't be cancelled"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("MOC", "BS-1-1-c (MOC: may fill at the close)"),
        ("LOC", "BS-1-1-c (LOC: may fill at the close)"),
        ("LMT", "BS-1-1-c"),
    ],
)
def test_an_order_that_cant_be_cancelled_is_told_once(kind: str, text: str) -> None:
    play = LockedPlay(locked(Side.BUY, 40, kind))
    told = [action for action in play.until_read() if isinstance(action, Warn)]
    assert told == [Warn(text=f"orders can't be cancelled: AAPL {text}")]
    play.positions()
    play.tick()
    assert Warn not in kinds(play.still_open())


def test_positions_read_beside_a_locked_order_dont_count_once_it_is_gone() -> None:
    play = LockedPlay(locked(Side.SELL, 100))
    play.until_read()
    play.positions(AAPL=100)
    play.tick()
    # The auction was held; the broker's positions are still those of before it.
    assert SendCloses not in kinds(play.look(AAPL=100))
    play.tick()
    assert kinds(play.look()) == []
    play.tick()
    assert play.look() == [Finish(flat=True, residue=())]


def test_after_a_restart_numbers_of_closing_orders_are_not_used_again() -> None:
    play = Play()
    play.sequence.closes_sent = 7
    play.fence()
    actions = play.two_looks(AAPL=1)
    send = next(action for action in actions if isinstance(action, SendCloses))
    assert send.orders[0].order_ref == "BS-KILL-k1-AAPL-8"


def test_an_ended_sequence_does_nothing_more() -> None:
    play = Play()
    play.fence()
    play.two_looks()
    assert play.tick() == []
    assert play.feed(SessionChanged(ready=True, at_ns=play.now)) == []
