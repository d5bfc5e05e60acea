"""O1: a partial fill while we are offline is in our book once we are back."""

from __future__ import annotations

from core.vocabulary import ConnectionState
from tests.faults.conftest import MakeRoom

FAULTS = """
description: IBM is held while the file stands; the gateway is away for a second when the other file appears.
faults:
  - {kind: hold, reason: halt, symbols: [IBM], control: halted}
  - {kind: restart, down_s: 1, control: away}
"""


def test_what_filled_while_nobody_listened_is_booked_after_the_reconnect(room: MakeRoom) -> None:
    main = room(FAULTS)
    main.stage.begin("halted")
    main.target(1000)
    main.run_until(main.manager.book.pending, "the order at the broker")
    main.stage.begin("away")
    main.run_until(lambda: main.parts.status.connection is not ConnectionState.READY, "the loss")
    main.stage.end("halted")
    main.run_until(lambda: main.parts.status.connection is ConnectionState.READY, "the reconnect")
    main.run_until(lambda: main.held().get("IBM"), "the missed fill")
    main.await_agreement()
    assert not [one for one in main.kinds("break") if one["kind"] == "position"]
