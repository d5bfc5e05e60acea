"""P1, P3, P6, F2 with the real main: killed, stopped, without its watchdog, on a full disk, while it trades."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.journal import verify
from portfolio.live_manager.book import LiveBook
from tests.faults.real_main import TradingStage
from tests.waiting import wait_for


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[TradingStage]:
    """A project folder with a fast replay."""
    with TradingStage(tmp_path) as stage:
        yield stage


def test_a_main_that_was_killed_while_trading_goes_on_from_its_journal(stage: TradingStage) -> None:
    # The replay goes on when main has stopped: a stop that stayed would change the account before it is looked at.
    stage.environment["BACKSTOP__EXECUTION__ON_SHUTDOWN"] = "cancel_all"
    stage.start_trading()
    assert stage.watchdog is not None
    stage.main.kill()
    stage.watchdog.kill()  # before it can flatten what main left
    stage.main.wait()
    stage.watchdog.wait()
    killed_at = len(stage.main_records())
    stage.new_run()
    stage.start_watchdog()
    stage.start_main()
    stage.await_phase("trading")
    wait_for(lambda: len(stage.main_records("reconciled")) > 2, "reconciliations")
    stage.main.send_signal(signal.SIGTERM)
    assert stage.main.wait(30) == 0, stage.output("main")[-3000:]
    records = stage.main_records()
    assert verify(stage.main_journal).ok
    assert [one.payload for one in records if one.kind == "break" and one.payload["kind"] == "position"] == []
    sent = [one.payload["order_ref"] for one in records if one.kind == "order_sent"]
    first = [one.payload for one in records if one.kind == "order_intent"]
    ids = {str(one["order_ref"]): one["order_id"] for one in first}
    assert len(set(ids.values())) == len(ids), "no order id was used twice"
    assert set(sent) <= set(ids), "no order left without its intent in the journal"
    assert len(records) > killed_at
    book = LiveBook(lambda day: day)
    for record in records:
        book.apply(record.kind, record.payload)
    held, _ = stage.ask_account()
    net = {symbol: str(quantity) for symbol, quantity in book.ledger.net_positions().items() if quantity}
    assert net == held


def test_a_real_main_that_is_stopped_is_ended_and_the_account_flattened(stage: TradingStage) -> None:
    stage.start_trading()
    stage.main.send_signal(signal.SIGSTOP)
    ended = stage.await_kill()
    assert ended["flat"], ended
    assert ended["reason"] == "heartbeat"
    stage.main.send_signal(signal.SIGCONT)
    assert stage.main.wait(10) == -signal.SIGKILL
    assert stage.ask_account() == ({}, 0)


def test_without_its_watchdog_main_opens_nothing_until_it_is_back(stage: TradingStage) -> None:
    stage.start_trading()
    assert stage.watchdog is not None
    stage.watchdog.send_signal(signal.SIGSTOP)
    time.sleep(3.6)  # the lease of 3 s, and what was being sent
    before = len(_entries(stage))
    bars = stage.beat()["bars"]
    stage.await_beat(lambda body: body["bars"] > bars + 150, "two further sessions")
    assert len(_entries(stage)) == before
    stage.watchdog.send_signal(signal.SIGCONT)
    wait_for(lambda: len(_entries(stage)) > before, "entries under the new lease")
    assert stage.status().get("kill") is None, stage.output("watchdog")


def _entries(stage: TradingStage) -> list[object]:
    return [
        one.payload["order_ref"]
        for one in stage.main_records("order_sent")
        if str(one.payload["order_ref"]).endswith("-E")
    ]
