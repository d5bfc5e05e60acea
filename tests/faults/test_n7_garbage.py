"""N7: garbage in either direction: no dead thread, no unbounded memory, and business as usual afterwards."""

from __future__ import annotations

import random
import resource
import socket
import struct
import threading

from paper_gateway.faults.links import garbage
from tests.faults.conftest import MakeRoom
from tests.faults.hand import hand
from tests.risk.stage import Stage

FRAMES = 3000
FAULTS = f"""
description: Random frames among the good ones.
faults: [{{kind: garbage, count: {FRAMES}, clients: [1], control: garbage}}]
"""


def test_main_reads_past_garbage_and_goes_on_trading(room: MakeRoom) -> None:
    main = room(FAULTS)
    threads = threading.active_count()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    frames = main.assembly.session.statistics.frames_received
    main.stage.begin("garbage")
    main.run_until(
        lambda: (
            main.assembly.session.statistics.frames_received > frames + FRAMES
            or main.assembly.session.statistics.links_lost
        ),
        "the garbage",
    )
    main.run_until(lambda: main.conditions.connected and main.conditions.reconciled, "good order", 30.0)
    assert threading.active_count() <= threads + 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000  # kB
    main.stage.excused["G4"] = "random frames may tell of fills that never were"


def test_the_gateway_survives_garbage_of_clients(stage: Stage) -> None:
    chance = random.Random(7)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", stage.port)) as client:
            client.sendall(b"API\0" + struct.pack("!I", 9) + b"v100..157")
            client.sendall(struct.pack("!I", 8) + b"71\x002\x0044\0\0")
            try:
                for _ in range(500):
                    client.sendall(garbage(chance))
            except OSError:
                continue
    assert stage.processes[0].poll() is None, stage.output("gateway")
    with hand(stage.port) as human:
        human.buy("IBM", 10, order_ref="")
        human.await_positions({"IBM": 10})
