"""A folder of twenty symbols: the packaged real prices under other names, for load only."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

from data.packaged import load_packaged

FIRST_SESSION = dt.date(2012, 11, 12)
COPIES = "ABCD"


def load_symbols() -> tuple[str, ...]:
    """Names of the twenty: each packaged symbol four times."""
    return tuple(sorted(f"{symbol}{letter}" for symbol in load_packaged() for letter in COPIES))


def write_folder(folder: Path) -> Path:
    """Write one CSV file a symbol; the bars are daily ones from ``FIRST_SESSION`` on."""
    folder.mkdir(parents=True, exist_ok=True)
    for symbol, table in load_packaged().items():
        rows = [
            (dt.datetime.fromtimestamp(end_ns / 1e9, dt.UTC).date(), *(round(price, 2) for price in prices), int(volume))
            for end_ns, *prices, volume in zip(
                table.end_ns.tolist(), table.open.tolist(), table.high.tolist(), table.low.tolist(),
                table.close.tolist(), table.volume.tolist(), strict=True,
            )
        ]  # fmt: skip
        for letter in COPIES:
            with (folder / f"{symbol}{letter}.csv").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(("date", "open", "high", "low", "close", "volume"))
                writer.writerows(row for row in rows if row[0] >= dt.date(2012, 10, 1))
    return folder
