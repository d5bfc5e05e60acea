"""The broker's names of executions: a base, a period, and the number of the correction.

``0000e0d5.5a1b2c3d.01.01`` is the first report of an execution, ``0000e0d5.5a1b2c3d.01.02`` its first correction.
Commissions carry the execId of what they were charged for.
"""

from __future__ import annotations


def base_exec_id(exec_id: str) -> str:
    """Name that an execution shares with its corrections: all before the last period."""
    return exec_id.rpartition(".")[0] or exec_id


def correction_number(exec_id: str) -> int:
    """Digits after the last period: 1 for the first report; 0 if there are none."""
    head, _, last = exec_id.rpartition(".")
    return int(last) if head and last.isascii() and last.isdigit() else 0
