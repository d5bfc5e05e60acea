"""The trial ledger: no configuration is counted twice, none is forgotten, and nothing can be taken back."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtester.search.space import Axis, Space
from backtester.strategy_files import StrategySource
from backtester.trials.configurations import (
    KEPT,
    distinct,
    leaves_of,
    merged,
    numbers_of_rows,
    numbers_of_space,
    sketch_of,
)
from backtester.trials.ledger import TrialLedger, Tried
from core.config_schema import Settings
from core.errors import ConfigError, JournalCorrupt
from core.journal import Head
from core.kernel import PROJECT_ROOT

BASE = leaves_of(
    Settings(), [StrategySource(name="momentum")], [{"fast_window": 20, "slow_window": 100}], [0.5]
)
SPACE = Space(
    axes=(
        Axis(key="momentum.fast_window", values=(10, 20, 30), strategy=0),
        Axis(key="momentum.slow_window", values=(100, 150), strategy=0),
        Axis(key="sizing.risk_per_trade", values=(0.01, 0.02), strategy=None),
    )
)
ALL = np.arange(SPACE.size)
TRIED = Tried(
    study="first",
    mode="grid_search",
    strategies=("momentum",),
    symbols=("AAPL", "IBM"),
    first=date(2005, 1, 3),
    last=date(2010, 12, 31),
    data_sha256="d",
)


def numbers(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**63, count, dtype=np.uint64) * np.uint64(2)


# --- configurations ---


def test_a_configuration_has_one_number_however_it_was_searched():
    grid = numbers_of_space(SPACE, BASE, ALL)
    assert len(set(grid.tolist())) == SPACE.size
    rows = [SPACE.values(number) for number in ALL.tolist()]
    assert numbers_of_rows(BASE, rows).tolist() == grid.tolist()
    other_way = Space(axes=SPACE.axes[::-1])
    assert set(numbers_of_space(other_way, BASE, ALL).tolist()) == set(grid.tolist())
    # One that was set by hand, in whole numbers or not, is the one of the grid.
    fixed = Space(axes=SPACE.axes[:1])
    assert set(numbers_of_space(fixed, BASE | {"momentum.slow_window": 100.0}, np.arange(3)).tolist()) < set(
        grid.tolist()
    )


def test_what_changes_the_account_or_the_strategy_is_another_configuration():
    here = numbers_of_rows(BASE, [{}])[0]
    for change in ({"sizing.risk_per_trade": 0.02}, {"momentum:weight": 1.0}, {"momentum:file": "x"}):
        assert numbers_of_rows(BASE, [change])[0] != here


def test_sketches_count_exactly_at_first_and_nearly_afterwards_however_they_are_cut():
    few = numbers(1, KEPT - 1)
    assert distinct(sketch_of(np.concatenate([few, few]))) == KEPT - 1
    many = numbers(2, 1_000_000)
    parts = [sketch_of(part) for part in np.array_split(many, 1000)]
    assert merged([*parts, *parts]).tolist() == sketch_of(many).tolist()
    assert distinct(merged(parts)) == pytest.approx(1_000_000, rel=0.2)


# --- the ledger ---


def test_the_same_search_again_is_no_new_trial_and_another_one_is(tmp_path: Path):
    ledger = TrialLedger(tmp_path)
    own, sharpes = numbers(3, 50), np.linspace(-1, 1, 50)
    for _ in range(2):
        ledger.record(TRIED, "0", own, sharpes)
    assert ledger.earlier(TRIED, own) == 0
    other = numbers(4, 30)
    ledger.record(replace(TRIED, study="second"), "0", np.concatenate([own[:10], other]), np.full(40, np.nan))
    assert ledger.earlier(TRIED, own) == 30
    counts = ledger.counts(TRIED)
    assert (counts.configurations, counts.records, counts.with_sharpe) == (80, 2, 50)
    assert counts.sharpe_deviation == pytest.approx(sharpes.std(ddof=1))
    assert counts.sharpe_best == 1.0


def test_means_and_spreads_of_parts_add_up_to_those_of_all(tmp_path: Path):
    ledger = TrialLedger(tmp_path)
    sharpes = np.random.default_rng(5).normal(0.3, 0.6, 300)
    for place, part in enumerate(np.array_split(np.arange(300), 7)):
        ledger.record(TRIED, str(place), numbers(place + 10, len(part)), sharpes[part])
    counts = ledger.counts(TRIED)
    assert counts.sharpe_mean == pytest.approx(sharpes.mean())
    assert counts.sharpe_deviation == pytest.approx(sharpes.std(ddof=1))


@pytest.mark.parametrize(
    ("change", "bears"),
    [
        ({"symbols": ("IBM", "MSFT")}, True),
        ({"symbols": ("MSFT",)}, False),
        ({"strategies": ("momentum", "pairs")}, True),
        ({"strategies": ("pairs",)}, False),
        ({"first": date(2010, 12, 31), "last": date(2012, 1, 3)}, True),
        ({"first": date(2011, 1, 3), "last": date(2012, 1, 3)}, False),
        ({"data_sha256": "another"}, True),
    ],
)
def test_what_bears_on_data_is_the_same_strategy_on_shared_symbols_and_days(tmp_path: Path, change, bears):
    ledger = TrialLedger(tmp_path)
    ledger.record(replace(TRIED, study="other", **change), "0", numbers(6, 20), np.zeros(20))
    assert ledger.earlier(TRIED, numbers(7, 5)) == (20 if bears else 0)


def test_a_missing_ledger_holds_nothing_and_one_that_cannot_be_written_stops_the_search(tmp_path: Path):
    ledger = TrialLedger(tmp_path / "control")
    assert ledger.head() is None
    assert ledger.earlier(TRIED, numbers(8, 5)) == 0
    ledger.path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="nothing may be tried"):
        ledger.record(TRIED, "0", numbers(8, 5), np.zeros(5))


def test_a_changed_a_removed_and_a_forgotten_record_are_noticed(tmp_path: Path):
    ledger = TrialLedger(tmp_path)
    for place in range(3):
        ledger.record(TRIED, str(place), numbers(place, 9), np.zeros(9))
    head = ledger.head()
    assert head is not None
    assert head.seq == 3
    assert ledger.holds(head)
    with sqlite3.connect(ledger.path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM records WHERE seq = 3")
    assert not ledger.holds(head)
    with pytest.raises(JournalCorrupt):
        ledger.head()  # its own mirror of the head tells it
    ledger.path.with_name("trials.db.head").unlink()
    assert ledger.head() is not None  # without that only who remembers the head can tell
    assert not ledger.holds(head)
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("UPDATE records SET payload = replace(payload, '9', '1') WHERE seq = 1")
    with pytest.raises(JournalCorrupt):
        ledger.head()
    assert not ledger.holds(Head(seq=2, hash="another"))


def test_two_that_write_by_turns_keep_one_chain(tmp_path: Path):
    first, second = TrialLedger(tmp_path), TrialLedger(tmp_path)
    for place in range(6):
        (first, first, second)[place % 3].record(TRIED, str(place), numbers(place, 4), np.zeros(4))
    head = second.head()
    assert head is not None
    assert head.seq == 6
    assert first.counts(TRIED).configurations == 24


def test_many_processes_write_one_ledger(tmp_path: Path):
    script = (
        "import sys, numpy as np; from pathlib import Path; from dataclasses import replace\n"
        "from tests.backtester.test_trial_ledger import TRIED, numbers\n"
        "from backtester.trials.ledger import TrialLedger\n"
        "for part in range(10): TrialLedger(Path(sys.argv[1])).record(replace(TRIED, study=sys.argv[2]), str(part),"
        " numbers(int(sys.argv[2]) * 100 + part, 3), np.zeros(3))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(number)], cwd=PROJECT_ROOT)
        for number in range(3)
    ]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert TrialLedger(tmp_path).counts(TRIED).configurations == 90


# --- the searches write it ---


def test_every_search_of_run_backtest_writes_it_and_deleted_results_still_count(tmp_path: Path):
    (tmp_path / "config.yaml").write_bytes((PROJECT_ROOT / "config.yaml").read_bytes())
    common = ["--config", str(tmp_path / "config.yaml"), "--symbols", "AAPL,IBM", "--start", "2005-01-03"]
    common += ["--end", "2008-12-31", "--strategy", "momentum", "--no-html", "--json"]

    def call(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "run_backtest.py", *words, *common],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    windows = ("--train", "300", "--test", "150", "--grid", "momentum.fast_window=10,20")
    alone = call("--mode", "walk_forward", *windows)
    assert alone["overfitting"]["earlier_trials"] == 0
    grid = call("--mode", "grid_search", "--grid", "momentum.fast_window=20,30,40")
    assert grid["luck"]["earlier_trials"] == 1
    call("--mode", "optimise", "--grid", "momentum.slow_window=110..140", "--trials", "16")
    for folder in (tmp_path / "results" / "backtests").iterdir():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    again = call("--mode", "walk_forward", *windows)
    assert again["overfitting"]["earlier_trials"] == 2 + 16
