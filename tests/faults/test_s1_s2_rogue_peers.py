"""S1, S2: unsigned, replayed and impostor messages are not accepted; a slow joiner or a full queue kills nobody."""

from __future__ import annotations

import time

import zmq

from core.clock import SystemClock
from core.ipc.endpoints import Endpoints
from core.ipc.messages import Signer
from tests.faults.conftest import QuietStage
from tests.waiting import wait_for


def _endpoints(stage: QuietStage) -> Endpoints:
    return Endpoints.for_state(stage.folder / "state")


def test_no_command_of_a_stranger_is_accepted(quiet: QuietStage) -> None:
    impostor = Signer(b"k" * 32, quiet.environment["BACKSTOP_RUN_ID"], "b", "risk_monitor", SystemClock())
    plain = (b"", b"HALT", b'{"command": "halt"}', b"\0" * 10_000)
    messages: list[list[bytes]] = [[one] for one in plain]
    messages.append(impostor.sign("command", {"command": "halt"}))
    context = zmq.Context()
    try:
        for message in messages:
            with context.socket(zmq.REQ) as socket:
                socket.linger = 0
                socket.connect(_endpoints(quiet).main_commands)
                socket.send_multipart(message)
                socket.poll(200)
    finally:
        context.term()
    assert "command" not in quiet.output("peer"), "main took a stranger's command"
    quiet.assert_quiet()


def test_replayed_and_forged_heartbeats_grant_nothing_and_kill_nobody(quiet: QuietStage) -> None:
    """A subscriber that never reads fills the publisher's queue; the watchdog still hears main."""
    context = zmq.Context()
    try:
        lazy = [context.socket(zmq.SUB) for _ in range(3)]
        for socket in lazy:
            socket.linger = 0
            socket.rcvhwm = 1
            socket.subscribe(b"")
            socket.connect(_endpoints(quiet).main_heartbeat)
        recorded = lazy[0].recv() if lazy[0].poll(3000) else b""
        with context.socket(zmq.REQ) as replay:  # a heartbeat replayed as a command
            replay.linger = 0
            replay.connect(_endpoints(quiet).main_commands)
            replay.send(recorded)
            replay.poll(200)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            quiet.assert_quiet()
            time.sleep(0.05)
        for socket in lazy:
            socket.close()
    finally:
        context.term()
    assert "command" not in quiet.output("peer")


def test_a_watchdog_that_joins_late_kills_nobody(quiet: QuietStage) -> None:
    assert quiet.watchdog is not None
    quiet.watchdog.terminate()
    assert quiet.watchdog.wait(20) == 0
    time.sleep(1.0)  # main beats on, and nobody hears it
    quiet.start_watchdog()
    quiet.await_state("watching")
    quiet.await_check("heartbeat", "ok")
    wait_for(lambda: quiet.status().get("lease"), "the lease")
