"""N4: a data farm breaks and comes back. Data flow again in 5 s, and the order session is kept."""

from __future__ import annotations

from tests.faults.conftest import MakeRoom

FAULTS = """
description: 2103, silence, 2104.
faults: [{kind: feed, mode: farm, control: broken}]
"""


def test_a_farm_flap_stops_entries_and_keeps_the_session(room: MakeRoom) -> None:
    main = room(FAULTS)
    main.stage.begin("broken")
    main.run_until(lambda: main.conditions.stale_symbols == set(main.stage.symbols), "stale data")
    main.target(10)
    assert main.kinds("denial")[-1]["symbol"] == "IBM"
    ref = main.rest("MSFT")
    main.run_until(lambda: main.state(ref).acknowledged, "an order's acknowledgement meanwhile")
    main.stage.end("broken")
    main.run_until(lambda: not main.conditions.stale_symbols, "data again", 20.0)
    assert main.assembly.session.statistics.links_lost == 0
    main.target(10)
    main.run_until(lambda: main.held() == {"IBM": 10}, "the fill")
