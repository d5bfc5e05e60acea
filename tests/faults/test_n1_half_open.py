"""N1: a connection whose other end is gone without a word is found by an active probe."""

from __future__ import annotations

import time

from core.vocabulary import ConnectionState
from tests.faults.conftest import MakeRoom

FAULTS = """
description: Main's connection loses its other end for three seconds; its client id stays taken meanwhile.
faults: [{kind: half_open, clients: [1], for_s: 3, control: gone}]
"""


def test_a_half_open_connection_is_left_and_made_anew_with_all_that_happened(room: MakeRoom) -> None:
    main = room(FAULTS, environment={"BROKER__PROBE_TIMEOUT_S": "1.5"})
    main.target(10)
    main.run_until(lambda: main.held() == {"IBM": 10}, "the fill")
    main.stage.begin("gone")
    began = time.monotonic()
    main.run_until(
        lambda: main.parts.status.connection is not ConnectionState.READY, "the probe's verdict", 10.0
    )
    assert not main.conditions.connected
    main.target(0)
    assert len(main.kinds("order_sent")) == 2, "nothing leaves into the void"
    assert main.held() == {"IBM": 10}, "silence is no proof of anything"
    main.run_until(lambda: main.parts.status.connection is ConnectionState.READY, "the way back", 30.0)
    assert time.monotonic() - began < 30.0
    main.await_agreement()
