"""The environment in which Prefect runs: nothing leaves the machine, and its database stays in the project's state folder."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parent.parent
_DEFAULTS: Final = {
    "PREFECT_HOME": str(PROJECT / "state" / "prefect"),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",  # a first start takes 20 s on a slow machine
    "PREFECT_CLI_PROMPT": "false",
    "PROJECT_DIR": str(PROJECT),  # where prefect.yaml lets a run begin
    "OMP_NUM_THREADS": "1",  # trainers; read when numpy is loaded
}


def prepare(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set what isn't set yet; before Prefect or numpy is imported."""
    for name, value in _DEFAULTS.items():
        environ.setdefault(name, value)
    for name in ("PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK"):
        environ[name] = _DEFAULTS[name]  # no choice: no telemetry
