"""Shifts this process's wall clock by as many seconds as the file named by ``BACKSTOP_TEST_CLOCK`` says, at any time."""

import os
import time
from pathlib import Path

_FILE = Path(os.environ["BACKSTOP_TEST_CLOCK"])
_real_ns, _real = time.time_ns, time.time


def _shift_s() -> int:
    try:
        return int(_FILE.read_text() or 0)
    except OSError:
        return 0


time.time_ns = lambda: _real_ns() + _shift_s() * 1_000_000_000
time.time = lambda: _real() + _shift_s()
