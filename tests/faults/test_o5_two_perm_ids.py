"""O5: one intent that reaches IB twice, under two permIds: both are cancelled."""

from __future__ import annotations

from tests.faults.conftest import MakeRoom
from tests.faults.truth import read_truth

FAULTS = """
description: Each order reaches IB twice.
faults: [{kind: twice, clients: [1]}]
"""


def test_both_incarnations_of_an_order_are_cancelled(room: MakeRoom) -> None:
    main = room(FAULTS)
    main.stage.excused["G3"] = "the scenario's broker itself makes two orders of one"
    ref = main.rest()

    def both_over() -> bool:
        orders = [one for one in read_truth(main.stage.audit).orders.values() if one.order_ref == ref]
        return len(orders) == 2 and not any(one.is_live for one in orders)

    main.run_until(both_over, "the end of both", 15.0)
    main.await_agreement()
