"""``python -m prefect_flows ...`` is ``prefect ...`` in the project's environment: no telemetry, its database under state/."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from prefect_flows.environment import PROJECT, prepare

_HELP = """usage: python -m prefect_flows PREFECT-COMMAND ...

Runs Prefect's own command line in the environment of this project: no telemetry, PREFECT_HOME under state/.

examples (each in a terminal of its own, from the project's folder):
  python -m prefect_flows server start                        http://127.0.0.1:4200
  python -m prefect_flows work-pool create nightly --type process
  python -m prefect_flows deploy --all
  python -m prefect_flows worker start --pool nightly
  python -m prefect_flows deployment run nightly/packaged     run it now

The flow without Prefect: python -m prefect_flows.nightly_feature_pipeline --help
"""

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] in {"-h", "--help"}:
        print(_HELP)
        sys.exit(0 if len(sys.argv) > 1 else 2)
    prepare()
    os.environ.setdefault("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    os.chdir(PROJECT)
    program = Path(sys.executable).parent / "prefect"
    os.execv(program, [str(program), *sys.argv[1:]])  # noqa: S606 (no shell; the user's own words)
