"""What the user is told about a library that isn't installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.missing_module import missing_library

ROOT = Path(__file__).resolve().parents[2]


def test_a_library_of_others_is_named_with_the_remedy():
    assert "needs optuna" in missing_library(ModuleNotFoundError(name="optuna"))
    assert "make setup" in missing_library(ModuleNotFoundError(name="plotly.graph_objects"))


def test_a_module_of_ours_that_is_missing_is_a_defect():
    with pytest.raises(ModuleNotFoundError):
        missing_library(ModuleNotFoundError(name="backtester.nothing"))


COMMANDS = [
    ["run_backtest.py"],
    ["-m", "tca", "report"],
    ["-m", "data", "list"],
    ["-m", "scripts.incident", "list"],
    ["-m", "ml", "list"],
    ["-m", "ml.drift", "--data", "packaged"],
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_python_without_our_libraries_is_told_where_ours_is(command):
    bare = [sys.executable, "-I", "-S", "-c", "import runpy, sys; sys.path.insert(0, '.'); "]
    if command[0] == "-m":
        bare[-1] += f"sys.argv = {command[1:]!r}; runpy.run_module({command[1]!r}, run_name='__main__')"
    else:
        bare[-1] += f"sys.argv = {command!r}; runpy.run_path({command[0]!r}, run_name='__main__')"
    done = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "make setup" in done.stderr
    assert "Traceback" not in done.stderr
