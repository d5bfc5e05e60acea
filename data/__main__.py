"""Where ``python -m data`` enters."""

from __future__ import annotations

import sys

from core.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("data.cli.run", sys.argv[1:]))
