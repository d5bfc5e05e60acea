"""Adds versions to the registry, and says which one is in use. `portfolio.veto.store` describes the files.

A version appears as a whole or not at all: its folder is written under another name and renamed. Which one is in use
is a single file that is replaced. So a kill at any moment leaves the old state or the new one. One writer at a time: a lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.atomic_file import sync_folder, write_atomic
from core.errors import Rejected
from portfolio.veto.manifest import MODEL_FILE, Manifest
from portfolio.veto.model import VetoModel, content_of
from portfolio.veto.store import (
    CURRENT_FILE,
    MANIFEST_FILE,
    Current,
    UnusableModel,
    Use,
    read_current,
    read_manifest,
    read_version,
)

_LOCK_FILE: Final = "registry.lock"
_UNFINISHED: Final = ".new-"


class NotPromoted(Rejected):
    """The registry stays as it is; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One version in a list; ``problem`` says why it can't be read."""

    version: str
    manifest: Manifest | None
    in_use: bool
    problem: str = ""


def model_bytes(model: VetoModel) -> bytes:
    """Content of a model's file; the same model gives the same bytes."""
    return json.dumps(content_of(model), indent=1, sort_keys=True, allow_nan=False).encode()


def add_version(own: Path, manifest: Manifest, files: Mapping[str, bytes]) -> str:
    """Add a version; return its number.

    Parameters
    ----------
    own
        The strategy's folder in the registry.
    manifest
        Of the version; the hashes of the files are filled in.
    files
        Content by name; ``model.json`` among them.
    """
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    data = manifest.model_copy(update={"files": hashes}).model_dump_json(indent=1, by_alias=True).encode()
    if MODEL_FILE not in files:
        raise ValueError(f"a version needs {MODEL_FILE}")
    with _locked(own):
        version = f"{max((int(one) for one in versions(own)), default=0) + 1:04d}"
        folder = own / f"{_UNFINISHED}{version}"
        shutil.rmtree(folder, ignore_errors=True)  # what a kill has left
        folder.mkdir()
        for name, content in {**files, MANIFEST_FILE: data}.items():
            write_atomic(folder / name, content, mode=0o644)
        folder.rename(own / version)
        sync_folder(own)
    return version


def versions(own: Path) -> list[str]:
    """Versions of a strategy, oldest first."""
    return sorted(one.name for one in own.glob("[0-9]*") if one.is_dir()) if own.is_dir() else []


def listed(own: Path) -> list[Listed]:
    """Every version and whether it is in use."""
    try:
        current = read_current(own)
    except UnusableModel:
        current = None
    used = current.uses[-1].version if current is not None else ""
    found = []
    for version in versions(own):
        try:
            manifest, _sha256 = read_manifest(own, version)
            found.append(Listed(version=version, manifest=manifest, in_use=version == used))
        except UnusableModel as error:
            found.append(Listed(version=version, manifest=None, in_use=version == used, problem=str(error)))
    return found


def promote(own: Path, version: str) -> None:
    """Put a version to use; live trading takes it up by itself.

    Raises
    ------
    NotPromoted
        When it was refused in training.
    UnusableModel
        When a hash differs or a file is damaged.
    """
    with _locked(own):
        loaded = read_version(own, version)
        if not loaded.manifest.passed:
            raise NotPromoted(f"{own / version} was refused: {loaded.manifest.verdict}")
        current = read_current(own)
        uses = list(current.uses) if current is not None else []
        _write_current(own, [*uses, _use(version, loaded.manifest_sha256)])


def roll_back(own: Path) -> str | None:
    """Go back to the version before; return it, or None when there was none before (then no model is in use).

    Raises
    ------
    NotPromoted
        When no model is in use.
    UnusableModel
        When the version before is damaged.
    """
    with _locked(own):
        current = read_current(own)
        if current is None:
            raise NotPromoted(f"{own}: no model is in use")
        before = current.uses[:-1]
        if not before:
            (own / CURRENT_FILE).unlink()
            sync_folder(own)
            return None
        read_version(own, before[-1].version, before[-1].manifest_sha256)
        _write_current(own, before)
        return before[-1].version


def _use(version: str, sha256: str) -> Use:
    return Use(version=version, manifest_sha256=sha256, since=datetime.now(UTC).isoformat(timespec="seconds"))


def _write_current(own: Path, uses: list[Use]) -> None:
    data = Current(uses=uses).model_dump_json(indent=1).encode()
    write_atomic(own / CURRENT_FILE, data, mode=0o644)


@contextmanager
def _locked(own: Path) -> Iterator[None]:
    own.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(own / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # the kernel lets go of it when the process dies
        yield
    finally:
        os.close(descriptor)
