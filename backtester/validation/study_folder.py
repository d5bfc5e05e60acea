"""The folder of a study: run.json with everything that repeats it, and tables as CSV and Parquet."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from core.atomic_file import write_atomic
from core.code_version import code_version
from core.config_loader import LoadedSettings

Figures = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A table: values of each column by its name, all of one length."""

    name: str
    columns: Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a study found, for ``run.json``.

    Attributes
    ----------
    mode
        Of run_backtest.py.
    options
        Those of the mode, as they were used.
    seed
        None where nothing is random.
    figures
        Fractions are fractions; NaN becomes null.
    notes
        For humans.
    """

    mode: str
    options: Figures
    seed: int | None
    figures: Figures
    data_sha256: str
    notes: Sequence[str] = field(default_factory=tuple)


def write_study(loaded: LoadedSettings, record: Record, frames: Sequence[Frame]) -> Path:
    """Write ``results/backtests/<id>/``; return the folder.

    The id is the time of writing (UTC) and parts of the hashes of configuration and data.
    """
    now = datetime.now(UTC)
    name = f"{now:%Y%m%d-%H%M%S-%f}-{loaded.sha256[:6]}-{record.data_sha256[:6]}"
    folder = loaded.folders.results / "backtests" / name
    folder.mkdir(parents=True)
    run = {
        "id": name,
        "mode": record.mode,
        "written": now.isoformat(),
        "code_version": code_version(),
        "config_sha256": loaded.sha256,
        "seed": record.seed,
        "options": record.options,
        "config": loaded.settings.model_dump(mode="json"),
        "notes": list(record.notes),
        "figures": {**record.figures, "data_sha256": record.data_sha256},
    }
    if record.seed is None:
        del run["seed"]
    write_atomic(folder / "run.json", (json.dumps(plain(run), indent=2) + "\n").encode())
    for frame in frames:
        _write_csv(folder / f"{frame.name}.csv", frame)
        _write_parquet(folder / f"{frame.name}.parquet", frame)
    return folder


def plain(value: object) -> object:
    """Values that JSON knows: NaN is null, dates and paths are texts."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (date, Path)):
        return str(value)
    return value


def _write_csv(path: Path, frame: Frame) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(frame.columns)
        for row in zip(*frame.columns.values(), strict=True):
            writer.writerow(
                ["" if one is None or (isinstance(one, float) and math.isnan(one)) else one for one in row]
            )


def _write_parquet(path: Path, frame: Frame) -> None:
    # Loaded here: reading Arrow takes longer than writing a small study.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    pq.write_table(pa.table({name: pa.array(list(values)) for name, values in frame.columns.items()}), path)
