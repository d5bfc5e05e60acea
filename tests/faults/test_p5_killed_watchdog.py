"""P5: without its watchdog main opens nothing, and only a fresh lease lets it begin again."""

from __future__ import annotations

from dataclasses import replace

from tests.faults.conftest import MakeRoom
from tests.risk.stage import Stage


def test_a_killed_watchdogs_lease_runs_out_and_a_new_one_begins(room: MakeRoom) -> None:
    main = room(lease=False)
    stage: Stage = main.stage
    watchdog = stage.start_watchdog()
    # Its main is this process, which holds no lock: the watchdog never arms its heartbeat check.
    main.run_until(lambda: main.conditions.lease, "the lease")
    main.ready_to_trade()
    watchdog.kill()
    watchdog.wait()
    main.run_until(lambda: not main.conditions.lease, "the end of the lease", 20.0)
    main.target(10)
    main.run_for(0.2)
    assert main.kinds("order_sent") == []
    assert main.kinds("denial")[-1]["reason"] == "no_lease"
    stage.start_watchdog()
    main.run_until(lambda: main.conditions.lease, "the new lease")
    main.target(10)
    main.run_until(lambda: main.held() == {"IBM": 10}, "the fill")


def test_the_lease_is_looked_at_again_as_an_entry_leaves(room: MakeRoom) -> None:
    main = room(lease=False)

    def nothing_else_forbids() -> bool:
        now = main.conditions
        return now.reconciled and not now.stale_symbols and main.parts.feed.quote("IBM") is not None

    main.run_until(nothing_else_forbids, "a book and quotes")
    # As if it had ended since the row was closed.
    main.target(10, conditions=replace(main.conditions, lease=True))
    assert main.kinds("order_intent"), "what is checked before the journal had let it out"
    assert main.kinds("order_sent") == []
    assert main.kinds("denial")[-1]["reason"] == "no_lease"
