"""Rogue servers: garbage never kills the reader, and what may have been a fill is asked for again."""

from __future__ import annotations

import random

from core.events import ConnectionChanged, Execution, OrderStatusReport
from core.vocabulary import BrokerStatus, ConnectionState
from tests.core.ib_wrapper.scripted import Events, ScriptedTws, message, session_at
from tests.waiting import DEADLINE_S, wait_for


def test_an_unreadable_execution_degrades_until_everything_was_asked_again(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        peer.send(11, -1, "not a number")
        wait_for(lambda: session.state is ConnectionState.DEGRADED, "degraded")
        number = peer.expect(7)[2]
        peer.expect(16)
        peer.expect(61)
        peer.send(55, 1, number)
        peer.send(53, 1)
        peer.send(62, 1)
        assert session.wait_ready(DEADLINE_S)
        assert session.statistics.frames_undecoded == 1
    assert events.of(Execution) == []


def test_an_unreadable_tick_costs_only_the_tick(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        peer.send(1, 6, "x", "y")
        peer.send(45, 6)
        peer.send(3, 5, "Submitted", 0, 100, 0, 555, 0, 0, 1, "", 0)
        wait_for(lambda: events.of(OrderStatusReport), "the message after the bad ones")
        assert session.state is ConnectionState.READY


def test_a_stream_out_of_step_is_dropped_and_made_anew(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        peer.send_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        tws.accept().accept_session()
        wait_for(lambda: session.statistics.connects == 2, "second connection")
    assert any("announced" in event.reason for event in events.of(ConnectionChanged))


def test_twenty_thousand_fuzzed_frames_leave_a_working_session(tws: ScriptedTws, events: Events) -> None:
    chance = random.Random(20121112)
    pieces = [
        "",
        "1",
        "-1",
        "0",
        "99999999999999999999",
        "1e400",
        "nan",
        "x" * 300,
        "\xff",
        "STK",
        "BOT",
        "\\x",
    ]
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session()
        assert session.wait_ready(DEADLINE_S)
        for _ in range(40):
            batch = []
            for _ in range(500):
                # Not nextValidId: an absurd one is tested elsewhere.
                number = chance.choice([n for n in range(110) if n != 9])
                batch.append(message(number, *chance.choices(pieces, k=chance.randrange(40))))
            peer.send_bytes(b"".join(batch))
            peer.pump(0)
        peer.send(3, 424242, "Filled", 1, 0, 10, 555, 0, 0, 1, "", 0)
        wait_for(
            lambda: any(e.order_id == 424242 for e in events.of(OrderStatusReport)), "life after garbage"
        )
        assert events.of(OrderStatusReport)[-1].status is BrokerStatus.FILLED
        assert session.statistics.connects == 1
        assert session.statistics.frames_undecoded > 1000


def test_an_absurd_next_valid_id_is_not_taken(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = tws.accept()
        peer.accept_session(next_id=2_000_000_000)
        assert session.wait_ready(DEADLINE_S)
        assert session.next_order_id() == 1
