"""N10: nextValidId goes backwards. No order is refused for its id."""

from __future__ import annotations

from core.vocabulary import ConnectionState
from tests.faults.conftest import MakeRoom
from tests.faults.truth import read_truth

FAULTS = """
description: The gateway restarts and counts from 1 again.
faults: [{kind: restart, down_s: 0.2, next_id: reset, control: reset}]
"""


def test_after_next_valid_id_fell_every_order_has_a_fresh_id(room: MakeRoom) -> None:
    main = room(FAULTS)
    for _ in range(3):
        main.rest()
    main.stage.begin("reset")
    main.run_until(lambda: main.parts.status.connection is not ConnectionState.READY, "the loss")
    main.ready_to_trade()
    ref = main.rest()
    main.run_until(lambda: main.state(ref).acknowledged, "the acknowledgement")
    ids = [one.order_id for one in main.manager.book]
    assert len(set(ids)) == 4
    assert ids == sorted(ids)
    assert len(read_truth(main.stage.audit).orders) == 4
