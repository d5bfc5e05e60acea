"""The TCA database: one writer, Arrow batches, and a published copy that readers open.

DuckDB lets one process write a file and shuts every other out meanwhile, so the writer works on a file of its own and
publishes copies of it by renaming: a reader has the copy that it opened for as long as it likes, and no reader ever
waits or sees half a row.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import duckdb
import pyarrow as pa

from core.atomic_file import sync_folder
from core.locks import InstanceLock
from tca.rows import Row
from tca.schema import MONEY, TABLES

FILE_NAME: Final = "tca_log.duckdb"
"""Name of the published file, in the folder of results."""

_MICRO: Final = Decimal("0.000001")
_SQL_TYPES: Final[Mapping[pa.DataType, str]] = {
    pa.string(): "VARCHAR",
    pa.float64(): "DOUBLE",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.bool_(): "BOOLEAN",
    pa.list_(pa.string()): "VARCHAR[]",
    MONEY: "DECIMAL(18,6)",
}


def database_path(results: Path) -> Path:
    """Return the published database of a folder of results."""
    return results / FILE_NAME


def open_published(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the published database for reading.

    Raises
    ------
    FileNotFoundError
        When nothing has been published yet.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no TCA database {path}: `python -m tca rebuild` makes it from the journals"
        )
    return duckdb.connect(str(path), read_only=True)


class TcaStore:
    """Writer of the database; one thread of one process.

    Parameters
    ----------
    published
        File that readers open. The working file, ``.tca_log.working.duckdb``, and the lock stand beside it.
    afresh
        Whether to begin with an empty database.

    Raises
    ------
    AlreadyRunning
        When another process writes this database.
    """

    def __init__(self, published: Path, *, afresh: bool = False) -> None:
        published.parent.mkdir(parents=True, exist_ok=True)
        self.published = published
        self._working = published.with_name(f".{published.stem}.working{published.suffix}")
        self._lock = InstanceLock(published.with_name(f".{published.stem}.lock")).acquire()
        self._owner = threading.get_ident()
        self.rows_written = 0
        try:
            if afresh:
                _remove(self._working)
            self._connection = _connect(self._working)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def forget(self, journal_id: str) -> None:
        """Remove all rows of a journal, before it is folded anew from its beginning."""
        self._check_owner()
        with _transaction(self._connection):
            for table in TABLES:
                self._connection.execute(f"DELETE FROM {table} WHERE journal_id = ?", [journal_id])  # noqa: S608 - our own table names

    def write(self, journal: Row, parents: Sequence[Row], fills: Sequence[Row]) -> None:
        """Replace the rows of these parent orders and the journal's own, all or nothing."""
        self._check_owner()
        refs = pa.table({"order_ref": pa.array([row["order_ref"] for row in parents], pa.string())})
        journal_id = journal["journal_id"]
        with _transaction(self._connection):
            self._connection.register("batch_refs", refs)
            for name in ("parents", "fills"):
                self._connection.execute(
                    f"DELETE FROM {name} WHERE journal_id = ? AND order_ref IN (FROM batch_refs)",  # noqa: S608 - our own table names
                    [journal_id],
                )
            self._connection.unregister("batch_refs")
            self._connection.execute("DELETE FROM journals WHERE journal_id = ?", [journal_id])
            self.append("parents", to_table("parents", parents))
            self.append("fills", to_table("fills", fills))
            self.append("journals", to_table("journals", [journal]))
        self.rows_written += len(parents)

    def append(self, name: str, rows: pa.Table) -> None:
        """Append an Arrow table of the schema of table ``name``."""
        self._check_owner()
        if rows.num_rows:
            self._connection.register("batch", rows)
            self._connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM batch")  # noqa: S608 - our own table names
            self._connection.unregister("batch")

    def publish(self) -> None:
        """Copy the working file beside the published one and put it in its place."""
        self._check_owner()
        self._connection.execute("CHECKPOINT")  # everything is in the file now, nothing in its log
        temporary = self.published.with_name(f".{self.published.name}.{os.getpid()}.tmp")
        try:
            shutil.copyfile(self._working, temporary)
            temporary.replace(self.published)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(self.published.parent)

    def close(self) -> None:
        """Close the file and free the lock."""
        self._connection.close()
        self._lock.release()

    def _check_owner(self) -> None:
        if threading.get_ident() != self._owner:
            raise RuntimeError("only the thread that opened the TCA database may write it")


class _transaction:  # noqa: N801 - reads as a statement
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def to_table(name: str, rows: Iterable[Row]) -> pa.Table:
    """Rows as an Arrow table of the schema of table ``name``; money is rounded to millionths, a key that is missing is NULL."""
    schema = TABLES[name]
    listed = list(rows)
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in listed]
        if field.type == MONEY:
            values = [value if value is None else _in_millionths(value) for value in values]
        columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _in_millionths(value: object) -> Decimal:
    if not isinstance(value, Decimal):
        raise TypeError(f"money must be a Decimal, not {value!r}")
    return value.quantize(_MICRO)


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(str(path))
    except duckdb.Error:  # torn by a crash of the machine, or of another version: the journals have it all
        _remove(path)
        connection = duckdb.connect(str(path))
    for name, schema in TABLES.items():
        columns = ", ".join(f'"{field.name}" {_SQL_TYPES[field.type]}' for field in schema)
        wanted = [field.name for field in schema]
        known = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = ? ORDER BY ordinal_position",
            [name],
        ).fetchall()
        if known and [row[0] for row in known] != wanted:  # made by another version
            connection.execute(f"DROP TABLE {name}")
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
    return connection


def _remove(path: Path) -> None:
    for file in (path, path.with_name(path.name + ".wal")):
        file.unlink(missing_ok=True)
