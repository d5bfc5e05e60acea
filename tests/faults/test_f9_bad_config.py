"""F9: a configuration that can't be used is refused: key, value, range, nearest spelling, all errors at once."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.risk.stage import ROOT

BAD = """
broker: {port: 99999, probe_intervall_s: 1}
risk: {drawdown: {max_drawdown: -0.1}, lease_s: .nan}
universe: {symbols: [ibm]}
"""


@pytest.mark.parametrize("program", ["main.py", "risk_monitor.py"])
def test_every_problem_is_told_at_once(tmp_path: Path, program: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(BAD)
    environment = os.environ | {"BACKSTOP_IPC_KEY": secrets.token_hex(32), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, program, "--config", str(config)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    for text in (
        "broker.port: 99999",
        "did you mean probe_interval_s",
        "risk.drawdown.max_drawdown: -0.1",
        "risk.lease_s",
        "'ibm'",
    ):
        assert text in said, said
    assert "line 2" in said


def test_a_corrupt_file_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_bytes(b"broker: {port: \xff\xfe")
    done = subprocess.run(
        [sys.executable, "risk_monitor.py", "--config", str(config)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
