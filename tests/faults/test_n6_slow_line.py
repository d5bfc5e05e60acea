"""N6: latency and a closed window: the kill takes the delay longer, and main's loop goes on meanwhile."""

from __future__ import annotations

from pathlib import Path

from tests.faults.conftest import MakeRoom
from tests.risk.stage import Stage

SLOW = """
description: A fifth of a second each way for everybody, while the file stands.
faults: [{kind: latency, in_s: 0.2, out_s: 0.2, control: slow}]
"""
VERY_SLOW = """
description: Two and a half seconds each way for everybody, while the file stands.
faults: [{kind: latency, in_s: 2.5, out_s: 2.5, control: slow}]
"""
SHUT = """
description: The gateway reads nothing of main any more.
faults: [{kind: zero_window, clients: [1], control: shut}]
"""


def test_a_kill_over_a_slow_line_ends_flat(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with Stage(tmp_path / "project", faults=SLOW) as stage:
        stage.start_watchdog()
        stage.await_state("watching")
        stage.start_peer("--positions", "2", "--orders", "10")
        stage.await_check("heartbeat", "ok")
        stage.begin("slow")
        stage.kill_now.touch()
        assert stage.await_kill()["flat"]
        stage.end("slow")
        assert stage.ask_account() == ({}, 0)


def test_a_kill_whose_every_answer_takes_five_seconds_ends_flat_and_is_told_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with Stage(tmp_path / "project", faults=VERY_SLOW) as stage:
        stage.start_watchdog()
        stage.await_state("watching")
        stage.start_peer("--positions", "2", "--orders", "2")
        stage.await_check("heartbeat", "ok")
        stage.begin("slow")
        stage.kill_now.touch()
        assert stage.await_kill(180.0)["flat"]
        told = [str(one.payload["text"]) for one in stage.records("alert")]
        assert any("no progress for 10 s" in text for text in told), told
        stage.end("slow")
        assert stage.ask_account() == ({}, 0)


def test_a_closed_window_never_blocks_the_engine(room: MakeRoom) -> None:
    main = room(SHUT, environment={"BROKER__REQUEST_TIMEOUT_S": "1"})
    main.stage.begin("shut")
    before = main.parts.heartbeat._sequence
    for _ in range(20):
        main.target(10)
        main.target(0)
        main.run_for(0.05)
    assert main.parts.heartbeat._sequence > before + 2
    # Bars still flow, so the line lives; but nobody answers, and what isn't known isn't traded on.
    main.run_until(lambda: not main.conditions.reconciled, "the verdict", 20.0)
    sent = len(main.kinds("order_sent"))
    main.target(10, "MSFT")
    assert len(main.kinds("order_sent")) == sent
    main.stage.end("shut")
    main.run_until(lambda: main.conditions.connected and main.conditions.reconciled, "the way back", 30.0)
    main.await_agreement()
