"""N11: a burst beyond the API's fifty messages a second is paced below it, and the kill lane goes first."""

from __future__ import annotations

import threading

from tests.faults.conftest import MakeRoom
from tests.faults.engine_room import RoomStage
from tests.faults.truth import read_truth


def test_a_burst_of_orders_is_paced_and_a_cancel_overtakes_it(room: MakeRoom, monkeypatch) -> None:
    original = RoomStage.start_gateway
    monkeypatch.setattr(
        RoomStage,
        "start_gateway",
        lambda self, *more: original(self, "--max-messages-per-second", "50", *more),
    )
    main = room()

    def burst() -> None:
        for _ in range(90):
            session.place(session.next_order_id(), order)

    session = main.assembly.session
    ref = main.rest()
    order = main.state(ref).order
    main.run_until(lambda: main.state(ref).acknowledged, "the acknowledgement")
    main.stage.excused["G3"] = "the test sends one order many times, past the book"
    thread = threading.Thread(target=burst)
    thread.start()
    while session.statistics.messages_sent < 60:
        main.engine.step()
    session.cancel_all()
    sent_before_the_cancel = session.statistics.messages_sent
    thread.join()
    main.run_until(lambda: len(read_truth(main.stage.audit).orders) == 91, "all orders", 20.0)
    assert sent_before_the_cancel < session.statistics.messages_sent, "orders came after the cancel"
    assert session.statistics.links_lost == 0, "the gateway hangs up on more than fifty a second"
