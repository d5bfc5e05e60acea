"""A thin paper session whose stops trail, held against the backtester; drawdowns cut positions, so stops are amended."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from core.journal import read
from core.payloads import order_of
from core.records import RecordKind
from core.vocabulary import OrderType
from tests.parity.test_live_parity import run_module

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
CHANGES = {
    "sizing.stop_kind": "trailing",
    "sizing.stop_atr_multiple": "1.5",
    "sizing.allow_short": "true",
    "sizing.drawdown_levels": "[0.002, 0.004, 0.03]",
    "backtest.fill_participation": "0.005",
}


def test_stops_that_trail_are_the_same_orders_and_fills_live_and_in_a_backtest(tmp_path: Path) -> None:
    folder, out = tmp_path / "run", tmp_path / "parity.json"
    changes = [word for key, value in CHANGES.items() for word in ("--set", f"{key}={value}")]
    done = run_module("scripts.parity", "--sessions", 4, *changes, "--folder", folder, "--out", out)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures = json.loads(out.read_text())
    assert figures["differences"] == 0
    assert figures["denials_live_only"] == 0
    assert figures["incidents"] == [], "a stop that has moved is no break"
    assert figures["orders_live"] == figures["orders_backtest"] > 50

    (journal,) = folder.glob("state/paper/*/main.db")
    intents: dict[str, list[Decimal]] = {}
    for record in read(journal, kinds=[RecordKind.ORDER_INTENT]):
        order = order_of(record.payload)
        if order.order_type is OrderType.TRAIL and order.stop_price is not None:
            intents.setdefault(order.order_ref, []).append(order.stop_price)
    filled = {str(one.payload["order_ref"]) for one in read(journal, kinds=[RecordKind.FILL])}
    assert len(filled & intents.keys()) > 20, "stops were hit"
    assert any(len(set(prices)) > 1 for prices in intents.values()), "an amendment has carried a gain"
    assert any(True for _ in read(journal, kinds=[RecordKind.ORDER_TRAILED]))
