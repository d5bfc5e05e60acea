"""F12: a flood of log lines is capped by size, and the oldest files go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.risk.stage import ROOT

FLOOD = """
import sys, structlog
from pathlib import Path
from core.config_schema import LoggingSettings
from core.logging import setup
setup("main", LoggingSettings(max_bytes=100_000, backups=2), Path(sys.argv[1]), run_id="r")
log = structlog.get_logger("flood")
for number in range(20_000):
    log.info("again_and_again", number=number, text="x" * 50)
"""


def test_a_flood_stays_within_its_cap(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", FLOOD, str(tmp_path)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    files = sorted(path for path in tmp_path.iterdir() if path.name.startswith("main.log"))
    assert 1 < len(files) <= 3
    assert sum(path.stat().st_size for path in files) <= 3 * 101_000
    assert b'"number":19999' in (tmp_path / "main.log").read_bytes().replace(b" ", b"")
