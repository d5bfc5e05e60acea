"""``python -m ml.drift``: see ``python -m ml.drift --help``."""

from __future__ import annotations

import sys

from core.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("ml.drift.command", sys.argv[1:]))
