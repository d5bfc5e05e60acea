"""kill -9 at any moment of a night: the next run completes it, with the outcome of a night that nothing happened to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_night_that_was_killed_anywhere_is_completed_by_the_next_run_with_the_same_outcome(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.prefect_flows.killing", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    clean, killed = found["outcomes"]
    assert clean["steps"] == [[name, "done"] for name in found["steps"]]
    assert len(found["points"]) == len(found["steps"]) + 5
    assert len(clean["online"]) == 2
    assert len(clean["costs"]) == 3
    assert killed == clean
