"""A paper session through the real processes, held against the backtester: once, and from several sides.

The session is thin: orders may have one share in two hundred, so that they fill in parts, from bar to bar.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from core.kernel import PROJECT_ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
THIN = {"BACKSTOP__BACKTEST__FILL_PARTICIPATION": "0.005", "BACKSTOP__SIZING__ALLOW_SHORT": "true"}
SYMBOLS = {"BACKSTOP__UNIVERSE__SYMBOLS": "[AAPL, IBM, MSFT]"}


def run_module(*words: object, **overrides: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTOP_")}
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=PROJECT_ROOT,
        env=clean | overrides,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class Session:
    """One recorded paper session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "run"
        self.out = folder / "parity.json"
        self.made = run_module(
            "scripts.parity",
            *("--sessions", 3, "--symbols", "AAPL,IBM,MSFT", "--start", "2012-03-01", "--seed", 3),
            *("--folder", self.folder, "--out", self.out),
            **THIN,
        )

    @property
    def journal(self) -> Path:
        return next(self.folder.glob("state/paper/*/main.db"))

    def figures(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out.read_text())
        return document

    def check(
        self, fills: str, *, journal: Path | None = None, **overrides: str
    ) -> subprocess.CompletedProcess[str]:
        """Compare again, perhaps with another configuration or journal."""
        words = ["--data", self.folder / "bars", "--config", self.folder / "config.yaml", "--fills", fills]
        return run_module(
            "backtester.parity", "--journal", journal or self.journal, *words, **(THIN | SYMBOLS | overrides)
        )


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(tmp_path_factory.mktemp("parity"))


def test_live_and_backtest_send_the_same_orders_get_the_same_fills_and_end_with_the_same_money(session):
    assert session.made.returncode == 0, session.made.stdout[-3000:] + session.made.stderr[-3000:]
    figures = session.figures()
    assert figures["differences"] == 0
    assert figures["orders_live"] == figures["orders_backtest"] > 10
    assert figures["fills_live"] == figures["fills_backtest"] > figures["orders_live"] / 2
    assert figures["final_nlv_live"] == figures["final_nlv_backtest"]
    assert (figures["sessions"], figures["bars"]) == (3, 3 * 78)
    assert figures["symbols"] == ["AAPL", "IBM", "MSFT"]
    assert figures["denials_live_only"] == 0
    assert figures["incidents"] == []
    for key in ("config_sha256", "data_sha256", "code_version"):
        assert figures[key]


def test_orders_filled_in_parts_so_the_session_is_a_hard_one(session):
    orders = session.figures()["orders_live"]
    entries_and_exits = [fill for fill in recorded(session.journal, "fill") if not is_stop(fill)]
    assert len({fill["order_ref"] for fill in entries_and_exits}) < len(entries_and_exits) < 10 * orders


@pytest.mark.parametrize(
    ("fills", "change", "kind"),
    [
        ("model", {"BACKSTOP__BACKTEST__SLIPPAGE_BPS": "1.01"}, "fill"),
        ("recorded", {"BACKSTOP__SIZING__STOP_ATR_MULTIPLE": "2.1"}, "order"),
    ],
)
def test_another_configuration_is_noticed_and_shown(session, fills: str, change: dict[str, str], kind: str):
    done = session.check(fills, **change)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "first difference" in done.stdout
    assert f" {kind} " in done.stdout
    assert not done.stdout.endswith("no difference\n")


def test_recorded_fills_prove_the_decisions_of_any_broker(session):
    done = session.check("recorded", BACKSTOP__BACKTEST__SLIPPAGE_BPS="50")
    assert done.returncode == 0, done.stdout
    assert "(given)" in done.stdout


@pytest.mark.parametrize(
    ("kind", "change"),
    [("order_intent", {"quantity": "1"}), ("denial", {"reason": "settled_cash"}), ("equity", {"nlv": "1"})],
)
def test_one_altered_record_is_one_difference_or_more(
    session, tmp_path: Path, kind: str, change: dict[str, str]
):
    altered = tmp_path / "main.db"
    alter_last(session.journal, altered, kind, change)
    done = session.check("recorded", journal=altered)
    assert done.returncode == 1, done.stdout


def test_a_journal_without_a_run_and_missing_bars_are_said(session, tmp_path: Path):
    nowhere = session.check("recorded", journal=tmp_path / "main.db")
    assert (nowhere.returncode, nowhere.stderr.count("\n")) == (2, 1)
    assert "main.db" in nowhere.stderr
    other = session.check("recorded", BACKSTOP__UNIVERSE__SYMBOLS="[AAPL, FB]")
    assert other.returncode == 2
    assert "FB" in other.stderr


def test_what_the_gateway_cannot_fill_alike_is_refused_at_once(tmp_path: Path):
    done = run_module("scripts.parity", "--folder", tmp_path / "x", "--set", "backtest.fill_at=close")
    assert done.returncode == 2
    assert "backtest.fill_at" in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path):
    (tmp_path / "precious.txt").touch()
    (tmp_path / "config.yaml").touch()
    done = run_module("scripts.parity", "--folder", tmp_path)
    assert done.returncode == 3
    assert (tmp_path / "precious.txt").exists()


def recorded(journal: Path, kind: str) -> list[dict[str, Any]]:
    with sqlite3.connect(journal) as connection:
        rows = connection.execute("SELECT payload FROM records WHERE kind = ? ORDER BY seq", (kind,))
        return [json.loads(payload) for (payload,) in rows]


def is_stop(fill: Mapping[str, Any]) -> bool:
    return str(fill["order_ref"]).endswith("-S")


def alter_last(journal: Path, copy: Path, kind: str, change: dict[str, str]) -> None:
    """Copy a journal with its last record of a kind changed; comparing doesn't verify the hash chain."""
    with sqlite3.connect(journal) as source, sqlite3.connect(copy) as target:
        source.backup(target)
        seq, payload = target.execute(
            "SELECT seq, payload FROM records WHERE kind = ? ORDER BY seq DESC LIMIT 1", (kind,)
        ).fetchone()
        for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            target.execute(f"DROP TRIGGER {name}")
        changed = json.dumps(json.loads(payload) | change)
        target.execute("UPDATE records SET payload = ? WHERE seq = ?", (changed, seq))
