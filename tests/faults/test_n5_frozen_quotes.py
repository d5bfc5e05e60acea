"""N5: quotes that stand still on a living socket, or go to a competing session (10197): no new entry on old data."""

from __future__ import annotations

import pytest

from tests.faults.conftest import MakeRoom
from tests.faults.engine_room import QUICK

FAULTS = """
description: Data stop.
faults:
  - {kind: feed, mode: frozen, control: frozen}
  - {kind: feed, mode: competing, control: competing}
"""


@pytest.mark.parametrize("mode", ["frozen", "competing"])
def test_nothing_is_opened_on_data_that_stand_still(room: MakeRoom, mode: str) -> None:
    main = room(FAULTS, config=QUICK.replace("warmup_bars: 0", "warmup_bars: 0, stale_after_s: 1.5"))
    main.stage.begin(mode)
    main.run_until(lambda: main.conditions.stale_symbols, "stale data", 10.0)
    main.target(10)
    main.run_for(0.3)
    assert main.kinds("order_sent") == []
    assert main.conditions.connected, "the socket lives"
    main.stage.end(mode)
    main.run_until(lambda: not main.conditions.stale_symbols, "data again", 30.0)
    main.target(10)
    main.run_until(lambda: main.held() == {"IBM": 10}, "the fill")
