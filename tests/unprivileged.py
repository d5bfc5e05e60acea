"""Processes that permissions bind even when the tests run as root, who may otherwise read any file."""

from __future__ import annotations

# Taken out of the bounding set, CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH do not survive the exec.
_DROP = """
import ctypes, os, sys
for capability in (1, 2):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def bound(*arguments: str) -> tuple[str, ...]:
    """Arguments for the interpreter that run it again, with ``arguments``, bound by the modes of files and folders."""
    return "-c", _DROP, *arguments
