"""The combinations that were scored, on disk: a Parquet file a chunk, written whole or not at all.

The folder can be read by anything that reads Parquet, while the search still runs:
``duckdb.sql("from 'trials/*.parquet' order by sharpe desc limit 10")``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.search.space import Axis, Space
from backtester.search.work import METRICS, FloatArray, Part
from core.atomic_file import write_atomic

FOLDER = "trials"
_MEMORY = "256MB"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStore:
    """Folder ``trials`` of a study: a file for each chunk, named by its first position."""

    folder: Path
    space: Space
    before_saving: Callable[[int, Part], None] = lambda _first, _part: None
    """Gets every chunk before it can be seen; the trial ledger."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, first: int) -> Path:
        """File of a chunk."""
        return self.folder / f"{first:015d}.parquet"

    def has(self, first: int) -> bool:
        """Whether a chunk is done."""
        return self.path(first).is_file()

    def chunks(self) -> int:
        """Count the chunks that are done."""
        return sum(1 for _ in self.folder.glob("*.parquet"))

    def write(self, first: int, part: Part) -> None:
        """Save a chunk. Its returns come first: what has its Parquet file is complete."""
        self.before_saving(first, part)
        if part.returns is not None:
            held = io.BytesIO()
            np.save(held, part.returns)
            write_atomic(self._returns_path(first), held.getvalue(), durable=False, mode=0o644)
        held = io.BytesIO()
        pq.write_table(self._table(part), held, compression="zstd")
        write_atomic(self.path(first), held.getvalue(), mode=0o644)

    def read(self, first: int) -> Part | None:
        """Return a chunk without its session returns; None when it isn't there."""
        if not self.has(first):
            return None
        table = pq.read_table(self.path(first))
        return Part(
            numbers=table["trial"].to_numpy(),
            figures={name: table[name].to_numpy() for name in METRICS},
            returns=None,
            conflicts=0,
            example=None,
        )

    def _returns_path(self, first: int) -> Path:
        return self.path(first).with_suffix(".returns.npy")

    def _table(self, part: Part) -> pa.Table:
        places = np.array([self.space.places(number) for number in part.numbers.tolist()], dtype=np.int64)
        columns: dict[str, Any] = {"trial": part.numbers}
        for index, axis in enumerate(self.space.axes):
            values = [axis.values[place] for place in (places[:, index] if len(places) else ())]
            columns[axis.key] = pa.array(values, type=_type_of(axis))
        columns |= {name: part.figures[name] for name in METRICS}
        return pa.table(columns)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open a database in memory whose view ``trials`` is what was saved, oldest number first where it matters.

        Memory is bounded: what doesn't fit goes to a temporary file. One thread, so that a sum doesn't depend on which
        part of it came first.
        """
        database = duckdb.connect(":memory:")
        database.execute(f"SET memory_limit='{_MEMORY}'; SET threads=1; SET enable_progress_bar=false")
        pattern = str(self.folder / "*.parquet").replace("'", "''")
        if any(self.folder.glob("*.parquet")):
            database.execute(f"CREATE VIEW trials AS SELECT * FROM read_parquet('{pattern}')")  # noqa: S608 (our own path)
        else:
            columns = ", ".join(
                f'"{name}" DOUBLE' for name in (*(axis.key for axis in self.space.axes), *METRICS)
            )
            database.execute(f"CREATE TABLE trials (trial BIGINT, {columns})")
        return database

    def returns(self) -> tuple[np.ndarray[Any, Any], FloatArray] | None:
        """Numbers of all combinations, rising, and their session returns, shape (combinations, sessions); None if they weren't kept."""
        numbers, tables = [], []
        for path in sorted(self.folder.glob("*.parquet")):
            kept = path.with_suffix(".returns.npy")
            found = pq.read_table(path, columns=["trial"])["trial"].to_numpy()
            if len(found) and not kept.is_file():
                return None
            if len(found):
                numbers.append(found)
                tables.append(np.load(kept))
        if not numbers:
            return None
        joined = np.concatenate(numbers)
        order = np.argsort(joined)
        return joined[order], np.concatenate(tables)[order]


def _type_of(axis: Axis) -> pa.DataType:
    kinds: Mapping[type, pa.DataType] = {
        bool: pa.bool_(),
        int: pa.int64(),
        float: pa.float64(),
        str: pa.string(),
    }
    found = {type(value) for value in axis.values}
    if found == {int, float}:
        return pa.float64()
    return kinds[found.pop()] if len(found) == 1 else pa.string()
