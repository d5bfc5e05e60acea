"""The engine's queue: order, conflation, and what happens when it is full."""

import os
import signal
import threading
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import QueueOverflow
from core.event_queue import EventQueue
from core.events import (
    AccountValue,
    Commission,
    FeedChanged,
    Halt,
    ProfitAndLoss,
    Quote,
    RealtimeBar,
    Shutdown,
    Timer,
)
from core.lanes import Lane, lane_of
from core.vocabulary import FeedStatus, HaltLevel, HaltReason


def bar(symbol, end_ns=1):
    return RealtimeBar(symbol=symbol, end_ns=end_ns, open=1.0, high=1.0, low=1.0, close=1.0, volume=1.0)


def quote(symbol, bid=1.0):
    return Quote(
        symbol=symbol, bid=bid, ask=2.0, last=1.5, bid_size=1.0, ask_size=1.0, received_monotonic_ns=0
    )


def commission(number):
    return Commission(exec_id=str(number), amount=Decimal(1), currency="USD")


def value(key, amount):
    return AccountValue(account="DU1", key=key, value=amount, currency="USD", received_monotonic_ns=0)


def timer(number):
    return Timer(name="t", monotonic_ns=number)


def drain(queue):
    taken = []
    while (event := queue.get()) is not None:
        taken.append(event)
    return taken


def test_higher_lanes_come_first_and_each_lane_keeps_its_order():
    queue = EventQueue()
    events = [bar("A", 1), commission(1), value("x", "1"), timer(1), bar("A", 2), commission(2), timer(2)]
    for event in events:
        queue.put(event)
    assert drain(queue) == [
        timer(1),
        timer(2),
        commission(1),
        commission(2),
        value("x", "1"),
        bar("A", 1),
        bar("A", 2),
    ]


def test_a_newer_quote_takes_the_place_of_the_one_that_waits():
    queue = EventQueue()
    for event in (quote("A", 1.0), quote("B", 1.0), quote("A", 3.0)):
        queue.put(event)
    assert drain(queue) == [quote("A", 3.0), quote("B", 1.0)]
    assert queue.statistics().replaced == 1


def test_account_values_are_merged_by_key_and_profit_by_account():
    queue = EventQueue()
    profit = [
        ProfitAndLoss(account="DU1", daily=x, unrealized=0.0, realized=0.0, received_monotonic_ns=0)
        for x in (1.0, 2.0)
    ]
    for event in (value("a", "1"), value("b", "1"), profit[0], value("a", "2"), profit[1]):
        queue.put(event)
    assert drain(queue) == [value("a", "2"), value("b", "1"), profit[1]]


def test_a_value_that_was_taken_is_not_merged_with_a_later_one():
    queue = EventQueue()
    queue.put(quote("A", 1.0))
    assert queue.get() == quote("A", 1.0)
    queue.put(quote("A", 2.0))
    assert drain(queue) == [quote("A", 2.0)]


def test_market_data_can_not_displace_anything_else():
    queue = EventQueue(capacity=10)
    queue.put(commission(1))
    for number in range(1000):
        queue.put(bar("A", number))
        queue.put(quote("A"))
    assert queue.get() == commission(1)
    assert not queue.overflowed


def test_too_many_bars_leave_a_known_gap_where_the_first_of_them_was():
    queue = EventQueue(capacity=4)
    for event in (bar("A", 1), bar("B", 1), quote("A"), bar("A", 2), bar("B", 2), bar("C", 2)):
        queue.put(event)
    gap, *rest = drain(queue)
    assert (gap.symbol, gap.status) == ("A", FeedStatus.GAP)
    assert rest == [bar("B", 1), quote("A"), bar("B", 2), bar("C", 2)]
    assert queue.statistics().dropped_bars == 2


def test_a_lane_that_may_lose_nothing_refuses_and_halts_when_it_is_full():
    queue = EventQueue(capacity=2)
    queue.put(commission(1))
    queue.put(commission(2))
    for _ in range(3):
        with pytest.raises(QueueOverflow, match="ORDER"):
            queue.put(commission(3))
    assert queue.overflowed
    halt = queue.get()
    assert isinstance(halt, Halt)
    assert (halt.level, halt.reason) == (HaltLevel.HALTED, HaltReason.QUEUE_OVERFLOW)
    assert drain(queue) == [commission(1), commission(2)]
    assert queue.overflowed


def test_a_full_control_lane_still_delivers_the_halt():
    queue = EventQueue(capacity=1)
    queue.put(timer(1))
    with pytest.raises(QueueOverflow):
        queue.put(timer(2))
    assert isinstance(queue.get(), Halt)
    assert queue.get() == timer(1)


def test_an_overflow_wakes_a_consumer_that_waits():
    queue = EventQueue(capacity=1)
    taken = []
    thread = threading.Thread(target=lambda: taken.append(queue.get(10.0)))
    thread.start()
    queue.put(timer(1))
    thread.join(10.0)
    assert taken == [timer(1)]


def test_nothing_comes_out_of_an_empty_queue_within_the_time_out():
    queue = EventQueue()
    begin = time.monotonic()
    assert queue.get(0.05) is None
    assert time.monotonic() - begin >= 0.045
    assert queue.get() is None


def test_many_producers_lose_nothing():
    queue = EventQueue(capacity=100_000)

    def produce(n):
        for i in range(2000):
            queue.put(commission(f"{n}.{i}"))

    producers = [threading.Thread(target=produce, args=(n,)) for n in range(4)]
    for producer in producers:
        producer.start()
    taken: list[str] = []
    deadline = time.monotonic() + 30
    while len(taken) < 8000 and time.monotonic() < deadline:
        event = queue.get(1.0)
        if isinstance(event, Commission):
            taken.append(event.exec_id)
    for producer in producers:
        producer.join()
    assert len(set(taken)) == 8000
    for n in range(4):
        own = [int(x.split(".")[1]) for x in taken if x.startswith(f"{n}.")]
        assert own == sorted(own)


def test_a_signal_handler_may_put_while_its_thread_is_inside_the_queue():
    queue = EventQueue(capacity=1_000_000)
    sent = 0
    before = signal.signal(signal.SIGUSR1, lambda *_: queue.put(Shutdown(reason="signal")))
    stop = threading.Event()

    def bombard():
        nonlocal sent
        while not stop.is_set():
            os.kill(os.getpid(), signal.SIGUSR1)
            sent += 1
            stop.wait(0.0002)

    thread = threading.Thread(target=bombard)
    thread.start()
    try:
        shutdowns = commissions = 0
        for number in range(20_000):
            queue.put(commission(number))
            event = queue.get(1.0)
            shutdowns += isinstance(event, Shutdown)
            commissions += isinstance(event, Commission)
    finally:
        stop.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    rest = drain(queue)
    shutdowns += sum(isinstance(event, Shutdown) for event in rest)
    commissions += sum(isinstance(event, Commission) for event in rest)
    assert commissions == 20_000
    assert 0 < shutdowns <= sent  # several pending signals of one number are one
    assert queue.depth() == 0


def test_a_capacity_below_one_makes_no_sense():
    with pytest.raises(ValueError, match="at least 1"):
        EventQueue(capacity=0)


events = st.one_of(
    st.builds(bar, st.sampled_from("ABC"), st.integers(1, 9)),
    st.builds(quote, st.sampled_from("ABC"), st.floats(1, 9)),
    st.builds(commission, st.integers(0, 9)),
    st.builds(timer, st.integers(0, 9)),
    st.builds(value, st.sampled_from("xy"), st.sampled_from("123")),
    st.builds(
        lambda s, status: FeedChanged(symbol=s, status=status, detail=""),
        st.sampled_from("ABC"),
        st.sampled_from(FeedStatus),
    ),
)


@given(st.lists(st.one_of(events, st.none()), max_size=60), st.integers(1, 6))
def test_whatever_happens_upper_lanes_lose_nothing_and_every_lost_bar_is_told(script, capacity):
    queue = EventQueue(capacity=capacity)
    accepted, refused, taken = [], 0, []
    for step in script:
        if step is None:
            taken.append(queue.get())
            continue
        try:
            queue.put(step)
            accepted.append(step)
        except QueueOverflow:
            refused += 1
        assert queue.depth() == sum(queue.statistics().depth_by_lane)
    taken += drain(queue)
    for kind in (Commission, Timer):
        assert [e for e in taken if isinstance(e, kind)] == [e for e in accepted if isinstance(e, kind)]
    halts = [e for e in taken if isinstance(e, Halt)]
    assert len(halts) == (1 if refused else 0)
    given_bars = [e for e in accepted if isinstance(e, RealtimeBar)]
    taken_bars = [e for e in taken if isinstance(e, RealtimeBar)]
    assert len(given_bars) - len(taken_bars) == queue.statistics().dropped_bars
    gaps = {e.symbol for e in taken if isinstance(e, FeedChanged) and e.status is FeedStatus.GAP}
    for symbol in "ABC":
        lost = sum(e.symbol == symbol for e in given_bars) - sum(e.symbol == symbol for e in taken_bars)
        assert lost == 0 or symbol in gaps
    assert queue.depth() == 0
    assert all(lane_of(e) in Lane for e in taken if e is not None)
