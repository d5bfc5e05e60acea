"""How commands end: without a library, by Ctrl-C, and when nobody reads any more."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.command import INTERRUPTED, READER_GONE, missing_library

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
    ["-m", "feature_repo", "catalogue"],
    ["-m", "prefect_flows.nightly_feature_pipeline"],
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


def start(program: str) -> subprocess.Popen[str]:
    lines = ["import sys, time", "from core.command import run_command", program]
    command = [sys.executable, "-c", "\n".join(lines)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_an_interruption_is_told_in_one_line():
    program = "def work(_arguments):\n    print('at work', flush=True)\n    time.sleep(60)\n    return 0\n"
    with start(program + "sys.exit(run_command(work, [], when_stopped='it goes on next time'))") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "it goes on next time\n"
        assert process.wait(10) == INTERRUPTED


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_went_away_ends_a_command_without_a_word(lines):
    """Once it is the flush at the end that finds nobody, once the printing."""
    program = f"def work(_arguments):\n    sys.stdin.read()\n    print('line\\n' * {lines})\n    return 0\n"
    with start(program + "sys.exit(run_command(work, []))") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == ""
        assert process.wait(10) == READER_GONE
