"""A paper run under restrictions, through the real processes: what they do to its orders, and that its replay does the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.clock import SystemClock
from core.kernel import PROJECT_ROOT
from core.restrictions import RestrictionFolder
from tests.acceptance.system import System
from tests.parity.test_live_parity import alter_last, recorded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
OVERRIDES = {"BACKSTOP__UNIVERSE__SYMBOLS": "[AAPL, IBM]"}
START = "2012-03-01"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Momentum at half risk, mean_reversion at none, three sessions."""
    made = tmp_path_factory.mktemp("restricted")
    restrictions = RestrictionFolder(made / "state", SystemClock())
    restrictions.put("probation.momentum", strategy="momentum", scale=0.5, reason="on probation")
    restrictions.put("drift", strategy="mean_reversion", scale=0.0, reason="drift")
    system = System(made, **OVERRIDES)
    words = ("--sessions", "3", "--symbols", "AAPL,IBM", "--start", START, "--fill-model", "bar")
    system.start(*words, "--seed", "1")
    assert system.wait(300.0) == 0, system.terminal()[-3000:]
    yield made
    system.close()


def journal_of(folder: Path) -> Path:
    return next(folder.glob("state/paper/*/main.db"))


def replay(folder: Path, journal: Path, fills: str = "recorded") -> subprocess.CompletedProcess[str]:
    bars = folder / "bars"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTOP_")}
    if not bars.exists():
        words = ["--out", str(bars), "--bar-size", "300", "--seed", "1", "--symbols", "AAPL", "IBM"]
        words += ["--start", "2012-02-01", "--end", "2012-03-05"]
        subprocess.run([sys.executable, "-m", "paper_gateway.bars", *words], cwd=PROJECT_ROOT, check=True)
    words = ["--journal", str(journal), "--data", str(bars), "--config", str(folder / "config.yaml")]
    return subprocess.run(
        [sys.executable, "-m", "backtester.parity", *words, "--fills", fills],
        cwd=PROJECT_ROOT,
        env=clean | OVERRIDES,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_the_journal_begins_with_what_stands_and_the_orders_go_by_it(folder: Path):
    journal = journal_of(folder)
    (stands,) = recorded(journal, "restrictions")
    assert stands["scales"] == {"momentum": 0.5, "mean_reversion": 0.0}
    entries = [one for one in recorded(journal, "order_intent") if one["purpose"] == "entry"]
    assert {one["strategy"] for one in entries} == {"momentum"}
    refused = Counter((one["strategy"], one["reason"]) for one in recorded(journal, "denial"))
    assert refused["mean_reversion", "restricted"] > 0
    assert not refused["momentum", "restricted"]


def test_a_replay_of_the_journal_decides_by_the_same_restrictions(folder: Path):
    done = replay(folder, journal_of(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no difference" in done.stdout


def test_another_scale_in_the_record_is_noticed(folder: Path, tmp_path: Path):
    altered = tmp_path / "main.db"
    scales: dict[str, Any] = {"scales": {"momentum": 1.0, "mean_reversion": 0.0}}
    alter_last(journal_of(folder), altered, "restrictions", scales)
    assert replay(folder, altered).returncode == 1


def test_a_backtest_of_its_own_is_refused_for_it_knows_no_restriction(folder: Path):
    done = replay(folder, journal_of(folder), "model")
    assert done.returncode == 2
    assert "restrictions" in done.stderr


def test_a_damaged_file_is_no_risk_and_the_command_lists_and_clears_it(folder: Path):
    (folder / "state" / "restrictions" / "drift.json").write_text("{")
    command = [sys.executable, "-m", "scripts.restrictions", "--config", str(folder / "config.yaml")]

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *words], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
        )

    listed = call("list", "--json")
    assert (listed.returncode, json.loads(listed.stdout)["scales"]["momentum"]) == (3, 0.0)
    assert call("clear", "drift", "--reason", "").returncode == 2
    assert call("clear", "drift", "--reason", "a damaged file").returncode == 0
    assert json.loads(call("list", "--json").stdout)["scales"] == {"momentum": 0.5, "mean_reversion": 1.0}
    assert call("add", "operator", "--scale", "0.7", "--reason", "x").returncode == 2
    assert call("add", "operator", "--scale", "0", "--reason", "holiday").returncode == 0
    assert "holiday" in call().stdout
