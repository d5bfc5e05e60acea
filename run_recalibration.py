"""Backstop's recalibration: other parameters for a strategy, if the evidence satisfies the mandate. Made for cron."""

from __future__ import annotations

import sys

from core.command import run_command
from governance.command import main

if __name__ == "__main__":
    stopped = "interrupted; the next run goes on where this one was"
    sys.exit(run_command(main, sys.argv[1:], when_stopped=stopped))
