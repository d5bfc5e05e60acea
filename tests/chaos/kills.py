"""Units with real processes that are killed: P1, P2, P7, P9, L1."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

from tests.chaos.outcome import Outcome, attempt
from tests.faults.engine_room import QUICK, EngineRoom, RoomStage
from tests.faults.truth import lines
from tests.risk.stage import Stage
from tests.waiting import wait_for

CYCLES = 20
SYMBOLS = ("AAPL", "IBM", "MSFT")


def killed_main(seed: int, scratch: Path, keep: Path) -> Outcome:
    """P1: main is killed at a random message, again and again, and starts from its journal each time."""
    outcome, chance = Outcome(), random.Random(seed)
    folder = scratch / "project"
    folder.mkdir()
    with (
        attempt(outcome, f"P1 seed {seed}", folder, keep, runs=CYCLES),
        RoomStage(folder, config=QUICK) as stage,
    ):
        stop = scratch / "stop"
        for cycle in range(CYCLES):
            last = cycle == CYCLES - 1
            if last:
                stop.touch()
            pid = _fork_trader(stage, stop, seed * 1000 + cycle)
            if not last:
                _wait_for_messages(stage, chance)
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            errors = folder / "trader.err"
            assert not errors.exists(), errors.read_text()
            if last:
                assert os.waitstatus_to_exitcode(status) == 0
        outcome.measure("agree_s", float((folder / "agreed").read_text()))
        outcome.look(stage)
    return outcome


def _wait_for_messages(stage: Stage, chance: random.Random) -> None:
    """Wait for a random number of further events at the broker; sometimes for a part of the start only."""
    if chance.random() < 0.2:
        time.sleep(chance.uniform(0.0, 0.6))
        return
    wanted = sum(1 for _ in lines(stage.audit)) + chance.randint(1, 30)
    end = time.monotonic() + 4.0
    while time.monotonic() < end and sum(1 for _ in lines(stage.audit)) < wanted:
        time.sleep(0.001)


def _fork_trader(stage: Stage, stop: Path, seed: int) -> int:
    """Fork a main that trades at random until it is killed, or until ``stop`` stands and its book agrees."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(os.open(stage.folder / "trader.out", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(1, 2)
        room = EngineRoom(stage)
        room.start()
        room.ready_to_trade()
        chance = random.Random(seed)
        for _ in range(chance.randint(10, 20) if stop.exists() else 1_000_000):
            room.target(chance.choice((0, 0, 5, 10, 20)), chance.choice(SYMBOLS))
            room.run_for(chance.uniform(0.0, 0.03))
        (stage.folder / "agreed").write_text(str(room.await_agreement(30.0)))
        room.close()
        code = 0
    except BaseException:  # noqa: BLE001 (it is told to the parent, by a file)
        (stage.folder / "trader.err").write_text(traceback.format_exc())
    finally:
        os._exit(code)


def silent_main(seed: int, scratch: Path, keep: Path) -> Outcome:
    """P2: main is killed with orders working; how long until the watchdog decides."""
    outcome = Outcome()
    folder = scratch / "project"
    folder.mkdir()
    with attempt(outcome, f"P2 seed {seed}", folder, keep), Stage(folder) as stage:
        peer = _peer_and_watchdog(stage, "--positions", "3", "--orders", "20")
        peer.send_signal(signal.SIGKILL if seed % 2 else signal.SIGSTOP)
        assert stage.await_kill()["flat"]
        figures = stage.records("kill_started")[-1].payload["figures"]
        assert isinstance(figures, dict)
        outcome.measure("decided_s", float(figures["age_s"]))
        outcome.kill_times(stage)
        outcome.look(stage)
    return outcome


def both_killed(seed: int, scratch: Path, keep: Path) -> Outcome:
    """P7: main and watchdog are killed at a random moment of a liquidation; the next watchdog completes it."""
    outcome, chance = Outcome(), random.Random(seed)
    folder = scratch / "project"
    folder.mkdir()
    with attempt(outcome, f"P7 seed {seed}", folder, keep), Stage(folder) as stage:
        peer = _peer_and_watchdog(stage, "--positions", "3", "--orders", str(chance.randint(1, 20)), "--deaf")
        stage.kill_now.touch()
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            step = chance.choice(("kill_started", "kill_step", "close_intent", "kill_ended"))
            wait_for(lambda kind=step: stage.records(kind), step, 30.0, 0.001)  # type: ignore[misc]
            time.sleep(chance.choice((0.0, 0.0, chance.uniform(0.0, 0.3))))
            assert stage.watchdog is not None
            stage.watchdog.kill()
            peer.kill()
            stage.watchdog.wait()
            peer.wait()
            was_over, began = bool(stage.records("kill_ended")), time.monotonic()
            stage.start_watchdog()
        assert stage.await_kill()["flat"]
        outcome.measure("completed_s", None if was_over else time.monotonic() - began)
        wait_for(lambda: stage.status().get("state") == "halted", "the halt")
        assert stage.ask_account() == ({}, 0)
        outcome.look(stage)
    return outcome


def runaway_main(seed: int, scratch: Path, keep: Path) -> Outcome:
    """P9: main trades at full rate, deaf to commands, while the watchdog flattens."""
    outcome = Outcome()
    folder = scratch / "project"
    folder.mkdir()
    with attempt(outcome, f"P9 seed {seed}", folder, keep), Stage(folder) as stage:
        chance = random.Random(seed)
        options = ("--positions", "3", "--orders", "10", "--rate", "45", *(("--deaf",) if seed % 2 else ()))
        _peer_and_watchdog(stage, *options)
        time.sleep(chance.uniform(0.0, 0.5))
        stage.kill_now.touch()
        assert stage.await_kill()["flat"]
        outcome.kill_times(stage)
        assert stage.ask_account() == ({}, 0)
        outcome.look(stage)
    return outcome


def loaded_kill(seed: int, scratch: Path, keep: Path) -> Outcome:
    """L1: a kill by flag with 100 working orders."""
    outcome = Outcome()
    folder = scratch / "project"
    folder.mkdir()
    with attempt(outcome, f"L1 seed {seed}", folder, keep), Stage(folder) as stage:
        _peer_and_watchdog(stage, "--positions", "3", "--orders", "100")
        stage.kill_now.touch()
        assert stage.await_kill()["flat"]
        outcome.kill_times(stage)
        outcome.look(stage)
    return outcome


def _peer_and_watchdog(stage: Stage, *options: str):
    stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer(*options)
    stage.await_check("heartbeat", "ok")
    return peer
