"""``run_backtest.py --guards`` as its user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.backtester.test_command import config, run

__all__ = ["config"]  # a fixture


@pytest.fixture
def peeking(tmp_path: Path) -> Path:
    """A user's strategy that brings its signals along, as one that was fitted to the whole history would."""
    path = tmp_path / "peeking.py"
    path.write_text(
        "GOOD_DAYS = {3, 4, 9, 12, 13, 17}\n\n\n"
        "def peek(state, bar):\n"
        "    count = (state or 0) + 1\n"
        "    return count, 1.0 if count % 20 in GOOD_DAYS else 0.0\n"
    )
    return path


def test_the_guards_report_goes_into_the_figures_and_the_folder(config):
    asked = (
        "--config",
        config,
        "--symbols",
        "IBM",
        "--strategy",
        "momentum",
        "--start",
        "2009-01-02",
        "--no-html",
    )
    done = run(*asked, "--guards", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert list(figures["guards"]["ran"]) == ["look-ahead", "recursion", "survivorship", "holes", "too good"]
    found = {(one["guard"], one["subject"]) for one in figures["guards"]["warnings"]}
    assert ("survivorship", "symbols") in found
    assert not any(guard == "look-ahead" for guard, _ in found)
    assert json.loads((Path(figures["folder"]) / "guards.json").read_text()) == figures["guards"]
    notes = json.loads((Path(figures["folder"]) / "run.json").read_text())["notes"]
    assert any(note.startswith("survivorship: symbols: the five packaged symbols") for note in notes)


def test_a_users_strategy_that_brings_its_signals_along_is_told_of(config, peeking):
    asked = ("--config", config, "--symbols", "IBM", "--start", "2011-01-03", "--no-html")
    done = run(*asked, "--strategy", f"{peeking}:peek", "--guards")
    assert done.returncode == 0, done.stderr
    assert "look-ahead    1 found" in done.stdout
    assert "peek: the signals are the same on made-up prices" in done.stdout
