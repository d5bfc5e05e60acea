"""N3: what fills between 1100 and 1101 or 1102 is recovered, all of it."""

from __future__ import annotations

import pytest

from tests.faults.conftest import MakeRoom


@pytest.mark.parametrize("back", [1101, 1102])
def test_a_fill_that_tws_never_told_of_is_asked_for(room: MakeRoom, back: int) -> None:
    main = room(
        "description: IB's servers are lost, and IBM fills meanwhile.\nfaults:\n"
        "  - {kind: hold, reason: halt, symbols: [IBM], control: halted}\n"
        f"  - {{kind: servers_lost, back: {back}, control: lost}}\n"
    )
    main.stage.begin("halted")
    main.target(10)
    main.run_until(main.manager.book.pending, "the order")
    main.stage.begin("lost")
    main.run_until(lambda: not main.conditions.connected, "1100")
    main.stage.end("halted")
    main.run_for(0.5)
    assert main.held() == {}
    main.stage.end("lost")
    main.run_until(lambda: main.held() == {"IBM": 10}, "the fill", 10.0)
    main.ready_to_trade()  # with 1101 the subscriptions had to be made anew
    main.await_agreement()
