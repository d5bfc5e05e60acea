"""P14: main without its watchdog sends no order, however long it plays."""

from __future__ import annotations

from pathlib import Path

from tests.faults.real_main import TradingStage


def test_a_main_without_a_watchdog_sends_nothing(tmp_path: Path) -> None:
    with TradingStage(tmp_path) as stage:
        stage.start_main()
        body = stage.await_beat(lambda body: body["bars"] > 150 and body["denials"], "bars and refusals")
        assert body["orders_sent"] == 0
        assert "no_lease" in body["denials"]
        assert stage.main_records("order_sent") == []
