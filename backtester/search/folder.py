"""The folder of a search: named by what it depends on, so that the same command finds it and goes on."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backtester.search.identity import hash_of
from core.atomic_file import write_atomic
from core.code_version import code_version
from core.errors import ConfigError

RUN_FILE = "run.json"
_LOCK_FILE = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFolder:
    """Folder of one search; ``record`` is what its ``run.json`` said when it was opened."""

    path: Path
    record: Mapping[str, object]

    def save(self, **changes: object) -> None:
        """Write ``run.json`` with some keys changed."""
        write_record(self.path, {**self.record, **changes})


@contextmanager
def open_folder(
    results: Path, mode: str, identity: Mapping[str, object], **first: object
) -> Iterator[SearchFolder]:
    """Open the folder of a search, and hold it against other processes.

    Parameters
    ----------
    results
        Folder of all results.
    mode, identity
        Of the search; the identity's hash is part of the name.
    first
        Further keys of ``run.json``, set when the folder is made and kept from then on.

    Raises
    ------
    ConfigError
        When another process is at work in it.
    """
    path = results / "backtests" / f"{mode}-{hash_of(identity)}"
    path.mkdir(parents=True, exist_ok=True)
    with (path / _LOCK_FILE).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError([f"{path}: another process is at work on this very search"]) from None
        if not (path / RUN_FILE).is_file():
            write_record(
                path,
                {
                    "id": path.name,
                    "started": datetime.now(UTC).isoformat(),
                    "code_version": code_version(),
                    "state": "running",
                    "host": os.uname().nodename,
                    **first,
                    **identity,
                },
            )
        yield SearchFolder(path=path, record=json.loads((path / RUN_FILE).read_text(encoding="utf-8")))


def write_record(folder: Path, record: Mapping[str, object]) -> None:
    """Replace ``run.json``."""
    write_atomic(folder / RUN_FILE, (json.dumps(record, indent=2, default=str) + "\n").encode(), mode=0o644)
