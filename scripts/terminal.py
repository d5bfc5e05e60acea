"""Printing for a reader that may go away (``| head``): that must end neither a run nor a report with a traceback."""

from __future__ import annotations

import os
import sys


def tell(text: str) -> None:
    """Print and flush; once nobody reads, what follows goes nowhere."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
