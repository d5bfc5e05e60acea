"""Backstop's recalibration: other parameters for a strategy, if the evidence satisfies the mandate. Made for cron."""

from __future__ import annotations

import sys

from governance.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
