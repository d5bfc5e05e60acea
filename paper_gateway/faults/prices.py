"""Splits in recorded prices: what was traded before is left as it was traded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time

from data.bar_table import NS_PER_S, BarTable, DataError
from paper_gateway.faults.scenario import Split


def with_splits(tables: Mapping[str, BarTable], splits: Iterable[Split]) -> dict[str, BarTable]:
    """Divide prices from each split's day on by its ratio, and multiply volumes.

    Raises
    ------
    DataError
        When a split's symbol isn't replayed.
    """
    result = dict(tables)
    for split in splits:
        table = result.get(split.symbol)
        if table is None:
            raise DataError([f"the scenario splits {split.symbol}, which isn't among {', '.join(result)}"])
        result[split.symbol] = _split(table, split)
    return result


def _split(table: BarTable, split: Split) -> BarTable:
    from_ns = int(datetime.combine(split.on, time(), UTC).timestamp()) * NS_PER_S
    after = table.end_ns >= from_ns
    columns = {name: getattr(table, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for name, column in columns.items():
        if name == "volume":
            column[after] *= split.ratio
        else:
            column[after] = (column[after] / split.ratio).round(2)
    return replace(table, **columns)
