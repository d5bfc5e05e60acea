"""A paper run with the veto on, through the real processes: what it does to the orders, that parity holds, what it would have earned."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from core.kernel import PROJECT_ROOT
from data.exchange_calendar import exchange_calendar
from tests import veto_models
from tests.acceptance.system import System
from tests.parity.test_live_parity import alter_last, recorded, run_module

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
OVERRIDES = {
    "BACKSTOP__UNIVERSE__SYMBOLS": "[AAPL, IBM]",
    "BACKSTOP__VETO__MODE": "enforce",
    "BACKSTOP__FEATURES__MAX_AGE_SESSIONS": "2",
    "BACKSTOP__SIZING__ALLOW_SHORT": "true",
}
START = "2012-03-01"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three sessions: IBM is vetoed, AAPL approved for momentum; mean_reversion has no model; the third finds old features."""
    made = tmp_path_factory.mktemp("vetoed")
    veto_models.register(made / "models" / "veto", veto_models.signals("momentum"))
    session = exchange_calendar("XNYS", date(2012, 1, 3), date(2013, 1, 3)).session_on(date(2012, 2, 29))
    assert session is not None
    veto_models.publish(made / "state", session.close_ns, {"AAPL": 1.0, "IBM": -1.0})
    system = System(made, **OVERRIDES)
    words = ("--sessions", "3", "--symbols", "AAPL,IBM", "--start", START, "--fill-model", "bar")
    system.start(*words, "--seed", "1")
    assert system.wait(300.0) == 0, system.terminal()[-3000:]
    bars = ["--out", str(made / "bars"), "--bar-size", "300", "--seed", "1", "--symbols", "AAPL", "IBM"]
    bars += ["--start", "2012-02-01", "--end", "2012-03-05"]
    subprocess.run([sys.executable, "-m", "paper_gateway.bars", *bars], cwd=PROJECT_ROOT, check=True)
    yield made
    system.close()


def journal_of(folder: Path) -> Path:
    return next(folder.glob("state/paper/*/main.db"))


def check(folder: Path, journal: Path, fills: str = "both") -> subprocess.CompletedProcess[str]:
    words = ["--journal", journal, "--data", folder / "bars", "--config", folder / "config.yaml"]
    return run_module("backtester.parity", *words, "--fills", fills, **OVERRIDES)


def test_only_approved_entries_are_made(folder: Path):
    journal = journal_of(folder)
    rulings = {(one["strategy"], one["symbol"], one["outcome"]) for one in recorded(journal, "veto")}
    assert ("momentum", "AAPL", "approved") in rulings
    assert ("momentum", "IBM", "vetoed") in rulings
    assert {outcome for strategy, _symbol, outcome in rulings if strategy == "mean_reversion"} == {"unknown"}
    assert ("momentum", "AAPL", "unknown") in rulings  # the third session's features are too old
    orders = recorded(journal, "order_intent")
    assert {(one["strategy"], one["symbol"]) for one in orders} == {("momentum", "AAPL")}
    assert {one["purpose"] for one in orders} >= {"entry", "stop"}
    denied = {one["reason"] for one in recorded(journal, "denial")}
    assert {"ml_veto", "veto_unknown"} <= denied


def test_the_journal_names_the_models_and_what_was_wrong_with_them(folder: Path):
    models = {one["strategy"]: one for one in recorded(journal_of(folder), "veto_model")}
    assert models["momentum"]["version"] == "0001"
    assert len(models["momentum"]["manifest_sha256"]) == 64
    assert "no model is in use" in models["mean_reversion"]["problem"]


def test_live_and_backtest_agree_on_every_order_with_the_veto_on(folder: Path):
    done = check(folder, journal_of(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("no difference\n")


def test_a_veto_that_is_struck_from_the_record_is_noticed(folder: Path, tmp_path: Path):
    altered = tmp_path / "main.db"
    alter_last(journal_of(folder), altered, "veto", {"outcome": "approved"})
    done = check(folder, altered)
    assert done.returncode == 1, done.stdout + done.stderr


def test_the_report_follows_what_was_vetoed_to_its_end(folder: Path):
    words = ["--journal", journal_of(folder), "--data", folder / "bars", "--config", folder / "config.yaml"]
    done = run_module("ml", "veto-report", *words, **OVERRIDES)
    assert done.returncode == 0, done.stderr
    vetoed = [one for one in recorded(journal_of(folder), "veto") if one["outcome"] == "vetoed"]
    assert f"{len(vetoed)} vetoed" in done.stdout
    assert done.stdout.count("IBM") == len(vetoed)
    assert "shadow positions have ended: the vetoes" in done.stdout
    daily = run_module("ml", "veto-report", *words[:3], "packaged", *words[4:], **OVERRIDES)
    assert daily.returncode == 2
    assert "packaged: the bars are daily; the entries in" in daily.stderr
    assert "of 300 s (bars.size_s)" in daily.stderr
