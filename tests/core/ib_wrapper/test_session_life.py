"""Handshake, loss and reconnection, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from decimal import Decimal

import pytest

from core.errors import NotConnected
from core.events import ConnectionChanged, Execution, FeedChanged, Order, RealtimeBar
from core.vocabulary import ConnectionState, FeedStatus, OrderType, Purpose, Side, Unknown
from tests.core.ib_wrapper.scripted import Events, ScriptedTws, message, session_at
from tests.waiting import DEADLINE_S, wait_for


def order(ref: str = "BS-1", symbol: str = "AAPL") -> Order:
    return Order(
        order_ref=ref,
        strategy="momentum",
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal(10),
        order_type=OrderType.LIMIT,
        limit_price=Decimal("99.50"),
        purpose=Purpose.ENTRY,
        reason="test",
        created_ns=0,
    )


def states(events: Events) -> list[ConnectionState]:
    return [event.state for event in events.of(ConnectionChanged)]


def test_a_session_becomes_ready_after_accounts_and_next_id(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session(next_id=7)
        assert session.wait_ready(DEADLINE_S)
        assert session.account == "DU1234567"
        assert session.next_order_id() == 7
        assert peer.version_range == "v100..157"
    assert states(events) == [
        ConnectionState.CONNECTING,
        ConnectionState.READY,
        ConnectionState.DISCONNECTED,
    ]


def test_a_handshake_that_comes_byte_by_byte_works(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        wait_for(lambda: peer.pump() and peer.version_range, "versions")
        for byte in message("157", "20121112 09:30:00 EST") + message(15, 1, "DU1") + message(9, 1, 3):
            peer.send_bytes(bytes([byte]))
        assert session.wait_ready(DEADLINE_S)
        assert session.next_order_id() == 3


def test_messages_that_come_in_one_segment_with_the_version_are_not_lost(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        wait_for(lambda: peer.pump() and peer.version_range, "versions")
        peer.send_bytes(message("157", "now") + message(15, 1, "DU1") + message(9, 1, 3))
        assert session.wait_ready(DEADLINE_S)


def test_a_close_during_the_handshake_leads_to_another_attempt(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        tws.accept().close()
        second = tws.accept()
        second.greet()
        second.close()
        tws.accept().accept_session()
        assert session.wait_ready(DEADLINE_S)
        assert session.statistics.connects_failed == 2


def test_a_silent_server_costs_only_the_connect_deadline(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, connect_timeout_s=0.3) as session:
        tws.accept()
        tws.accept().accept_session()
        assert session.wait_ready(DEADLINE_S)


def test_a_server_of_an_unknown_version_is_refused(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events):
        peer = tws.accept()
        wait_for(lambda: peer.pump() and peer.version_range, "versions")
        peer.send("99", "now")
        wait_for(lambda: ConnectionState.LOST in states(events), "refusal")
    lost = next(e for e in events.of(ConnectionChanged) if e.state is ConnectionState.LOST)
    assert "version 99" in lost.reason


def test_no_server_at_all_is_retried_until_there_is_one(events: Events) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with session_at(port, events) as session:
        wait_for(lambda: session.statistics.connects_failed >= 2, "two refused attempts")
        assert session.state is not ConnectionState.READY


def test_a_client_id_in_use_is_waited_for_with_a_clear_message(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, client_id=5) as session:
        peer = tws.accept()
        peer.greet()
        peer.expect(71)
        peer.send(4, 2, -1, 326, "Unable to connect as the client id is already in use.")
        peer.close()
        tws.accept().accept_session()
        assert session.wait_ready(DEADLINE_S)
    reasons = [e.reason for e in events.of(ConnectionChanged) if e.state is ConnectionState.LOST]
    assert reasons == ["client id 5 is in use by another session; waiting until it is free"]


def test_after_a_reconnect_the_broker_is_asked_again_and_subscriptions_are_renewed(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        session.subscribe_realtime_bars(["AAPL"])
        first_id = peer.expect(50)[2]
        peer.close()
        again = tws.accept()
        again.accept_session()
        assert session.wait_ready(DEADLINE_S)
        request_id = again.expect(7)[2]
        again.expect(16)
        again.expect(61)
        bar_id = again.expect(50)[2]
        assert bar_id != first_id
        again.send(
            11, request_id, 4, 1, "AAPL", "STK", "", 0, "", "", "SMART", "USD", "AAPL", "NMS", "0001.01.01.01",
            "20121112  09:35:00", "DU1234567", "ISLAND", "BOT", 100, 10.5, 77, 1, 0, 100, 10.5, "BS-9", "", 0, "", 1,
        )  # fmt: skip
        again.send(50, 3, bar_id, 1_352_730_600, 1, 2, 0.5, 1.5, 300, 1.2, 4)
        wait_for(lambda: events.of(Execution) and events.of(RealtimeBar), "both events")
    (execution,) = events.of(Execution)
    assert execution.order_ref == "BS-9"
    assert execution.quantity == 100
    # 09:35 in New York on a winter day
    assert execution.time_ns == 1_352_730_900 * 1_000_000_000
    (bar,) = events.of(RealtimeBar)
    assert bar.end_ns == 1_352_730_605 * 1_000_000_000


def test_a_half_open_connection_is_found_by_a_probe(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, probe_interval_s=0.2, probe_timeout_s=0.4) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        # The peer goes silent without closing, as a half-open connection does.
        wait_for(lambda: ConnectionState.LOST in states(events), "loss")
        tws.accept().accept_session()
        assert session.wait_ready(DEADLINE_S)
        assert session.statistics.probes >= 1


def test_a_connection_that_answers_probes_stays(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, probe_interval_s=0.1, probe_timeout_s=10.0) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        for _ in range(5):
            peer.expect(49)
            peer.send(49, 1, 1_352_730_600)
        assert session.state is ConnectionState.READY


def test_sessions_that_are_lost_in_the_moment_they_are_accepted_are_made_anew(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        for _ in range(15):
            peer = tws.accept()
            peer.accept_session()
            peer.close()
        tws.accept().accept_session()
        wait_for(lambda: session.statistics.connects == 16, "sixteenth session")
        assert session.wait_ready(DEADLINE_S)


def test_stopping_while_nobody_answers_takes_no_time_out(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, connect_timeout_s=60) as session:
        tws.accept()
        before = time.monotonic()
        session.stop()
        assert time.monotonic() - before < 30  # half of the time-out
        assert session.state is ConnectionState.DISCONNECTED


def test_no_thread_outlives_the_session(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, client_id=77) as session:
        tws.accept().accept_session()
        assert session.wait_ready(DEADLINE_S)
        assert any(t.name.startswith("ib-77") for t in threading.enumerate())
    assert not [t for t in threading.enumerate() if t.name.startswith("ib-77")]


def test_losing_ibs_servers_degrades_and_1101_renews_everything(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        session.subscribe_realtime_bars(["AAPL"])
        peer.expect(50)
        peer.send(4, 2, -1, 1100, "Connectivity between IB and TWS has been lost")
        wait_for(lambda: session.state is ConnectionState.DEGRADED, "degraded")
        with pytest.raises(NotConnected):
            session.place(session.next_order_id(), order())
        session.cancel_all()
        peer.expect(58)
        peer.send(4, 2, -1, 1101, "Connectivity restored, data lost")
        assert session.wait_ready(DEADLINE_S)
        for number in (7, 16, 61, 50):
            peer.expect(number)
    assert events.of(ConnectionChanged)[-2].data_lost


def test_1102_asks_for_missed_fills_and_keeps_the_subscriptions(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        session.subscribe_realtime_bars(["AAPL"])
        peer.expect(50)
        peer.send(4, 2, -1, 1100, "lost")
        peer.send(4, 2, -1, 1102, "restored")
        for number in (7, 16, 61):
            peer.expect(number)
        assert peer.hears_nothing_of(50, 0.3)
        assert session.state is ConnectionState.READY


def test_a_farm_flap_keeps_the_order_session_and_renews_silent_feeds(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        session.subscribe_realtime_bars(["AAPL"])
        old = peer.expect(50)[2]
        peer.send(4, 2, -1, 2103, "Market data farm connection is broken:usfarm")
        peer.send(4, 2, -1, 2104, "Market data farm connection is OK:usfarm")
        assert peer.expect(51)[2] == old
        new = peer.expect(50)[2]
        peer.send(50, 3, new, 1_352_730_600, 1, 2, 0.5, 1.5, 300, 1.2, 4)
        wait_for(lambda: events.of(RealtimeBar), "a bar again")
        assert session.state is ConnectionState.READY
    assert [e.status for e in events.of(FeedChanged)] == [FeedStatus.STALE, FeedStatus.LIVE]


def test_questions_under_way_become_unknown_when_the_connection_is_lost(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        snapshot = session.request_snapshot()
        peer.expect(61)
        peer.close()
        answer = snapshot.result(DEADLINE_S)
    assert answer.positions is Unknown.DISCONNECTED
    assert answer.open_orders is Unknown.DISCONNECTED
    assert answer.executions is Unknown.DISCONNECTED
    assert answer.values is Unknown.DISCONNECTED


def test_a_question_that_is_not_answered_is_unknown_not_empty(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events, request_timeout_s=0.3) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        assert session.positions().result(DEADLINE_S) is Unknown.TIMED_OUT
        assert session.executions().result(DEADLINE_S) is Unknown.TIMED_OUT
        assert session.state is ConnectionState.READY
