"""N14: another ibapi than the one that was written against is refused at the start, before any socket."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.risk.stage import ROOT

SHIM = Path(__file__).parent / "injected" / "ibapi_version"


@pytest.mark.parametrize("program", ["main.py", "risk_monitor.py"])
def test_another_ibapi_ends_the_start_with_the_way_to_repair_it(tmp_path: Path, program: str) -> None:
    (tmp_path / "flags").mkdir()
    config = tmp_path / "config.yaml"
    config.write_text("universe: {symbols: [IBM]}\n")
    environment = os.environ | {
        "BACKSTOP_RUN_ID": "test",
        "BACKSTOP_IPC_KEY": secrets.token_hex(32),
        "PYTHONPATH": f"{SHIM}:{ROOT}",
    }
    done = subprocess.run(
        [sys.executable, program, "--config", str(config)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode not in {0, 5}, said
    assert "ibapi 10.37.2 is installed" in said, said
    assert "requirements.lock" in said
