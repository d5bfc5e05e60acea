"""Orders, cancels, and answers, over real sockets."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from decimal import Decimal

import pytest

from core.clock import SystemClock
from core.config_schema import BrokerSettings
from core.errors import NotConnected, QueueOverflow, Rejected
from core.events import (
    BrokerError,
    Commission,
    ConnectionChanged,
    Execution,
    FeedChanged,
    OpenOrderReport,
    Order,
    OrderStatusReport,
    PositionReport,
    Quote,
)
from core.ib_wrapper.session import IBSession
from core.vocabulary import BrokerStatus, ConnectionState, FeedStatus, OrderType, Purpose, Side, Unknown
from tests.core.ib_wrapper.scripted import Events, Peer, ScriptedTws, message, session_at
from tests.waiting import DEADLINE_S, wait_for


def order(ref: str = "BS-1", **changes: object) -> Order:
    fields: dict[str, object] = {
        "order_ref": ref,
        "strategy": "momentum",
        "symbol": "AAPL",
        "side": Side.BUY,
        "quantity": Decimal("1E+2"),
        "order_type": OrderType.LIMIT,
        "limit_price": Decimal("99.50"),
        "purpose": Purpose.ENTRY,
        "reason": "test",
        "created_ns": 0,
        **changes,
    }
    return Order(**fields)  # type: ignore[arg-type]


def ready(tws: ScriptedTws, session: IBSession, *, next_id: int = 1) -> Peer:
    peer = tws.accept()
    peer.accept_session(next_id=next_id)
    assert session.wait_ready(DEADLINE_S)
    peer.expect(59)
    return peer


def execution(request_id: int | str, exec_id: str, *, ref: str = "BS-1") -> tuple[object, ...]:
    return (
        11, request_id, 4, 1, "AAPL", "STK", "", 0, "", "", "SMART", "USD", "AAPL", "NMS", exec_id,
        "20121112  09:35:00", "DU1234567", "ISLAND", "BOT", 100, 10.5, 77, 1, 0, 100, 10.5, ref, "", 0, "", 1,
    )  # fmt: skip


def test_an_order_goes_out_once_with_its_reference_and_exact_decimals(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        session.place(session.next_order_id(), order(oca_group="G"), parent_id=9, transmit=False)
        fields = peer.expect(3)
        assert fields[1] == "1"
        assert fields[3:5] == ["AAPL", "STK"]
        assert fields[16:20] == ["BUY", "100", "LMT", "99.50"]
        assert {"BS-1", "G", "DU1234567"} <= set(fields)
        # tif, oca group, account, open/close, origin, reference, transmit, parent
        assert fields[21:29] == ["DAY", "G", "DU1234567", "", "0", "BS-1", "0", "9"]
        assert peer.hears_nothing_of(3, 0.2)


def test_order_ids_exceed_the_floor_and_every_id_seen_even_after_next_valid_id_falls(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events, order_id_floor=40) as session:
        peer = ready(tws, session, next_id=5)
        assert session.next_order_id() == 41
        peer.send(3, 90, "Submitted", 0, 10, 0, 555, 0, 0, 1, "", 0)
        wait_for(lambda: events.of(OrderStatusReport), "status")
        assert session.next_order_id() == 91
        peer.close()
        ready(tws, session, next_id=1)
        assert session.next_order_id() == 92


def test_a_cancel_overtakes_orders_that_wait_for_the_message_budget(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, messages_per_second=10) as session:
        peer = ready(tws, session)
        placed: list[int] = []

        def place_many() -> None:
            for number in range(20):
                session.place(100 + number, order(f"BS-{number}"))
                placed.append(number)

        thread = threading.Thread(target=place_many)
        thread.start()
        link = session._connection.link
        assert link is not None
        outbox = link.outbox
        wait_for(lambda: placed and outbox.available(urgent=False) == 0, "used-up budget")
        session.cancel_all()
        peer.expect(58)
        arrived = sum(fields[0] == "3" for fields in peer.received)
        assert arrived < 20
        thread.join(10)
        assert len(placed) == 20


def test_never_more_than_fifty_messages_leave_in_a_second(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, messages_per_second=50) as session:
        peer = ready(tws, session)
        sent: list[float] = []
        for number in range(70):
            session.cancel(number)
            sent.append(time.monotonic())
        for _ in range(70):
            peer.expect(4)
    assert all(later - sooner > 1.0 for sooner, later in itertools.pairwise(sent[::50]))


def test_placing_without_a_connection_raises_and_nothing_is_sent_later(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        with pytest.raises(NotConnected):
            session.place(1, order())
        with pytest.raises(NotConnected):
            session.cancel_all()
        peer = ready(tws, session)
        peer.close()
        wait_for(lambda: session.state is not ConnectionState.READY, "loss")
        with pytest.raises(NotConnected):
            session.place(2, order())
        again = ready(tws, session)
        assert again.hears_nothing_of(3, 0.3)


def test_a_reference_that_the_protocol_cannot_carry_is_rejected(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        ready(tws, session)
        with pytest.raises(Rejected):
            session.place(1, order("BS-\u00fc"))
        assert session.state is ConnectionState.READY


def test_a_peer_that_takes_no_bytes_cannot_block_place_for_ever(events: Events) -> None:
    with socket.socket() as listener:
        # A small window is inherited by the accepted socket; nobody reads from it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        tws = ScriptedTws.__new__(ScriptedTws)
        tws.listener, tws.port, tws.peers = listener, listener.getsockname()[1], []
        with session_at(tws.port, events, probe_interval_s=30, probe_timeout_s=1.0) as session:
            ready(tws, session)
            began = time.monotonic()
            longest = 0.0
            while session.state is ConnectionState.READY and time.monotonic() - began < 15:
                before = time.monotonic()
                with contextlib.suppress(NotConnected):
                    session.place(session.next_order_id(), order("x" * 60_000))
                longest = max(longest, time.monotonic() - before)
            assert longest < 3.0
            wait_for(
                lambda: any(
                    e.state is ConnectionState.LOST and "bytes" in e.reason
                    for e in events.of(ConnectionChanged)
                ),
                "loss, because the peer takes no bytes",
            )
        tws.close()


def test_the_statuses_of_an_order_carry_its_reference(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        session.place(7, order("BS-7"))
        peer.send(3, 7, "PreSubmitted", 0, 100, 0, 555, 0, 0, 1, "locate", 0)
        peer.send(3, 7, "NewerThanUs", 0, 100, 0, 555, 0, 0, 1, "", 0)
        wait_for(lambda: len(events.of(OrderStatusReport)) == 2, "two statuses")
    first, second = events.of(OrderStatusReport)
    assert first.order_ref == "BS-7"
    assert first.status is BrokerStatus.PRE_SUBMITTED
    assert first.why_held == "locate"
    assert second.status is BrokerStatus.UNKNOWN


def test_an_order_error_names_the_order(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        session.place(7, order("BS-7"))
        # One field more than ibapi 9.81 knows, as newer servers send: ibapi itself would drop the message.
        peer.send(4, 2, 7, 201, "Order rejected - reason:margin", "extra")
        wait_for(lambda: events.of(BrokerError), "error")
    (error,) = events.of(BrokerError)
    assert (error.request_id, error.code, error.order_ref) == (7, 201, "BS-7")


def test_live_executions_become_events_and_asked_ones_only_an_answer(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        answer = session.executions()
        number = peer.expect(7)[2]
        peer.send(*execution(number, "a.01.01"))
        peer.send(*execution(-1, "b.01.01"))
        peer.send(59, 1, "b.01.01", 1.25, "USD", 0, 0, 0)
        peer.send(59, 1, "b.01.01", 1.25, "USD", 0, 0, 0)
        peer.send(59, 1, "c.01.01", 1.7976931348623157e308, "USD", 0, 0, 0)
        peer.send(55, 1, number)
        found = answer.result(DEADLINE_S)
    assert not isinstance(found, Unknown)
    assert [e.exec_id for e in found] == ["a.01.01"]
    assert [e.exec_id for e in events.of(Execution)] == ["b.01.01"]
    assert events.of(Commission) == [Commission(exec_id="b.01.01", amount=Decimal("1.25"), currency="USD")]


@pytest.mark.parametrize("unknown", [-1, 1.7976931348623157e308])
def test_a_commission_that_is_not_known_yet_is_asked_for_again(
    tws: ScriptedTws, events: Events, unknown: float
) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        peer.send(*execution(-1, "b.01.01"))
        peer.send(59, 1, "b.01.01", unknown, "USD", 0, 0, 0)
        number = peer.expect(7)[2]
        peer.send(*execution(number, "b.01.01"))
        peer.send(59, 1, "b.01.01", 1.25, "USD", 0, 0, 0)
        peer.send(55, 1, number)
        wait_for(lambda: events.of(Commission), "commission")
    assert [(c.exec_id, c.amount) for c in events.of(Commission)] == [("b.01.01", Decimal("1.25"))]


def test_a_sink_that_raises_does_not_end_the_session(tws: ScriptedTws) -> None:
    seen: list[object] = []

    def sink(event: object) -> None:
        if isinstance(event, OrderStatusReport) and not seen:
            seen.append(event)
            raise QueueOverflow("full")
        seen.append(event)

    with session_at(tws.port, sink) as session:
        peer = ready(tws, session)
        seen.clear()
        for _ in range(2):
            peer.send(3, 7, "Submitted", 0, 100, 0, 555, 0, 0, 1, "", 0)
        wait_for(lambda: sum(isinstance(e, OrderStatusReport) for e in seen) == 2, "the second status")
        assert session.statistics.connects == 1


def test_an_execution_with_an_unreadable_time_is_not_lost(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        fields = list(execution(-1, "b.01.01"))
        fields[15] = "yesterday, about noon"
        peer.send(*fields)
        wait_for(lambda: events.of(Execution), "execution")


def test_positions_are_complete_only_at_their_end_and_hold_no_zeros(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        answer = session.positions()
        peer.expect(61)
        shares = ("STK", "", 0, "", "", "NASDAQ", "USD", "AAPL", "NMS")
        peer.send(61, 3, "DU1234567", 1, "AAPL", *shares, 100, 10.5)
        peer.send(61, 3, "DU1234567", 2, "IBM", *shares, 0, 0)
        peer.send(61, 3, "DU1234567", 3, "AAPL", "OPT", "", 0, "", "", "SMART", "USD", "AAPL C", "", 5, 1)
        wait_for(lambda: len(events.of(PositionReport)) == 3, "three positions")
        assert not answer.done()
        peer.send(62, 1)
        found = answer.result(DEADLINE_S)
    assert not isinstance(found, Unknown)
    assert {(p.symbol, p.quantity) for p in found} == {("AAPL", Decimal(100)), ("AAPL C (OPT)", Decimal(5))}


def test_who_asks_while_a_question_is_under_way_gets_a_fresh_answer(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        first, second, third = session.positions(), session.positions(), session.positions()
        peer.expect(61)
        peer.send(62, 1)
        assert first.result(DEADLINE_S) == ()
        assert not second.done()
        peer.expect(61)
        peer.send(62, 1)
        assert second.result(DEADLINE_S) == ()
        assert third is second
        assert peer.hears_nothing_of(61, 0.2)


def test_a_late_end_is_not_taken_for_the_next_answer(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, request_timeout_s=0.5) as session:
        peer = ready(tws, session)
        assert session.positions().result(DEADLINE_S) is Unknown.TIMED_OUT
        second = session.positions()
        stock = ("STK", "", 0, "", "", "NASDAQ", "USD", "AAPL", "NMS")
        peer.send(62, 1)
        peer.send(61, 3, "DU1234567", 1, "AAPL", *stock, 100, 10.5)
        peer.send(62, 1)
        found = second.result(DEADLINE_S)
    assert not isinstance(found, Unknown)
    assert [p.symbol for p in found] == ["AAPL"]


def test_an_algorithm_goes_out_with_its_parameters_and_a_peg_with_its_offset(
    tws: ScriptedTws, events: Events
) -> None:
    twap = order(
        order_type=OrderType.MARKET,
        limit_price=None,
        algo="Twap",
        algo_params=(("startTime", "20120518-10:00:00 US/Eastern"), ("allowPastEndTime", "0")),
    )
    pegged = order(
        "BS-2", order_type=OrderType.RELATIVE, limit_price=Decimal("101.25"), peg_offset=Decimal("0.01")
    )
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        session.place(1, twap)
        fields = tuple(peer.expect(3))
        assert fields[18] == "MKT"
        place = fields.index("Twap")
        assert fields[place : place + 6] == (
            "Twap", "2", "startTime", "20120518-10:00:00 US/Eastern", "allowPastEndTime", "0",
        )  # fmt: skip
        session.place(2, pegged)
        assert peer.expect(3)[16:21] == ["BUY", "100", "REL", "101.25", "0.01"]


def test_open_orders_are_answered_with_every_field(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        answer = session.open_orders()
        peer.expect(16)
        peer.send(53, 1)
        assert answer.result(DEADLINE_S) == ()
    assert events.of(OpenOrderReport) == []


def test_a_refused_request_is_unknown(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        answer = session.contract_details("NOPE")
        number = peer.expect(9)[2]
        peer.send(4, 2, number, 200, "No security definition has been found for the request")
        assert answer.result(DEADLINE_S) is Unknown.REFUSED
    assert events.of(BrokerError) == []


def test_a_burst_of_4096_bytes_followed_by_silence_arrives(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        burst = b"".join(message(3, n, "Submitted", 0, 100, 0, 555, 0, 0, 1, "", 0) for n in range(100, 180))
        rest = 4096 - len(burst) - len(message(3, 999, "Submitted", 0, 100, 0, 555, 0, 0, 1, "", 0))
        burst += message(3, 999, "Submitted", 0, 100, 0, 555, 0, 0, 1, "x" * rest, 0)
        assert len(burst) == 4096
        peer.send_bytes(burst)
        wait_for(lambda: len(events.of(OrderStatusReport)) == 81, "the whole burst")


def test_many_ticks_of_one_batch_become_one_quote(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        session.subscribe_quotes(["AAPL"])
        number = peer.expect(1)[2]
        ticks = [message(1, 6, number, 1, 10 + n / 100, 5, 0) for n in range(50)]
        ticks.append(message(1, 6, number, 2, 11, 7, 0))
        ticks.append(message(1, 6, number, 4, -1, 0, 0))
        peer.send_bytes(b"".join(ticks))
        wait_for(lambda: events.of(Quote) and events.of(Quote)[-1].ask == 11, "quote")
    quote = events.of(Quote)[-1]
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (10.49, 11.0, 5, 7)
    assert quote.last != quote.last
    assert len(events.of(Quote)) < 10


@pytest.mark.parametrize(
    ("code", "status"),
    [(354, FeedStatus.NO_SUBSCRIPTION), (200, FeedStatus.NO_SUBSCRIPTION), (10197, FeedStatus.STALE)],
)
def test_a_code_about_a_subscription_changes_the_feed_of_its_symbol(
    tws: ScriptedTws, events: Events, code: int, status: FeedStatus
) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        session.subscribe_quotes(["IBM"])
        peer.send(4, 2, peer.expect(1)[2], code, "text")
        wait_for(lambda: events.of(FeedChanged), "feed change")
        assert session.state is ConnectionState.READY
    (change,) = events.of(FeedChanged)
    assert (change.symbol, change.status) == ("IBM", status)


def test_an_account_that_was_not_asked_for_is_not_taken(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, account_id="DU2") as session:
        peer = tws.accept()
        peer.accept_session(accounts="DU1,DU3")
        assert session.wait_ready(DEADLINE_S)
        assert session.account is None
        assert session.accounts == ("DU1", "DU3")


def test_a_session_that_was_never_started_can_be_stopped(events: Events) -> None:
    session = IBSession(BrokerSettings(), client_id=1, sink=events, clock=SystemClock())
    session.stop()
    assert session.state is ConnectionState.DISCONNECTED
    assert session.positions().result(1) is Unknown.DISCONNECTED
