"""Tables of the store, and the names of what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data.bar_table import DataError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSION: Final = 1
SUFFIX: Final = ".duckdb"

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS about (version INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS bars (
        symbol VARCHAR NOT NULL, size_s INTEGER NOT NULL, source VARCHAR NOT NULL, prices VARCHAR NOT NULL,
        end_ns BIGINT NOT NULL, open DOUBLE NOT NULL, high DOUBLE NOT NULL, low DOUBLE NOT NULL, close DOUBLE NOT NULL,
        volume DOUBLE NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS actions (
        symbol VARCHAR NOT NULL, source VARCHAR NOT NULL, day DATE NOT NULL, kind VARCHAR NOT NULL,
        value DOUBLE NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS pieces (
        source VARCHAR NOT NULL, symbol VARCHAR NOT NULL, size_s INTEGER NOT NULL, first DATE NOT NULL,
        last DATE NOT NULL, part INTEGER NOT NULL, bars BIGINT NOT NULL, note VARCHAR NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS requests (asked_ns BIGINT NOT NULL, topic VARCHAR NOT NULL, request VARCHAR NOT NULL)",
    # For people with a DuckDB shell.
    """CREATE VIEW IF NOT EXISTS readable_bars AS
        SELECT symbol, size_s, source, prices, make_timestamp_ns(end_ns) AS end_utc, open, high, low, close, volume
        FROM bars ORDER BY symbol, size_s, source, prices, end_ns""",
)


class PriceKind(StrEnum):
    """What was done to prices before they came into the store."""

    RAW = "raw"
    """As traded."""
    SPLITS = "splits"
    """Adjusted for splits."""
    TOTAL = "total"
    """Adjusted for splits and dividends."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Series:
    """One kind of bars of one symbol; the store keeps kinds apart."""

    symbol: str
    size_s: int
    source: str
    prices: PriceKind


def reading_copy(path: Path) -> Path:
    """Path of the copy that readers open."""
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.read{SUFFIX}")


def fetch(connection: DuckDBPyConnection, sql: str, parameters: object = ()) -> list[tuple[Any, ...]]:
    """Run a statement and take all its rows (DuckDB refuses the next statement while rows are left)."""
    return connection.execute(sql, parameters).fetchall()


def is_unfinished(connection: DuckDBPyConnection) -> bool:
    """Whether the tables, or the version that comes after them, are still to be written."""
    tables = {str(row[0]) for row in fetch(connection, "SHOW TABLES")}
    return not tables or ("about" in tables and not fetch(connection, "SELECT 1 FROM about LIMIT 1"))


def check_version(connection: DuckDBPyConnection, path: Path) -> None:
    """Refuse a file that isn't a store, or a later version's.

    Raises
    ------
    DataError
        In both cases.
    """
    tables = {str(row[0]) for row in fetch(connection, "SHOW TABLES")}
    if "about" not in tables:
        raise DataError([f"{path}: is a DuckDB file, but no history store (it has no table 'about')"])
    version = fetch(connection, "SELECT max(version) FROM about")[0][0]
    if version != VERSION:
        raise DataError(
            [f"{path}: has version {version} of the store's tables; this program knows {VERSION}"]
        )
