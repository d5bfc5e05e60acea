"""O6: an order that stays in PendingSubmit is asked about, and never sent again."""

from __future__ import annotations

from tests.faults.conftest import MakeRoom

FAULTS = """
description: IBM's orders stay in PendingSubmit while the control file stands.
faults: [{kind: hold, reason: pending_submit, symbols: [IBM], control: stuck}]
"""


def test_an_order_that_is_stuck_is_asked_about_and_not_sent_again(room: MakeRoom) -> None:
    main = room(FAULTS)
    main.stage.begin("stuck")
    main.target(10)
    main.run_until(lambda: main.manager.overdue(1.0), "an overdue order")
    answers = main.assembly.session.statistics.messages_sent
    main.run_until(lambda: main.assembly.session.statistics.messages_sent > answers, "a question", 5.0)
    for _ in range(3):
        main.target(10)  # the strategy goes on wanting it
        main.run_for(0.3)
    assert len(main.kinds("order_sent")) == 2, "the entry and its stop, once"
    main.stage.end("stuck")
    main.run_until(lambda: main.held() == {"IBM": 10}, "the fill")
    main.await_agreement()
