"""P10, P11: a second main or watchdog ends at once, says why, and opens no socket."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.locks import InstanceLock
from tests.risk.stage import ROOT


@pytest.mark.parametrize(
    ("program", "lock"), [("main.py", "main.lock"), ("risk_monitor.py", "risk_monitor.lock")]
)
def test_the_second_instance_ends_before_it_opens_a_socket(tmp_path: Path, program: str, lock: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.settimeout(0.2)
        port = broker.getsockname()[1]
        (tmp_path / "flags").mkdir()
        config = tmp_path / "config.yaml"
        config.write_text(f"broker: {{port: {port}}}\nuniverse: {{symbols: [IBM]}}\n")
        environment = os.environ | {
            "BACKSTOP_RUN_ID": "second",
            "BACKSTOP_IPC_KEY": secrets.token_hex(32),
            "PYTHONPATH": str(ROOT),
        }
        with InstanceLock(tmp_path / "state" / lock, run_id="first", boot_id="b"):
            done = subprocess.run(
                [sys.executable, program, "--config", str(config)],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 5, done.stdout + done.stderr
        said = done.stdout + done.stderr
        assert str(os.getpid()) in said, said
        assert "run first" in said or "first" in said
        with pytest.raises(TimeoutError):
            broker.accept()
