"""P6: a watchdog that is stopped and goes on: main's lease ends meanwhile, and what it wakes to is no breach."""

from __future__ import annotations

import signal
import time
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.config_schema import RiskSettings
from core.events import PositionReport
from risk.checks.verdict import CheckStatus
from risk.heartbeat_watch import HeartbeatWatch
from risk.monitors import Monitors
from tests.risk.stage import Stage


class HandClock(SystemClock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000_000_000

    def monotonic_ns(self) -> int:
        return self.now


class _Main(HeartbeatWatch):
    """Main's book as its heartbeats told it; nothing else of them is used here."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self.body = {"phase": "trading", "positions": {"IBM": "0"}}
        self._beat_ns = None


class _NoLines:
    def poll(self) -> list[object]:
        return []


@pytest.fixture
def monitors(tmp_path: Path) -> tuple[Monitors, HandClock]:
    clock = HandClock()
    return (
        Monitors(
            RiskSettings(),
            heartbeats=_Main(clock),
            main_journal=tmp_path / "main.db",
            submissions=_NoLines(),  # type: ignore[arg-type]
            clock=clock,
        ),
        clock,
    )


def mismatch(monitors: Monitors) -> CheckStatus:
    return next(one.status for one in monitors.evaluate() if one.name == "book_mismatch")


def held(quantity: int) -> tuple[PositionReport, ...]:
    return (PositionReport(account="DU1", symbol="IBM", quantity=Decimal(quantity), average_cost=Decimal(1)),)


def test_a_difference_ages_by_comparisons_and_not_while_nobody_compares(
    monitors: tuple[Monitors, HandClock],
) -> None:
    monitor, clock = monitors
    monitor.on_positions(held(100))  # a fill that main has not told of yet
    clock.now += 60_000_000_000  # and here the watchdog (or the broker's answer) is held up
    assert mismatch(monitor) is CheckStatus.OK
    monitor.on_positions(held(100))  # it really has lasted
    assert mismatch(monitor) is CheckStatus.BREACH


def test_a_watchdog_that_was_stopped_wakes_up_to_no_breach(stage: Stage) -> None:
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "1", "--orders", "1")
    stage.await_check("heartbeat", "ok")
    watchdog.send_signal(signal.SIGSTOP)
    time.sleep(5.0)  # longer than every time-out of the watchdog's checks
    watchdog.send_signal(signal.SIGCONT)
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        assert stage.status().get("kill") is None, stage.output("watchdog")
        time.sleep(0.05)
    assert stage.await_state("watching")["lease"] is True
