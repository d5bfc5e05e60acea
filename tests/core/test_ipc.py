"""IPC over real sockets and real processes: heartbeats, commands, and who may not speak (S1, S2, F7)."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import zmq

from core.clock import SystemClock
from core.errors import QueueOverflow, StopTrading
from core.ipc import (
    COMMAND,
    HEARTBEAT,
    REPLY,
    Command,
    CommandClient,
    CommandServer,
    Endpoints,
    HeartbeatListener,
    HeartbeatPublisher,
    RefusalReason,
    Signer,
    Verifier,
)
from tests.waiting import wait_for

KEY = b"k" * 32
RUN = "run-1"
CLOCK = SystemClock()
PROJECT = Path(__file__).resolve().parents[2]


def signer(sender="main", boot_id="b1", key=KEY, run_id=RUN):
    return Signer(key, run_id, boot_id, sender, CLOCK)


def verifier(sender, kind, max_age_s=3.0):
    return Verifier(KEY, RUN, sender=sender, kinds={kind}, clock=CLOCK, max_age_s=max_age_s)


@pytest.fixture
def endpoints(tmp_path):
    return Endpoints.for_state(tmp_path)


@pytest.fixture
def listener(endpoints):
    with closing(HeartbeatListener(endpoints.main_heartbeat, verifier("main", HEARTBEAT))) as opened:
        yield opened


def beat(publisher, listener, body):
    """Publish until one arrives: a subscription needs a moment."""

    def attempt():
        publisher.publish(body)
        return listener.poll()

    return wait_for(attempt)


# --- endpoints -------------------------------------------------------------------------------------------


def test_every_process_computes_the_same_private_folder(tmp_path):
    first, second = Endpoints.for_state(tmp_path), Endpoints.for_state(tmp_path / "x" / "..")
    assert first == second
    assert first.folder.stat().st_mode & 0o777 == 0o700
    assert Endpoints.for_state(tmp_path / "other") != first


def test_a_long_path_is_replaced_by_a_short_one_that_works(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    endpoints = Endpoints.for_state(deep)
    assert len(endpoints.main_commands) < 107
    with closing(HeartbeatPublisher(endpoints.main_heartbeat, signer())):
        assert endpoints == Endpoints.for_state(deep)
    shutil.rmtree(endpoints.folder)


def test_s1_a_folder_that_others_may_enter_is_refused(tmp_path):
    (tmp_path / "ipc").mkdir(mode=0o755)
    with pytest.raises(StopTrading, match="open to other users"):
        Endpoints.for_state(tmp_path)


def test_s1_a_folder_that_is_a_symlink_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "ipc").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StopTrading, match="folder of its own"):
        Endpoints.for_state(tmp_path)


# --- heartbeats ------------------------------------------------------------------------------------------


def test_the_newest_heartbeat_is_taken_and_the_others_are_forgotten(endpoints, listener):
    with closing(HeartbeatPublisher(endpoints.main_heartbeat, signer())) as publisher:
        beat(publisher, listener, {"n": -1})
        for number in range(20):
            publisher.publish({"n": number})
        wait_for(lambda: (listener.poll() or listener.last).body["n"] == 19)
        assert listener.poll() is None
        assert listener.last.body == {"n": 19}


def test_a_listener_may_come_first_and_outlives_a_restart_of_the_publisher(endpoints, listener):
    for boot in ("b1", "b2", "b3"):
        with closing(HeartbeatPublisher(endpoints.main_heartbeat, signer(boot_id=boot))) as publisher:
            while beat(publisher, listener, {"x": 1}).boot_id != boot:  # the last words of the one before
                continue


def test_s2_a_listener_that_slept_takes_no_stale_heartbeat_for_a_fresh_one(endpoints):
    with (
        closing(HeartbeatPublisher(endpoints.main_heartbeat, signer())) as publisher,
        closing(
            HeartbeatListener(endpoints.main_heartbeat, verifier("main", HEARTBEAT, max_age_s=0.2))
        ) as listener,
    ):
        beat(publisher, listener, {})
        for number in range(2000):  # far more than the sockets hold
            publisher.publish({"n": number})
        sent = time.monotonic()
        wait_for(lambda: time.monotonic() - sent > 0.3)
        assert listener.poll() is None
        assert listener.verifier.refused[RefusalReason.TOO_OLD] > 0
        assert beat(publisher, listener, {"fresh": True}).body == {"fresh": True}


def test_s2_a_publisher_never_waits_for_a_listener_that_does_not_read(endpoints, listener):
    with closing(HeartbeatPublisher(endpoints.main_heartbeat, signer())) as publisher:
        beat(publisher, listener, {})
        begin = time.monotonic()
        for number in range(5000):
            publisher.publish({"n": number, "filler": "x" * 500})
        assert time.monotonic() - begin < 20


def test_s1_of_an_impostor_nothing_is_accepted(endpoints, listener):
    impostor: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUB)
    impostor.setsockopt(zmq.LINGER, 0)
    impostor.bind(endpoints.main_heartbeat)
    good = signer().sign(HEARTBEAT, {})
    forgeries = [
        [b"hello"],
        signer(key=b"x" * 32).sign(HEARTBEAT, {"phase": "trading"}),
        signer(run_id="old").sign(HEARTBEAT, {}),
        signer(sender="risk_monitor").sign(HEARTBEAT, {}),
        [*good[:2], b"\x00" * 32],
    ]

    def attempt():
        for frames in forgeries:
            impostor.send_multipart(frames, zmq.DONTWAIT)
        assert listener.poll() is None
        return sum(listener.verifier.refused.values()) >= 50

    wait_for(attempt)
    impostor.close()
    assert listener.verifier.accepted == 0
    assert listener.last is None
    assert listener.last_refusal is not None


def test_a_heartbeat_of_a_stopped_process_does_not_arrive_and_comes_back_with_it(endpoints, listener):
    code = f"""
        import time
        from core.clock import SystemClock
        from core.ipc import HeartbeatPublisher, Signer
        publisher = HeartbeatPublisher({endpoints.main_heartbeat!r}, Signer({KEY!r}, {RUN!r}, "b", "main", SystemClock()))
        while True:
            publisher.publish({{}})
            time.sleep(0.01)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=PROJECT)
    try:
        wait_for(listener.poll)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        while listener.poll() is not None:
            pass
        begin = time.monotonic()
        wait_for(lambda: time.monotonic() - begin > 0.1)
        assert listener.poll() is None
        process.send_signal(signal.SIGCONT)
        wait_for(listener.poll)
    finally:
        process.kill()
        process.wait()


# --- commands --------------------------------------------------------------------------------------------


class Main:
    """The trading process as far as commands go."""

    def __init__(self, endpoint, on_command=None):
        self.events: list[str] = []
        self.server = CommandServer(
            endpoint,
            verifier=verifier("risk_monitor", COMMAND),
            signer=signer("main"),
            close_order_lane=lambda: self.events.append("closed"),
            on_command=on_command or (lambda command, body: self.events.append(f"told {command}")),
            status=lambda: {"phase": "trading"},
        )
        self.server.start()


@pytest.fixture
def main(endpoints):
    process = Main(endpoints.main_commands)
    yield process
    process.server.stop()


@pytest.fixture
def client(endpoints):
    with closing(
        CommandClient(
            endpoints.main_commands, signer=signer("risk_monitor"), verifier=verifier("main", REPLY)
        )
    ) as opened:
        yield opened


def test_halt_is_answered_only_after_the_order_lane_is_closed(main, client):
    reply = client.request(Command.HALT, {"reason": "drawdown"}, timeout_s=10)
    assert reply.is_order_lane_closed
    assert reply.boot_id == "b1"
    wait_for(lambda: main.events == ["closed", "told halt"])


def test_a_halt_is_answered_while_the_rest_of_the_process_is_stuck(main, client):
    # The engine's thread is this one, and it does nothing but wait here.
    client.begin(Command.HALT)
    assert client.is_waiting
    assert wait_for(client.poll).is_order_lane_closed
    assert not client.is_waiting


def test_reduce_only_and_status_leave_the_order_lane_open(main, client):
    assert client.request(Command.REDUCE_ONLY, timeout_s=10).result == "accepted"
    status = client.request(Command.STATUS, timeout_s=10)
    assert status.body == {"result": "accepted", "phase": "trading"}
    assert main.events == ["told reduce_only"]


def test_commands_can_only_reduce_risk():
    assert {command.value for command in Command} == {"halt", "reduce_only", "status"}


def test_a_halt_holds_even_when_the_engine_can_not_be_told(endpoints, client):
    def full(command, body):
        raise QueueOverflow("the CONTROL lane is full")

    process = Main(endpoints.main_commands, on_command=full)
    try:
        reply = client.request(Command.HALT, timeout_s=10)
        assert reply.is_order_lane_closed
        assert reply.body["problem"] == "the CONTROL lane is full"
        assert process.server.is_alive
    finally:
        process.server.stop()


def test_without_a_server_the_client_gives_up_in_time_and_works_again_later(endpoints, client):
    begin = time.monotonic()
    assert client.request(Command.HALT, timeout_s=0.1) is None
    assert time.monotonic() - begin < 20
    process = Main(endpoints.main_commands)
    try:
        assert client.request(Command.HALT, timeout_s=10).is_order_lane_closed
    finally:
        process.server.stop()


@pytest.mark.parametrize(
    "frames",
    [
        [b"halt"],
        signer("risk_monitor", key=b"x" * 32).sign(COMMAND, {"command": "halt"}),
        signer("risk_monitor", run_id="old").sign(COMMAND, {"command": "halt"}),
        signer("main").sign(COMMAND, {"command": "halt"}),
        signer("risk_monitor").sign(HEARTBEAT, {"command": "halt"}),
    ],
)
def test_s1_a_command_that_is_not_the_watchdogs_does_nothing(endpoints, main, client, frames):
    rogue: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REQ)
    rogue.setsockopt(zmq.LINGER, 0)
    rogue.connect(endpoints.main_commands)
    rogue.send_multipart(frames)
    assert rogue.poll(20_000)
    assert b'"result":"refused"' in rogue.recv_multipart()[1]
    rogue.close()
    assert main.events == []
    assert client.request(Command.STATUS, timeout_s=10) is not None


def test_s1_a_recorded_command_can_not_be_repeated(endpoints, main, client):
    recorded = signer("risk_monitor", boot_id="b9").sign(COMMAND, {"command": "reduce_only"})
    for expected in ("accepted", "refused"):
        rogue: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REQ)
        rogue.setsockopt(zmq.LINGER, 0)
        rogue.connect(endpoints.main_commands)
        rogue.send_multipart(recorded)
        assert rogue.poll(20_000)
        assert f'"result":"{expected}"'.encode() in rogue.recv_multipart()[1]
        rogue.close()
    assert main.events == ["told reduce_only"]


def test_a_signed_command_that_does_not_exist_is_refused(endpoints, main):
    rogue: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REQ)
    rogue.setsockopt(zmq.LINGER, 0)
    rogue.connect(endpoints.main_commands)
    rogue.send_multipart(signer("risk_monitor").sign(COMMAND, {"command": ["resume"]}))
    assert rogue.poll(20_000)
    assert b"unknown_command" in rogue.recv_multipart()[1]
    rogue.close()


@pytest.mark.parametrize("forge", ["unsigned", "other_nonce"])
def test_s1_a_forged_acknowledgement_does_not_count(endpoints, client, forge):
    impostor: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REP)
    impostor.setsockopt(zmq.LINGER, 0)
    impostor.bind(endpoints.main_commands)

    def answer():
        impostor.recv_multipart()
        body = {"result": "order_lane_closed"}
        key = b"x" * 32 if forge == "unsigned" else KEY
        impostor.send_multipart(signer("main", key=key).sign(REPLY, body, "another"))

    thread = threading.Thread(target=answer)
    thread.start()
    assert client.request(Command.HALT, timeout_s=10) is None
    thread.join()
    impostor.close()
