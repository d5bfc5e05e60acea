"""Bars as they were known at a moment."""

from __future__ import annotations

from dataclasses import replace


def until(bars, end_ns):
    """Bars that ended by then; symbols that had none are left out."""
    result = {}
    for symbol, table in bars.items():
        rows = table.end_ns <= end_ns
        if rows.any():
            columns = ("end_ns", "open", "high", "low", "close", "volume")
            result[symbol] = replace(table, **{name: getattr(table, name)[rows] for name in columns})
    return result
