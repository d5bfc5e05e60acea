"""Units with real processes that are killed: P1, P2, P7, P9, L1, N6."""

from __future__ import annotations

import os
import random
import secrets
import signal
import sys
import time
import traceback
from pathlib import Path

from core.clock import SystemClock
from core.config_loader import load_settings
from core.flags import FlagFolder
from data.exchange_calendar import exchange_calendar
from portfolio.decision_setup import compile_kernels
from portfolio.live_manager.assembly import calendar_range
from risk.rearm import rearm
from strategy.registry import create_enabled
from tests.chaos.outcome import Outcome, attempt
from tests.chaos.warm import WarmStage
from tests.faults.engine_room import QUICK, EngineRoom, RoomStage
from tests.risk.stage import Stage
from tests.waiting import wait_for

CYCLES = 20
LIQUIDATIONS = 5
SYMBOLS = ("AAPL", "IBM", "MSFT")
_SLOW = """
description: Every message takes its time, each way its own, while the file stands.
faults: [{{kind: latency, in_s: {0:.3f}, out_s: {1:.3f}, control: slow}}]
"""


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
        _warm_up(stage)
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
    wanted, end = chance.randint(1, 30), time.monotonic() + 4.0
    with stage.audit.open("rb") as audit:
        audit.seek(0, os.SEEK_END)
        while wanted > 0 and time.monotonic() < end:
            wanted -= audit.read().count(b"\n")
            time.sleep(0.001)


def _warm_up(stage: Stage) -> None:
    """Do once, before the forks, what takes a fresh process most of its start: the calendar and the kernels."""
    settings = load_settings(stage.config, stage.environment).settings
    exchange_calendar(settings.universe.calendar, *calendar_range())
    compile_kernels(create_enabled(settings.strategies), settings.sizing, settings.caps)


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
    with attempt(outcome, f"P2 seed {seed}", folder, keep), WarmStage(folder) as stage:
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
    with attempt(outcome, f"P7 seed {seed}", folder, keep, runs=LIQUIDATIONS), WarmStage(folder) as stage:
        for _ in range(LIQUIDATIONS):
            _both_killed_once(stage, chance, outcome)
        outcome.look(stage)
    return outcome


def _both_killed_once(stage: Stage, chance: random.Random, outcome: Outcome) -> None:
    """One liquidation from a standing watchdog to the re-arming after it."""
    ended = len(stage.records("kill_ended")) if (stage.folder / "state" / "watchdog.db").exists() else 0
    (stage.folder / "peer.out").unlink(missing_ok=True)  # an earlier peer has been ready, too
    peer = _peer_and_watchdog(stage, "--positions", "3", "--orders", str(chance.randint(1, 20)), "--deaf")
    began_after = stage.records()[-1].seq
    stage.kill_now.touch()

    def come(kind: str) -> bool:
        return any(record.seq > began_after for record in stage.records(kind))

    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        step = chance.choice(("kill_started", "kill_step", "close_intent", "kill_ended"))
        wait_for(lambda kind=step: come(kind), step, 30.0, 0.001)  # type: ignore[misc]
        time.sleep(chance.choice((0.0, 0.0, chance.uniform(0.0, 0.3))))
        assert stage.watchdog is not None
        stage.watchdog.kill()
        peer.kill()
        stage.watchdog.wait()
        peer.wait()
        was_over, began = come("kill_ended"), time.monotonic()
        stage.start_watchdog()
    wait_for(lambda: len(stage.records("kill_ended")) > ended, "the end of the kill")
    assert stage.await_kill()["flat"]
    outcome.measure("completed_s", None if was_over else time.monotonic() - began)
    wait_for(lambda: stage.status().get("state") == "halted", "the halt")
    assert stage.ask_account() == ({}, 0)
    _rearm(stage)


def _rearm(stage: Stage) -> None:
    """Have a human re-arm, in this process: the command's own start would cost as much as a liquidation."""
    assert stage.watchdog is not None
    stage.watchdog.terminate()
    stage.watchdog.wait(30)
    state = stage.folder / "state"
    rearm(
        "the next liquidation of this unit",
        flags=FlagFolder(stage.folder / "flags"),
        journal_path=state / "watchdog.db",
        locks=(state / "risk_monitor.lock", state / "main.lock"),
        clock=SystemClock(),
    )
    stage.environment["BACKSTOP_RUN_ID"] = (
        f"test-{secrets.token_hex(3)}"  # or the dead main's heartbeat would count
    )


def runaway_main(seed: int, scratch: Path, keep: Path) -> Outcome:
    """P9: main trades at full rate, deaf to commands, while the watchdog flattens."""
    outcome = Outcome()
    folder = scratch / "project"
    folder.mkdir()
    chance = random.Random(seed)
    with attempt(outcome, f"P9 seed {seed}", folder, keep, runs=LIQUIDATIONS), WarmStage(folder) as stage:
        for number in range(1, LIQUIDATIONS + 1):
            (stage.folder / "peer.out").unlink(missing_ok=True)
            deaf = ("--deaf",) if (seed + number) % 2 else ()
            peer = _peer_and_watchdog(stage, "--positions", "3", "--orders", "10", "--rate", "45", *deaf)
            time.sleep(chance.uniform(0.0, 0.5))
            stage.kill_now.touch()
            wait_for(lambda count=number: len(stage.records("kill_ended")) >= count, "the end of the kill")  # type: ignore[misc]
            assert stage.await_kill()["flat"]
            outcome.kill_times(stage)
            assert stage.ask_account() == ({}, 0)
            peer.kill()
            peer.wait()
            _rearm(stage)
        outcome.look(stage)
    return outcome


def loaded_kill(seed: int, scratch: Path, keep: Path) -> Outcome:
    """L1: a kill by flag with 100 working orders."""
    outcome = Outcome()
    folder = scratch / "project"
    folder.mkdir()
    with attempt(outcome, f"L1 seed {seed}", folder, keep), WarmStage(folder) as stage:
        _peer_and_watchdog(stage, "--positions", "3", "--orders", "100")
        stage.kill_now.touch()
        assert stage.await_kill()["flat"]
        outcome.kill_times(stage)
        outcome.look(stage)
    return outcome


def slow_kill(seed: int, scratch: Path, keep: Path) -> Outcome:
    """N6: a kill over a line that takes up to 2.5 s each way; the figure is how many round trips it took to be flat."""
    outcome, chance = Outcome(), random.Random(seed)
    inwards, outwards = chance.uniform(0.05, 2.5), chance.uniform(0.05, 2.5)
    folder = scratch / "project"
    folder.mkdir()
    with (
        attempt(outcome, f"N6 seed {seed}", folder, keep),
        WarmStage(folder, faults=_SLOW.format(inwards, outwards)) as stage,
    ):
        orders = chance.randint(0, 20)
        _peer_and_watchdog(stage, "--positions", str(chance.randint(1, 3)), "--orders", str(orders))
        stage.begin("slow")
        stage.kill_now.touch()
        payload = stage.await_kill(180.0)
        assert payload["flat"], payload
        outcome.measure("flat_round-trips", payload["flag_to_flat_ms"] / 1000 / (inwards + outwards))
        stage.end("slow")
        outcome.look(stage)
    return outcome


def _peer_and_watchdog(stage: Stage, *options: str):
    stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer(*options)
    stage.await_check("heartbeat", "ok")
    return peer
