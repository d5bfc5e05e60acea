"""Reads models from their folder, each hash checked before what it is of is opened.

::

    models/veto/momentum/current.json          the version that is in use, and the hash of its manifest
    models/veto/momentum/0003/manifest.json    hashes of the files, features, training, metrics
    models/veto/momentum/0003/model.json       numbers only

So one changed byte anywhere in the chain makes the model unusable. `ml.registry` writes these files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationError

from core.errors import Rejected
from portfolio.veto.manifest import MODEL_FILE, Frozen, Manifest, Sha256, Signals
from portfolio.veto.model import VetoModel, model_of

CURRENT_FILE: Final = "current.json"
MANIFEST_FILE: Final = "manifest.json"
_VERSION: Final = r"^[0-9]{4,9}$"
_MAX_BYTES: Final = 100_000_000


class UnusableModel(Rejected):
    """There is no model, or it can't be trusted or doesn't fit; the text says why."""


class Use(Frozen):
    """A version that is or was in use."""

    version: Annotated[str, Field(pattern=_VERSION)]
    manifest_sha256: Sha256
    since: str
    """UTC, ISO; for people."""


class Current(Frozen):
    """The whole of ``current.json``: ``uses`` are oldest first, and the last one counts."""

    uses: Annotated[list[Use], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedModel:
    """A model whose whole chain of hashes was checked."""

    version: str
    manifest_sha256: str
    manifest: Manifest
    model: VetoModel


def read_model(folder: Path, signals: Signals) -> LoadedModel:
    """Read the model in use for a strategy's entries.

    Parameters
    ----------
    folder
        The registry, such as ``models/veto``.
    signals
        What is traded; the model must have been trained on the same.

    Raises
    ------
    UnusableModel
        For any reason: there is none, a hash differs, the content is damaged, it was trained on something else.
    """
    own = folder / signals.strategy
    current = read_current(own)
    if current is None:
        raise UnusableModel(f"{own}: no model is in use")
    use = current.uses[-1]
    loaded = read_version(own, use.version, use.manifest_sha256)
    if not loaded.manifest.passed:
        raise UnusableModel(f"{own / use.version}: was refused: {loaded.manifest.verdict}")
    difference = loaded.manifest.signals.difference(signals)
    if difference:
        raise UnusableModel(f"{own / use.version}: trained on other signals: {difference}")
    return loaded


def read_current(own: Path) -> Current | None:
    """Read which version of a strategy's is in use; None when none is.

    Raises
    ------
    UnusableModel
        When the file is damaged.
    """
    path = own / CURRENT_FILE
    try:
        return Current.model_validate_json(_bytes_of(path))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise UnusableModel(f"{path}: {_first(error)}") from error


def read_manifest(own: Path, version: str, sha256: str | None = None) -> tuple[Manifest, str]:
    """Read a version's manifest, which must be of the hash if one is given; return it and its hash.

    Raises
    ------
    UnusableModel
        When there is none, it is another, or it is damaged.
    """
    path = own / version / MANIFEST_FILE
    if not re.fullmatch(_VERSION, version):
        raise UnusableModel(f"{own}: {version!r} is no version")
    try:
        data = _bytes_of(path)
        found = hashlib.sha256(data).hexdigest()
        if sha256 is not None and found != sha256:
            raise UnusableModel(f"{path}: its SHA-256 is not that of the version in use")
        return Manifest.model_validate_json(data), found
    except FileNotFoundError as error:
        raise UnusableModel(
            f"{path}: there is no version {version}; python -m ml list names those there are"
        ) from error
    except (OSError, ValidationError) as error:
        raise UnusableModel(f"{path}: {_first(error)}") from error


def read_file(own: Path, version: str, manifest: Manifest, name: str) -> bytes:
    """Read one of a version's files; it must be of the hash that the manifest holds.

    Raises
    ------
    UnusableModel
        When it can't be read or is another.
    """
    path = own / version / name
    try:
        data = _bytes_of(path)
    except OSError as error:
        raise UnusableModel(f"{path}: {_first(error)}") from error
    if hashlib.sha256(data).hexdigest() != manifest.files.get(name):
        raise UnusableModel(f"{path}: its SHA-256 is not the one in {MANIFEST_FILE}")
    return data


def read_version(own: Path, version: str, sha256: str | None = None) -> LoadedModel:
    """Read a version, in use or not.

    Raises
    ------
    UnusableModel
        As `read_model`, without a look at what is traded.
    """
    manifest, found = read_manifest(own, version, sha256)
    data = read_file(own, version, manifest, MODEL_FILE)
    try:
        model = model_of(json.loads(data))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnusableModel(f"{own / version / MODEL_FILE}: {type(error).__name__}: {error}") from error
    if model.features != tuple(one.name for one in manifest.features):
        raise UnusableModel(f"{own / version}: the model's features are not those of {MANIFEST_FILE}")
    return LoadedModel(version=version, manifest_sha256=found, manifest=manifest, model=model)


def _bytes_of(path: Path) -> bytes:
    """Read a regular file of bearable size; a pipe of that name can't hold the reader up."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES:
            raise OSError(f"not a regular file of at most {_MAX_BYTES} bytes")
        return file.read(_MAX_BYTES)


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
