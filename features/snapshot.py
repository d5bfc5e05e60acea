"""The feature snapshot: one small immutable file with the newest values, which live trading reads instead of the store.

The publisher, a process of its own, writes it from the feature store; main reads it in a thread beside its loop and looks
values up in memory. It needs neither the store nor its libraries, and it can't be held up by them. Whatever is wrong with the
file or with a value, the answer is UNKNOWN with the reason, never a guess.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.atomic_file import write_atomic
from core.canonical import dump
from core.errors import RetryLater
from features.freshness import Freshness, Why

SCHEMA_VERSION: Final = 1
SNAPSHOT_NAME: Final = "features/snapshot.json"
"""Its place below ``paths.control``."""
_MAX_BYTES: Final = 64_000_000
Nanoseconds = Annotated[int, Field(ge=0, lt=2**63)]


class SnapshotError(RetryLater):
    """There is no usable snapshot; features are unknown until a good one is published."""


class SnapshotMissing(SnapshotError):
    """There is no file."""


class SnapshotCorrupt(SnapshotError):
    """The file is no snapshot: cut off, no JSON, or fields of the wrong kind."""


class SnapshotWrongSchema(SnapshotError):
    """The file was written by another version of the program."""


class SnapshotWrongHash(SnapshotError):
    """The content isn't what was published."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SymbolRow(_Frozen):
    """One symbol's values, all of one session.

    Attributes
    ----------
    event_ns
        Close of the session, nanoseconds UTC.
    available_ns
        From when on the values may be used (market time).
    values
        By feature; None is unknown.
    """

    event_ns: Nanoseconds
    available_ns: Nanoseconds
    values: dict[str, float | None]


class FeatureSnapshot(_Frozen):
    """Newest values of all symbols.

    Attributes
    ----------
    published_ns
        Wall clock of the publication; for people, it judges nothing.
    versions
        Version of each feature's formula, by name.
    rows
        By symbol.
    """

    published_ns: Nanoseconds
    versions: dict[str, Annotated[int, Field(ge=1)]]
    rows: dict[str, SymbolRow]

    @property
    def sha256(self) -> str:
        """Hash of the content, as it stands in the file; for the record of a decision."""
        return _digest(self.model_dump())

    def lookup(self, symbol: str, name: str, *, version: int, at_ns: int, freshness: Freshness) -> Answer:
        """Value of a feature at market time ``at_ns``, or why it is unknown. Never raises and never waits.

        Parameters
        ----------
        version
            The formula that the asker was trained on; another one is as good as none.
        """
        row = self.rows.get(symbol)
        if row is None:
            return Unknown(Why.NO_SYMBOL, f"{symbol} isn't in the snapshot")
        known = self.versions.get(name)
        if known is None:
            return Unknown(Why.NO_FEATURE, f"{name} isn't in the snapshot")
        if known != version:
            return Unknown(Why.OTHER_VERSION, f"{name} is of version {known}, not {version}")
        value = row.values.get(name)
        if value is None:
            return Unknown(Why.NO_VALUE, f"{symbol} has no value of {name} at its last close")
        why = freshness.problem(event_ns=row.event_ns, available_ns=row.available_ns, at_ns=at_ns)
        if why is not None:
            return Unknown(
                why, f"{symbol} {name}: event {row.event_ns}, available {row.available_ns}, asked at {at_ns}"
            )
        return Known(value, row.event_ns)


@dataclass(frozen=True, slots=True)
class Known:
    """A value that may be used, and the close that it is of."""

    value: float
    event_ns: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """No value, and why; `detail` is for people."""

    why: Why
    detail: str


Answer = Known | Unknown


def write_snapshot(path: Path, snapshot: FeatureSnapshot) -> str:
    """Publish a snapshot in place of the one before: readers see the old one or the new one, never a mixture.

    Returns
    -------
    str
        SHA-256 of its content.

    Raises
    ------
    OSError
        When it can't be written; the old one then stands.
    """
    content, digest = snapshot.model_dump(), snapshot.sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    body = dump({"schema": SCHEMA_VERSION, "sha256": digest, "content": content})
    write_atomic(path, body.encode() + b"\n", mode=0o644)
    return digest


def read_snapshot(path: Path) -> FeatureSnapshot:
    """Read the snapshot that stands.

    Raises
    ------
    SnapshotMissing, SnapshotCorrupt, SnapshotWrongSchema, SnapshotWrongHash
        Each names the file and what is wrong with it.
    """
    try:
        body = json.loads(_bytes_of(path))
    except (ValueError, RecursionError) as error:
        raise SnapshotCorrupt(f"{path}: no JSON: {error}") from error
    if not isinstance(body, dict) or set(body) != {"schema", "sha256", "content"}:
        raise SnapshotCorrupt(f"{path}: it doesn't hold schema, sha256 and content")
    if body["schema"] != SCHEMA_VERSION:
        raise SnapshotWrongSchema(f"{path}: schema is {body['schema']!r}, not {SCHEMA_VERSION}")
    if body["sha256"] != _digest(body["content"]):
        raise SnapshotWrongHash(f"{path}: the content's SHA-256 isn't {body['sha256']!r}")
    try:
        return FeatureSnapshot.model_validate(body["content"])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SnapshotCorrupt(f"{path}: {place}: {first['msg']}") from error


class SnapshotHolder:
    """The snapshot as main knows it. One thread refreshes it; any other looks up, without a lock and without waiting.

    It holds what stands in the file. When that is gone or damaged, everything is unknown until a good one is
    published: whoever removes the file wants it no longer used.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # One attribute, replaced as a whole: a look-up sees the old pair or the new one.
        self._state: tuple[FeatureSnapshot | None, str] = (None, f"{path} hasn't been read yet")
        self._signature: tuple[int, int, int] | None = None

    @property
    def snapshot(self) -> FeatureSnapshot | None:
        """The snapshot; None when there is none."""
        return self._state[0]

    @property
    def problem(self) -> str:
        """Why there is none; empty when there is one."""
        return self._state[1]

    def refresh(self) -> bool:
        """Read the file again if it was replaced; return whether anything changed. Blocks on the disk."""
        signature = self._signature_now()
        if signature is not None and signature == self._signature and self.snapshot is not None:
            return False
        before = self._state
        try:
            self._state = (read_snapshot(self.path), "")
        except (SnapshotError, OSError) as error:
            self._state = (None, str(error))
        self._signature = signature
        return self._state != before

    def lookup(self, symbol: str, name: str, *, version: int, at_ns: int, freshness: Freshness) -> Answer:
        """As `FeatureSnapshot.lookup`; without a snapshot everything is unknown."""
        snapshot, problem = self._state
        if snapshot is None:
            return Unknown(Why.NO_SNAPSHOT, problem)
        return snapshot.lookup(symbol, name, version=version, at_ns=at_ns, freshness=freshness)

    def _signature_now(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _digest(content: object) -> str:
    return hashlib.sha256(dump(content).encode()).hexdigest()


def _bytes_of(path: Path) -> bytes:
    """Read a regular file of bearable size, or say why not; a pipe of that name can't hold the reader up."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise SnapshotMissing(f"{path}: there is no feature snapshot") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES:
            raise SnapshotCorrupt(f"{path}: not a regular file of at most {_MAX_BYTES} bytes")
        return file.read(_MAX_BYTES)
