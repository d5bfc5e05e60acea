"""How long a backtest takes from the shell to its printed result, all imports included, on kernels that are compiled already."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.report import Row, row
from tests.bench.stage import BenchFailed

ROOT = Path(__file__).resolve().parents[2]
_TARGET_S = 2.0
_LIBRARIES = "import numba, numpy, pydantic, yaml"


def run(runs: int, say: Callable[[str], None]) -> list[Row]:
    """Trade twenty symbols over thirty-three years of days, again and again; the first time only compiles and isn't counted."""
    took, bare = [], []
    with TemporaryDirectory(prefix="backstop-bench-command-") as folder:
        _until_printed(Path(folder))
        for number in range(max(3, runs // 10)):
            bare.append(_bare())
            took.append(_until_printed(Path(folder)))
            say(f"backtest from the shell {number + 1}: {took[-1]:.2f} s")
    note = (
        "packaged closes of skfolio, config.yaml's strategies, until the line with the folder of the results; reference: a Python that "
        f"only does `{_LIBRARIES}`"
    )
    return [
        row(
            "backtest from the shell",
            "20 symbols x 8,313 days: process made → result printed",
            "s",
            took,
            target=_TARGET_S,
            reference=sorted(bare)[len(bare) // 2],
            note=note,
        )
    ]


def _until_printed(folder: Path) -> float:
    config = folder / "config.yaml"  # the results go beside it
    config.write_bytes((ROOT / "config.yaml").read_bytes())
    command = [sys.executable, "run_backtest.py", "--data", "skfolio", "--no-html", "--config", str(config)]
    began = time.monotonic()
    took = None
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith("results:"):
                took = time.monotonic() - began
        problem = process.stderr.read()
    if process.returncode != 0 or took is None:
        raise BenchFailed(f"run_backtest.py ended with {process.returncode}: {problem.strip()[-400:]}")
    return took


def _bare() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _LIBRARIES], cwd=ROOT, check=True)
    return time.monotonic() - began
