"""Printing for a reader that may go away (``| head``) or be full: that must end neither a run nor a report with a traceback."""

from __future__ import annotations

import os
import sys


def tell(text: str) -> None:
    """Print and flush; once it can't be taken (nobody reads, or a file on a full disk), what follows goes nowhere."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
