"""``python -m scripts.incident``: see ``python -m scripts.incident --help``."""

from __future__ import annotations

import sys

from core.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("scripts.incident.command", sys.argv[1:]))
