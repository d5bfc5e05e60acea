"""``python -m ml``: the registry of veto models, and what the veto has saved or cost."""

from __future__ import annotations

import sys

from core.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("ml.commands", sys.argv[1:]))
