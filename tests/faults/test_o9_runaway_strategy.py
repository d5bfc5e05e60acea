"""O9: a strategy gone mad. Nothing leaves above main's cap; the watchdog's own count halts what gets past it."""

from __future__ import annotations

import time

from tests.faults.conftest import MakeRoom
from tests.risk.stage import Stage

CAP = 20


def test_ten_thousand_orders_a_second_are_wanted_and_the_cap_holds(room: MakeRoom) -> None:
    main = room(
        config=f"execution: {{pretrade: {{max_orders_per_minute: {CAP}, max_repeats: 1000}}}}\nbars: {{warmup_bars: 0}}\n"
    )
    wanted, end = 0, time.monotonic() + 1.0
    while time.monotonic() < end or wanted < 500:
        main.target(1 + wanted % 50, ("AAPL", "IBM", "MSFT")[wanted % 3])
        main.target(0, ("AAPL", "IBM", "MSFT")[wanted % 3])
        wanted += 2
        main.engine.step()
    entries = [one for one in main.kinds("order_sent") if one["order_ref"].endswith("-E")]
    assert 0 < len(entries) <= CAP  # what reduces risk is not capped, and has nothing beyond these to reduce
    assert any("rate" in one["reason"].lower() for one in main.kinds("denial")), main.kinds("denial")[-3:]


def test_a_main_without_any_cap_is_halted_by_the_watchdogs_count(stage: Stage) -> None:
    stage.environment["BACKSTOP__RISK__ORDER_RATE__MAX_PER_MINUTE"] = "30"
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "1", "--rate", "30")
    ended = stage.await_kill()
    assert ended["reason"] == "order_rate"
    assert ended["flat"], ended
