"""O4: a cancel that nobody answers: the order counts as working, the cancel is repeated, the operator is told."""

from __future__ import annotations

from execution.order_state import OrderPhase
from tests.faults.conftest import MakeRoom

FAULTS = """
description: Cancels are not answered while the file stands.
faults: [{kind: cancels, mode: ignored, control: deaf}]
"""


def test_an_unanswered_cancel_stays_pending_is_told_and_repeated(room: MakeRoom) -> None:
    main = room(FAULTS)
    main.stage.begin("deaf")
    ref = main.rest()
    main.run_until(lambda: main.state(ref).acknowledged, "the acknowledgement")
    main.executor.cancel(ref, "test")
    main.run_until(lambda: main.parts.status.overdue, "the heartbeat to name it", 10.0)
    assert main.state(ref).phase is OrderPhase.CANCELLING
    assert main.state(ref).is_live
    main.stage.end("deaf")
    main.run_until(lambda: not main.state(ref).is_live, "the end, by a repeated cancel")
    main.run_until(lambda: not main.parts.status.overdue, "the end of the warning")
