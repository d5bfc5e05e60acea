"""Features over time as Parquet files, the offline side of the store: written whole, replaced atomically.

One row a key and session. ``available_timestamp`` is Feast's event timestamp, because a point-in-time join has to ask what could
be used then; the close that the values are of is ``event_s``. Unknown values are null. The file's metadata holds the version
of every feature and the hash of the bars, so that no reader mixes formulas.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.atomic_file import write_atomic
from core.errors import RetryLater
from features.catalogue import FEATURES, compute
from features.freshness import AVAILABLE_AFTER_NS
from features.panel import DailyBars, panel_of

NS_PER_S: Final = 1_000_000_000
DAILY_VIEW: Final = "daily_features"
COST_VIEW: Final = "order_costs"
SYMBOL: Final = "symbol"
METHOD: Final = "method"
AVAILABLE: Final = "available_timestamp"
EVENT_S: Final = "event_s"
TIMESTAMP: Final = pa.timestamp("us", tz="UTC")  # Feast fails on nanoseconds with a zone
_METADATA: Final = b"backstop.features"
_PRICES: Final = ("open", "high", "low", "close", "volume")


class FeaturesMissing(RetryLater):
    """There is no file of features that fits this program; the text says which and what to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a file of features says about itself.

    Attributes
    ----------
    versions
        Version of each feature, by name.
    source_sha256
        Hash of what it was computed from.
    """

    versions: Mapping[str, int]
    source_sha256: str


def catalogue_versions() -> dict[str, int]:
    """Version of each feature of the catalogue."""
    return {name: feature.version for name, feature in FEATURES.items()}


def daily_table(bars: Mapping[str, DailyBars]) -> pa.Table:
    """Features of every symbol and session.

    Parameters
    ----------
    bars
        Daily bars by symbol, stamped with the sessions' closes.

    Returns
    -------
    pa.Table
        Sorted by session, then in the order of ``bars``; a symbol has no row on a day without a bar.

    Raises
    ------
    ValueError
        Without any bars.
    """
    panel = panel_of(bars)
    ends = np.unique(np.concatenate([table.end_ns for table in bars.values()]))
    rows, columns = np.nonzero(~np.isnan(panel.close))  # by row, that is by session, first
    event_ns = ends[rows]
    names: dict[str, pa.Array] = {
        SYMBOL: pa.array([panel.symbols[column] for column in columns], pa.string()),
        AVAILABLE: pa.array((event_ns + AVAILABLE_AFTER_NS) // 1_000, TIMESTAMP),
        EVENT_S: pa.array(event_ns // NS_PER_S, pa.int64()),
    }
    for name, values in compute(panel).items():
        found = values[rows, columns]
        names[name] = pa.array(found, pa.float64(), mask=~np.isfinite(found))
    return pa.table(names)


def cost_table(rows: pa.Table) -> pa.Table:
    """Features of costs as rows of the store (`tca.feature_etl.cost_rows` makes them)."""
    close_ns = rows.column("close_ns").to_numpy()
    keys = {
        SYMBOL: rows.column(SYMBOL),
        METHOD: rows.column(METHOD),
        AVAILABLE: pa.array((close_ns + AVAILABLE_AFTER_NS) // 1_000, TIMESTAMP),
        EVENT_S: pa.array(close_ns // NS_PER_S, pa.int64()),
    }
    values = {name: rows.column(name) for name in rows.column_names if name not in {*keys, "close_ns"}}
    return pa.table(keys | values)


def bars_sha256(bars: Mapping[str, DailyBars]) -> str:
    """Hash of the bars, symbol by symbol in the order given (breadth depends on the set, nothing on the order of rows)."""
    digest = hashlib.sha256()
    for symbol, table in bars.items():
        digest.update(symbol.encode() + b"\0")
        digest.update(np.ascontiguousarray(table.end_ns).tobytes())
        for name in _PRICES:
            digest.update(np.ascontiguousarray(getattr(table, name)).tobytes())
    return digest.hexdigest()


def write_table(path: Path, table: pa.Table, facts: FileFacts) -> None:
    """Replace a file of features; the same table and facts are the same bytes."""
    described = {"versions": dict(facts.versions), "source_sha256": facts.source_sha256}
    metadata = {_METADATA: json.dumps(described, sort_keys=True).encode()}
    buffer = BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, buffer.getvalue(), mode=0o644)


def read_facts(path: Path) -> FileFacts:
    """Read what a file of features says about itself.

    Raises
    ------
    FeaturesMissing
        When there is none, or it is no file of ours.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        described = json.loads(metadata[_METADATA])
        return FileFacts(versions=described["versions"], source_sha256=described["source_sha256"])
    except FileNotFoundError as error:
        raise FeaturesMissing(
            f"there is no {path}: `python -m feature_repo compute` makes the daily ones, `tca-features` those of costs"
        ) from error
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise FeaturesMissing(f"{path} is no file of features: {type(error).__name__}: {error}") from error


def check_versions(path: Path, wanted: Mapping[str, int]) -> FileFacts:
    """Refuse a file whose formulas aren't the wanted ones.

    Raises
    ------
    FeaturesMissing
        Naming the first feature that differs.
    """
    facts = read_facts(path)
    for name, version in wanted.items():
        known = facts.versions.get(name)
        if known != version:
            has = "not in it" if known is None else f"of version {known}"
            raise FeaturesMissing(f"{path}: {name} is {has}, wanted is version {version}: compute it anew")
    return facts
