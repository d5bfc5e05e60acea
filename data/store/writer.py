"""The one process that writes to a store."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import numpy as np
import pyarrow as pa

from data.bar_table import BarTable, DataError
from data.corporate_actions import CorporateAction
from data.store.schema import TABLES, VERSION, Series, check_version, fetch, is_unfinished, reading_copy

_KEY: Final = ("symbol", "size_s", "source", "prices")
_VALUES: Final = ("open", "high", "low", "close", "volume")
_RETRY_S: Final = 0.05
_OWNER = re.compile(r"PID (\d+)")


class StoreBusy(DataError):
    """Another process writes to the store."""


class HistoryWriter:
    """A store, open for writing.

    Parameters
    ----------
    path
        The file; it is made when it isn't there.
    wait_s
        Patience with another writer.

    Raises
    ------
    StoreBusy
        When another process has it open for longer than that.
    DataError
        When the file is no store.
    """

    def __init__(self, path: Path, *, wait_s: float = 5.0) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = _connect(path, wait_s)
        try:
            if is_unfinished(self._connection):
                # In one transaction: killed in between, it leaves no tables, and the next writer makes them.
                with self.transaction():
                    for statement in TABLES:
                        fetch(self._connection, statement)
                    fetch(self._connection, "INSERT INTO about VALUES (?)", [VERSION])
            check_version(self._connection, path)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is written, or nothing of it."""
        self._connection.begin()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def put_bars(self, series: Series, table: BarTable) -> None:
        """Add bars; one that the store has already (same series, same end) is replaced, so doing it twice is once."""
        columns = {
            "end_ns": pa.array(np.asarray(table.end_ns)),
            **{name: pa.array(np.asarray(getattr(table, name))) for name in _VALUES},
        }
        self._connection.register("incoming", pa.table(columns))
        key = [series.symbol, series.size_s, series.source, series.prices.value]
        same = " AND ".join(f"bars.{name} = ?" for name in _KEY)
        try:
            fetch(
                self._connection,
                f"DELETE FROM bars USING incoming WHERE {same} AND bars.end_ns = incoming.end_ns",  # noqa: S608
                key,
            )
            fetch(
                self._connection,
                "INSERT INTO bars SELECT ?, ?, ?, ?, end_ns, open, high, low, close, volume FROM incoming",
                key,
            )
        finally:
            self._connection.unregister("incoming")

    def put_actions(
        self, source: str, symbol: str, first: date, last: date, actions: Iterable[CorporateAction]
    ) -> None:
        """Replace what a source says of a symbol between two days, both included.

        An action outside of them replaces those of its own day and kind only.
        """
        actions = tuple(actions)
        fetch(
            self._connection,
            "DELETE FROM actions WHERE source = ? AND symbol = ? AND day BETWEEN ? AND ?",
            [source, symbol, first, last],
        )
        for action in actions:
            if not first <= action.day <= last:
                fetch(
                    self._connection,
                    "DELETE FROM actions WHERE source = ? AND symbol = ? AND day = ? AND kind = ?",
                    [source, symbol, action.day, action.kind.value],
                )
        for action in actions:
            fetch(
                self._connection,
                "INSERT INTO actions VALUES (?, ?, ?, ?, ?)",
                [symbol, source, action.day, action.kind.value, action.value],
            )

    def publish(self) -> None:
        """Give readers what has been committed."""
        copy = reading_copy(self.path)
        temporary = copy.with_name(f".{copy.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        fetch(self._connection, "CHECKPOINT")
        name = fetch(self._connection, "SELECT current_database()")[0][0]
        target = str(temporary).replace("'", "''")
        fetch(self._connection, f"ATTACH '{target}' AS published")
        try:
            fetch(self._connection, f'COPY FROM DATABASE "{name}" TO published')
        finally:
            fetch(self._connection, "DETACH published")
        temporary.replace(copy)
        copy.touch()  # newer than the store: that is how a reader sees that nothing was written since

    def close(self) -> None:
        """Publish and let go."""
        try:
            self.publish()
        finally:
            self._connection.close()

    # --- progress of downloads ----------------------------------------------------------------------------

    def pieces_done(self, source: str, symbol: str, size_s: int) -> set[tuple[date, date, int]]:
        """Pieces of a download that are in the store: first and last session, and the part of a session."""
        rows = fetch(
            self._connection,
            "SELECT first, last, part FROM pieces WHERE source = ? AND symbol = ? AND size_s = ?",
            [source, symbol, size_s],
        )
        return {(first, last, part) for first, last, part in rows}

    def put_piece(self, source: str, symbol: str, size_s: int, piece: Sequence[Any]) -> None:
        """Note a piece as done: first, last, part, bars, note. Put it into the transaction of its bars."""
        fetch(
            self._connection,
            "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [source, symbol, size_s, *piece],
        )

    def put_request(self, asked_ns: int, topic: str, request: str) -> None:
        """Note that a request leaves now (wall clock), so that the next process keeps to the broker's pace too."""
        fetch(self._connection, "DELETE FROM requests WHERE asked_ns < ?", [asked_ns - 3_600 * 10**9])
        fetch(self._connection, "INSERT INTO requests VALUES (?, ?, ?)", [asked_ns, topic, request])

    def requests_since(self, since_ns: int) -> list[tuple[int, str, str]]:
        """Return the requests that left after ``since_ns``, oldest first."""
        return [
            (int(asked), str(topic), str(request))
            for asked, topic, request in fetch(
                self._connection,
                "SELECT asked_ns, topic, request FROM requests WHERE asked_ns > ? ORDER BY asked_ns",
                [since_ns],
            )
        ]


def _connect(path: Path, wait_s: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return duckdb.connect(str(path))
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise DataError([f"{path}: can't be opened: {error}"]) from error
            if time.monotonic() >= deadline:
                owner = _OWNER.search(str(error))
                who = f"process {owner[1]}" if owner else "another process"
                raise StoreBusy([f"{path}: {who} is writing to it; wait for it, or end it"]) from error
        except duckdb.Error as error:
            raise DataError([f"{path}: can't be opened: {error}"]) from error
        time.sleep(_RETRY_S)
