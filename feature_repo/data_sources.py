"""The offline sources: one Parquet file each, in a feature folder."""

from __future__ import annotations

from pathlib import Path

from feast import FileSource
from feast.data_format import ParquetFormat

from feature_repo.locations import FeatureFolder
from feature_repo.tables import AVAILABLE


def daily_source(folder: FeatureFolder) -> FileSource:
    """Source of the features of each symbol and session."""
    return _source("daily_bars", folder.daily)


def cost_source(folder: FeatureFolder) -> FileSource:
    """Source of what orders have cost, by symbol and method."""
    return _source("order_costs_file", folder.tca)


def _source(name: str, path: Path) -> FileSource:
    # The time from which a row can be used, not the close that it is of: Feast joins by this one.
    return FileSource(name=name, path=str(path), timestamp_field=AVAILABLE, file_format=ParquetFormat())
