"""P7: whoever dies at whatever step, a kill that has begun is carried to its end, once."""

from __future__ import annotations

import signal
import time
from decimal import Decimal

from core.clock import SystemClock
from core.flags import FlagFolder
from core.journal import Journal
from core.records import RecordKind
from tests.faults.hand import hand
from tests.risk.stage import Stage
from tests.waiting import wait_for


def test_a_watchdog_that_died_between_flag_and_journal_finishes_the_kill(stage: Stage) -> None:
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "2", "--orders", "4")
    watchdog.kill()
    watchdog.wait()
    # What it leaves when it dies after the flag and before the journal's first record of the kill:
    FlagFolder(stage.folder / "flags").write_kill(
        {
            "kill_id": "abc123",
            "reason": "drawdown",
            "detail": "test",
            "run_id": stage.environment["BACKSTOP_RUN_ID"],
            "figures": {},
            "wall_ns": time.time_ns(),
        }
    )
    stage.start_watchdog()
    ended = stage.await_kill()
    assert ended["flat"], ended
    assert (ended["kill_id"], ended["reason"]) == ("abc123", "drawdown")
    assert stage.ask_account() == ({}, 0)


def test_a_kill_that_is_taken_up_again_raises_the_flag_that_is_missing(stage: Stage) -> None:
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "2", "--orders", "4", "--deaf")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    wait_for(lambda: stage.records("kill_started"), "the kill's record")
    watchdog.kill()
    watchdog.wait()
    stage.kill_now.unlink()
    (stage.folder / "flags" / "KILL.flag").unlink()  # as if the folder had not been writable then
    stage.start_watchdog()
    assert stage.await_kill()["flat"]
    assert (stage.folder / "flags" / "KILL.flag").exists(), "nothing would refuse the next start"


def test_a_kill_whose_watchdog_died_before_it_could_tell_is_told_by_the_next(stage: Stage) -> None:
    """Found by the campaign: P7, seed 2."""
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "2", "--orders", "4", "--deaf")
    stage.await_check("heartbeat", "ok")
    # What it leaves when it dies between the kill's first record and the alert:
    watchdog.kill()
    watchdog.wait()
    body: dict[str, object] = {
        "kill_id": "abc123",
        "reason": "kill_now_flag",
        "detail": "test",
        "figures": {},
    }
    body |= {"run_id": stage.environment["BACKSTOP_RUN_ID"], "wall_ns": time.time_ns()}
    FlagFolder(stage.folder / "flags").write_kill(body)
    journal = Journal(
        stage.folder / "state" / "watchdog.db",
        process="risk_monitor",
        run_id=stage.environment["BACKSTOP_RUN_ID"],
        boot_id="b",
        clock=SystemClock(),
    )
    journal.append(
        RecordKind.KILL_STARTED,
        body | {"detected_monotonic_ns": time.monotonic_ns(), "flag_mtime_ns": 0, "flag_age_ns": 0},
    )
    journal.close()
    stage.start_watchdog()
    assert stage.await_kill()["flat"]
    told = [str(one.payload["text"]) for one in stage.records("alert")]
    assert any(text.startswith("KILL (kill_now_flag) taken up again") for text in told), told


def test_a_flag_made_while_both_were_dead_is_obeyed_by_the_next_watchdog(stage: Stage) -> None:
    """So does a kill of which a full disk kept neither flag nor record: main is dead, the operator's flag stands."""
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "2", "--orders", "4")
    stage.await_check("heartbeat", "ok")
    for process in (watchdog, peer):
        process.kill()
        process.wait()
    stage.kill_now.touch()
    stage.start_watchdog()
    ended = stage.await_kill()
    assert ended["flat"], ended
    assert ended["reason"] == "kill_now_flag"
    assert stage.ask_account() == ({}, 0)


def test_a_stray_order_of_ours_after_the_end_is_told_and_undone(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "1", "--orders", "1")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    first = stage.await_kill()
    with hand(stage.port) as stray:
        stray.buy("IBM", 30, order_ref="BS-00000000-000901-E")
        stray.buy("MSFT", 10, order_ref="BS-00000000-000902-E", limit=Decimal(1))
        wait_for(lambda: len(stage.records("kill_ended")) > 1, "the end of a second kill")
        assert stray.positions() == {}
        assert stray.open_orders() == set()
    again = stage.records("kill_ended")[-1].payload
    assert again["flat"]
    assert again["kill_id"] != first["kill_id"]
    assert "after the end of the kill" in stage.output("watchdog")


def test_what_a_human_trades_after_the_kill_is_left_alone(stage: Stage) -> None:
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "1")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    stage.await_kill()
    with hand(stage.port) as human:
        human.buy("IBM", 30, order_ref="")
        human.buy("MSFT", 10, order_ref="mine", limit=Decimal(1))
        human.await_positions({"IBM": 30})
        # Even a stray of ours beside it is only told: undoing it would undo the human's work too.
        human.buy("AAPL", 5, order_ref="BS-00000000-000903-E")
        wait_for(lambda: "a human works" in stage.output("watchdog"), "the alert")
        time.sleep(2.0)  # two further looks, after which nothing has happened
        assert human.positions() == {"IBM": 30, "AAPL": 5}
        assert human.open_orders() == {"mine"}
    assert len(stage.records("kill_ended")) == 1
    watchdog.send_signal(signal.SIGTERM)
    assert watchdog.wait(20) == 3
