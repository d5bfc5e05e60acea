"""F8: the wall clock jumps by an hour, there and back: no false kill, and none is missed."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.conftest import QuietStage
from tests.risk.stage import Stage

SHIM = Path(__file__).parent / "injected" / "clock"


def test_a_jump_kills_nobody(quiet: QuietStage) -> None:
    clock = Path(quiet.environment["BACKSTOP_TEST_CLOCK"])
    for shift_s in (3600, -3600, 0):
        clock.write_text(str(shift_s))
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            quiet.assert_quiet()
            time.sleep(0.05)


def test_a_kill_works_while_the_clock_is_wrong(stage: Stage) -> None:
    clock = stage.folder / "clock"
    stage.environment |= {
        "BACKSTOP_TEST_CLOCK": str(clock),
        "PYTHONPATH": f"{SHIM}:{stage.environment['PYTHONPATH']}",
    }
    stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "1", "--orders", "2")
    stage.await_check("heartbeat", "ok")
    clock.write_text("-3600")
    peer.kill()
    ended = stage.await_kill()
    assert ended["reason"] == "heartbeat"
    assert ended["flat"]
    stage.excused["G1"] = "the journal's times are an hour off the audit's"
