"""O3: a kill in the exchange's last ten minutes, with an order for the close that nobody can cancel (161)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.atomic_file import write_atomic
from core.events import Order
from core.vocabulary import OrderType, Purpose, Side
from tests.faults.hand import Hand, hand
from tests.faults.truth import read_truth
from tests.risk.stage import Stage
from tests.waiting import DEADLINE_S, wait_for

DAY = date(2012, 11, 12)
PATIENT_S = 3 * DEADLINE_S
"""A kill waits ten seconds for each cancel, and as long for each order that the closed market does not fill."""


class HeldStage(Stage):
    """A stage whose market stands still at the times of day that the test names."""

    @property
    def until(self) -> Path:
        return self.folder.parent / f"{self.folder.name}-until"

    def start_gateway(self, *options: str) -> subprocess.Popen[bytes]:
        """Start with the market held at its first boundary."""
        self.pass_until("09:31")
        return super().start_gateway(*options, "--speed", "max", "--bar-boundary", "60")

    def spawn(self, *command: str, name: str) -> subprocess.Popen[bytes]:
        """Put the gateway that can be held in the place of the plain one."""
        if name == "gateway":
            command = ("-m", "tests.faults.held_gateway", "--until", str(self.until), *command[2:])
        return super().spawn(*command, name=name)

    def pass_until(self, clock: str) -> int:
        """Let the market run until a New York time of the day; returns it in seconds since the epoch."""
        moment = datetime.fromisoformat(f"{DAY} {clock}").replace(tzinfo=ZoneInfo("America/New_York"))
        seconds = int(moment.timestamp())
        write_atomic(self.until, str(seconds * 10**9).encode(), durable=False)
        return seconds

    def await_time(self, by: Hand, clock: str) -> None:
        """Let the market run until then, and wait for it."""
        seconds = self.pass_until(clock)

        def reached() -> bool:
            now = by.session.current_time().result(10)
            return isinstance(now, int) and now >= seconds

        wait_for(reached, f"{clock} at the market", PATIENT_S, 0.05)

    def alerts(self) -> list[str]:
        """Everything that the operator was told."""
        return [str(one.payload["text"]) for one in self.records("alert")]

    def await_end_of_kill(self, number: int) -> dict[str, Any]:
        """Report of the kill of that number, from 1."""

        def ended() -> bool:
            return len(self.records("kill_ended")) >= number

        wait_for(ended, f"the end of kill {number}", PATIENT_S, 0.05)
        return self.records("kill_ended")[number - 1].payload

    def await_aftermath(self) -> None:
        """Wait until the watchdog, which looks once a second, has looked at what the kill left some times."""
        ended_ns = self.records("kill_ended")[-1].time_ns
        beat = self.logs / "risk_monitor_heartbeat.json"
        wait_for(lambda: beat.stat().st_mtime_ns > ended_ns + 5_000_000_000, "five seconds of the watchdog")


def _order(side: Side, quantity: int, kind: OrderType, ref: str) -> Order:
    return Order(
        order_ref=ref,
        strategy="peer",
        symbol="IBM",
        side=side,
        quantity=Decimal(quantity),
        order_type=kind,
        purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT,
        reason="test",
        created_ns=0,
    )


def _place_with_stop(by: Hand, entry: Order) -> None:
    """Send an entry as main does: as a bracket, held until its stop has arrived."""
    stop = _order(Side.SELL, int(entry.quantity), OrderType.STOP, STOP)
    stop = replace(stop, purpose=Purpose.STOP, stop_price=Decimal(100), parent_ref=entry.order_ref)
    parent = by.session.next_order_id()
    by.session.place(parent, entry, transmit=False)
    by.session.place(by.session.next_order_id(), stop, parent_id=parent)
    wait_for(lambda: by.open_orders() == {MOC, STOP}, "the entry and its stop")


STOP = "BS-test-000003-s"
MOC = "BS-test-000002-c"


@contextmanager
def _killed(folder: Path, *, held: int, side: Side, quantity: int) -> Iterator[tuple[HeldStage, Hand]]:
    """A position, an order for the close that is locked in, and KILL_NOW at five minutes before the close."""
    project = folder / "project"
    project.mkdir()
    with HeldStage(project) as stage, hand(stage.port) as by:
        # The peer tells no positions: after ten seconds that would be a break.
        stage.environment["BACKSTOP__RISK__BOOK_MISMATCH__ENABLED"] = "false"
        stage.start_watchdog()
        stage.await_state("watching")
        stage.start_peer()
        stage.await_check("heartbeat", "ok")
        stage.await_time(by, "15:45")
        if held:
            order = _order(Side.BUY, held, OrderType.MARKET, "BS-test-000001-e")
            by.session.place(by.session.next_order_id(), order)
            by.await_positions({"IBM": held})
        order = _order(side, quantity, OrderType.MARKET_ON_CLOSE, MOC)
        if side is Side.BUY:
            _place_with_stop(by, order)
        else:
            by.session.place(by.session.next_order_id(), order)
        wait_for(lambda: MOC in by.open_orders(), "the order for the close")
        stage.await_time(by, "15:55")
        stage.kill_now.touch()
        yield stage, by


def _assert_told_of_the_order(stage: HeldStage, report: dict[str, Any]) -> None:
    assert [text for text in stage.alerts() if "orders can't be cancelled" in text and MOC in text]
    reasons = [str(item["reason"]) for item in report["residue"] if item["quantity"] == "0"]
    assert len(reasons) == 1
    assert MOC in reasons[0]


@pytest.mark.slow  # a kill is patient with orders that it can't cancel
def test_a_locked_in_entry_is_told_and_what_it_fills_is_found_and_listed(tmp_path: Path) -> None:
    with _killed(tmp_path, held=0, side=Side.BUY, quantity=100) as (stage, by):
        first = stage.await_end_of_kill(1)
        assert not first["flat"]
        _assert_told_of_the_order(stage, first)
        assert by.positions() == {}
        assert by.open_orders() == {MOC}, "its stop is cancelled"
        stage.await_time(by, "16:00")
        by.await_positions({"IBM": 100})
        # Ours alone: the watchdog kills once more. The market is closed, so the position is left and listed.
        second = stage.await_end_of_kill(2)
        assert [(item["symbol"], item["quantity"]) for item in second["residue"]] == [("IBM", "100")]
        assert [text for text in stage.alerts() if "after the end of the kill" in text and MOC in text]
        assert [text for text in stage.alerts() if "NOT flat: IBM 100" in text]
        assert by.positions() == {"IBM": 100}
        assert by.open_orders() == set()


@pytest.mark.slow
@pytest.mark.parametrize("leaving", [100, 40])
def test_a_kill_leaves_to_a_locked_in_exit_what_it_will_close(tmp_path: Path, leaving: int) -> None:
    with _killed(tmp_path, held=100, side=Side.SELL, quantity=leaving) as (stage, by):
        report = stage.await_end_of_kill(1)
        _assert_told_of_the_order(stage, report)
        stage.await_aftermath()
        left = [(item["symbol"], item["quantity"]) for item in report["residue"] if item["quantity"] != "0"]
        assert left == [("IBM", str(leaving))]
        by.await_positions({"IBM": leaving})
        stage.await_time(by, "16:00")
        by.await_positions({})
        fills = [(fill.order_ref[:8], int(fill.signed)) for fill in read_truth(stage.audit).fills]
        closed = [("BS-KILL-", leaving - 100)] if leaving < 100 else []
        assert fills == [("BS-test-", 100), *closed, ("BS-test-", -leaving)]
        assert len(stage.records("kill_started")) == 1
