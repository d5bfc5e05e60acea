"""Strategies from a user's file: what is accepted, and what is said of what isn't."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backtester.scan import scan_signals
from backtester.strategy_files import StrategySource
from backtester.strategy_template import write_template
from core.errors import ConfigError
from strategy.base import BarRow
from strategy.momentum import MOMENTUM
from tests.backtester.cases import walk

ROOT = Path(__file__).resolve().parents[2]

BAR = BarRow(1.0, 1.0, 1.0, 1.0, 1.0)

CROSSOVER = '''
"""A crossover in plain Python."""
def cross(state, bar, *, fast=3, slow=8):
    """Long above the slow average."""
    closes = [*(state or []), bar.close][-slow:]
    if len(closes) < slow:
        return closes, float("nan")
    difference = sum(closes[-fast:]) / fast - sum(closes) / slow
    return closes, float(difference > 0) - float(difference < 0)
'''


def source(tmp_path: Path, text: str, name: str = "rule") -> StrategySource:
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    return StrategySource.of(f"{path}:{name}")


def test_a_plain_function_is_a_strategy_whose_named_arguments_are_its_parameters(tmp_path):
    kind = source(tmp_path, CROSSOVER, "cross").load()
    assert (kind.name, kind.summary) == ("cross", "Long above the slow average.")
    assert [(spec.name, spec.default) for spec in kind.specs] == [("fast", 3), ("slow", 8)]
    rows = walk(4, 120, decimals=2, holes=0.0, gaps=0.0, volume=1000)[:, None, :]
    ours = MOMENTUM.create({"fast_window": 4, "slow_window": 9})
    theirs = kind.create({"fast": 4, "slow": 9})
    signals = scan_signals([ours, theirs], rows)
    assert np.array_equal(signals[:, 0], signals[:, 1], equal_nan=True)


def test_the_written_start_runs_as_it_is_and_is_not_written_over(tmp_path):
    path = write_template("my_rise", tmp_path)
    kind = StrategySource.of(f"{path}:MY_RISE").load()
    assert kind.name == "my_rise"
    strategy = kind.create({"lookback": 5, "threshold": 0.0})
    rows = walk(2, 60, decimals=2, holes=0.0, gaps=0.0, volume=1000)
    weights = scan_signals([strategy], rows[:, None, :])[:, 0, 0]
    close = rows[:, 3]
    assert np.isnan(weights[:5]).all()
    assert np.array_equal(weights[5:], (close[5:] > close[:-5]).astype(float))
    with pytest.raises(ConfigError, match="exists; nothing was written"):
        write_template("my_rise", tmp_path)


@pytest.mark.parametrize("name", ["Rise", "my-rise", "1st", "class", "momentum", "../x"])
def test_a_name_that_cannot_be_one_is_refused(tmp_path, name):
    with pytest.raises(ConfigError):
        write_template(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def rule(state, bar):\n    return state, 2.0\n", "the weight 2 is out of range: allowed -1 to 1"),
        ("def rule(state, bar):\n    return 1.0\n", "must return (state, weight), not 1.0"),
        ("def rule(state, bar):\n    return state, 'long'\n", "the weight must be a number from -1 to 1"),
        ("def rule(state, bar):\n    return state, bar.closing\n", "line 2: AttributeError"),
        (
            "def rule(state, bar):\n    1 / 0\n",
            "failed on bar 0 of a trial line 2: ZeroDivisionError: division by zero",
        ),
        (
            "def rule(state, bar, window=20):\n    return state, 0.0\n",
            "must be written as (state, bar, *, window=20)",
        ),
        (
            "def rule(state, bar, *, window):\n    return state, 0.0\n",
            "parameter window: needs a number as its default",
        ),
        ("rule = 5\n", "must be a StrategyKind or a function, not a int"),
        ("def rle(state, bar):\n    return state, 0.0\n", "there is no rule; did you mean rle?"),
        ("import nothing_of_that_name\n", "line 1: ModuleNotFoundError: No module named"),
        ("x = 1\ndef rule(:\n", "line 2: SyntaxError"),
        ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
        (
            "seen = []\ndef rule(state, bar):\n    seen.append(1)\n    return state, float(len(seen) > 300)\n",
            "says something else when it is run again",
        ),
        (
            (
                "from strategy.momentum import MOMENTUM\nfrom dataclasses import replace\n"
                "rule = replace(MOMENTUM, name='mine', warmup_bars=lambda p: 7)\n"
            ),
            "warmup_bars says 7, but the first weight came after 100 bars",
        ),
        ("from strategy.momentum import MOMENTUM as rule\n", "is the name of a strategy of ours"),
    ],
)
def test_what_breaks_the_contract_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(ConfigError) as caught:
        source(tmp_path, text).load()
    assert told in caught.value.problems[0]
    assert caught.value.problems[0].startswith("mine.py")


def test_a_file_that_is_missing_or_a_name_that_is_not_given_is_told(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        StrategySource.of(f"{tmp_path}/none.py:rule")
    (tmp_path / "mine.py").write_text(CROSSOVER)
    with pytest.raises(ConfigError, match="strategies in it: cross"):
        StrategySource.of(f"{tmp_path}/mine.py")


def test_an_edit_is_noticed_and_a_machine_without_the_file_runs_what_it_was_sent(tmp_path):
    first = source(tmp_path, "def rule(state, bar):\n    return state, 0.25\n")
    second = source(tmp_path, "def rule(state, bar):\n    return state, 0.5\n")
    assert [one.load().create({}).step(None, BAR)[1] for one in (first, second)] == [0.25, 0.5]
    (tmp_path / "mine.py").unlink()
    code = (
        "from backtester.strategy_files import StrategySource\n"
        f"source = StrategySource(name='rule', path={str(tmp_path / 'mine.py')!r}, text={second.text!r})\n"
        "print(source.load().create({}).step(None, None)[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert math.isclose(float(done.stdout), 0.5)
