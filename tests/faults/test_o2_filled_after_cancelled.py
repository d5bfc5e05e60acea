"""O2: a fill that comes after the Cancelled status is booked, and ends what it has to."""

from __future__ import annotations

from core.vocabulary import BrokerStatus
from tests.faults.conftest import MakeRoom

FAULTS = """
description: Cancels are acknowledged, and three shares fill a moment later all the same.
faults: [{kind: cancels, mode: filled_after, shares: 3, delay_s: 0.3, clients: [1]}]
"""


def test_a_fill_after_the_end_is_booked_once_and_asked_no_more_than_was_meant(room: MakeRoom) -> None:
    main = room(FAULTS)
    ref = main.rest(quantity=10)
    main.run_until(lambda: main.state(ref).acknowledged, "the acknowledgement")
    main.executor.cancel(ref, "test")
    main.run_until(lambda: not main.state(ref).is_live, "the end")
    assert main.kinds("order_status")[-1]["status"] == BrokerStatus.CANCELLED
    main.run_until(lambda: main.held() == {"IBM": 3}, "the late fill")
    main.await_agreement()
