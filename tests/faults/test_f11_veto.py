"""F11: whatever is wrong with the veto's model or features, main makes no entry, says why once a session, and goes on.

One real main.py on the paper gateway, beside the real watchdog, is led from one fault to the next.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from core.journal import Journal
from data.exchange_calendar import exchange_calendar
from features.snapshot import SNAPSHOT_NAME
from portfolio.veto.manifest import MODEL_FILE
from tests import veto_models
from tests.faults.real_main import UNPACED, TradingStage
from tests.waiting import wait_for

CONFIG = f"""{UNPACED}
strategies: [{{name: buy_and_hold, weight: 0.5}}]
bars: {{warmup_bars: 0}}
features: {{refresh_s: 0.1, max_age_sessions: 5}}
veto: {{mode: enforce}}
"""
FRESH, OLD = date(2012, 11, 9), date(2012, 10, 1)


class VetoStage(TradingStage):
    """A replay slow enough to be led through many faults within a few sessions."""

    seen = 0
    """Rulings that earlier steps have waited for."""

    def start_gateway(self, *options: str) -> Any:
        self.extra = CONFIG
        return super(TradingStage, self).start_gateway("--speed", "600", *options)

    def rulings(self) -> list[dict[str, Any]]:
        return [dict(one.payload) for one in self.main_records("veto")]

    def await_unknown(self, *words: str) -> None:
        """Wait until every symbol's entry is newly denied for a reason that holds these words."""

        def told() -> bool:
            assert self.main.poll() is None, self.output("main")[-3000:]
            details = {
                one["symbol"]: one["detail"]
                for one in self.rulings()[self.seen :]
                if one["outcome"] == "unknown" and all(word in one["detail"] for word in words)
            }
            return set(details) == set(self.symbols)

        wait_for(told, f"entries denied because of {words}", 60.0)
        self.seen = len(self.rulings())
        assert self.main_records("order_intent") == []


@pytest.fixture
def stage(tmp_path: Path) -> Any:
    with VetoStage(tmp_path) as stage:
        yield stage


def close_of(day: date) -> int:
    session = exchange_calendar("XNYS", date(2012, 1, 3), date(2013, 1, 3)).session_on(day)
    assert session is not None
    return session.close_ns


def test_no_corrupt_wrong_or_stale_model_or_features_let_an_entry_out(stage: VetoStage) -> None:
    models, control = stage.folder / "models" / "veto", stage.folder / "state"
    sure = dict.fromkeys(stage.symbols, 2.0)
    steps: list[tuple[Callable[[], object], tuple[str, ...]]] = []

    stage.start_watchdog()
    stage.start_main()
    stage.await_phase("trading")
    stage.await_unknown("no model is in use")

    # A model of other signals, then one of these.
    veto_models.register(models, veto_models.signals("buy_and_hold", stop_atr_multiple=3.0))
    stage.await_unknown("other signals", "stop_atr_multiple is 3.0, not 2.0")
    version = veto_models.register(models, veto_models.signals("buy_and_hold"))
    stage.await_unknown("there is no feature snapshot")

    # One byte of it is changed.
    file = version / MODEL_FILE
    sound = file.read_bytes()
    file.write_bytes(sound.replace(b'"threshold": 0.5', b'"threshold": 0.0'))
    stage.await_unknown("SHA-256 is not the one in manifest.json")
    file.write_bytes(sound)

    steps += [
        (
            lambda: veto_models.publish(control, close_of(FRESH), sure, versions={"ret_5": 2, "rsi_14": 1}),
            ("trained on version 1 of ret_5", "version 2"),
        ),
        (
            lambda: veto_models.publish(control, close_of(FRESH), sure, versions={"ret_5": 1}),
            ("rsi_14", "isn't in the snapshot"),
        ),
        (lambda: veto_models.publish(control, close_of(OLD), sure), ("too_old",)),
        (lambda: (control / SNAPSHOT_NAME).write_bytes(b'{"schema": 1'), ("no JSON",)),
    ]
    for break_it, words in steps:
        break_it()
        stage.await_unknown(*words)

    # A locked store: its publisher fails (tests/feature_repo/test_store.py), so what it left grows old; main waits for nobody.
    store = sqlite3.connect(control / "features" / "online.db", isolation_level=None)
    store.execute("CREATE TABLE held (number INTEGER)")
    store.execute("BEGIN EXCLUSIVE")
    veto_models.publish(control, close_of(OLD), dict.fromkeys(stage.symbols, 3.0))
    stage.await_unknown("too_old")
    opened = [str(one.resolve()) for one in Path(f"/proc/{stage.main.pid}/fd").iterdir()]
    assert not [one for one in opened if "/features/" in one]

    # All is well: what is approved is bought, what is not isn't, and the restored model is the one that is asked.
    veto_models.publish(control, close_of(FRESH), {**sure, "IBM": -1.0})
    bought = wait_for(
        lambda: [one for one in stage.main_records("fill") if one.payload["symbol"] != "IBM"], "fills", 60.0
    )
    assert bought
    last = {one["symbol"]: one for one in stage.rulings()}
    assert {symbol: one["outcome"] for symbol, one in last.items()} == {
        "AAPL": "approved",
        "IBM": "vetoed",
        "MSFT": "approved",
    }
    assert last["IBM"]["probability"] == pytest.approx(0.2689, abs=1e-4)
    assert last["IBM"]["contributions"][0] == ["ret_5", -1.0]
    assert last["IBM"]["threshold"] == 0.5

    store.close()

    # Said once a session and fault-free otherwise: denials are told, nothing halted, the journal is whole.
    assert {one.payload["symbol"] for one in stage.main_records("order_intent")} <= {"AAPL", "MSFT"}
    denied = Counter(one.payload["reason"] for one in stage.main_records("denial"))
    assert denied["veto_unknown"] >= 8 * len(stage.symbols)
    assert denied["ml_veto"] == 1
    sessions = len(stage.main_records("session"))
    said = stage.output("main").count("veto_unknown")
    assert said <= 2 * sessions, stage.output("main")
    assert stage.main_records("halt") == []
    assert Journal.verify(stage.main_journal).problem is None
