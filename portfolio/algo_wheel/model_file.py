"""The wheel's model as a file: JSON that holds numbers only, and its SHA-256 beside it.

A file is evidence and priors; the posterior is worked out when it is read, so two readers can't differ. Nothing in it
is executed. A file whose hash, version, features or methods don't fit is refused, and whoever asked has to do without
the wheel.

Two files can't be replaced at once. So the hash file first names the old model and the new one, then the model is replaced, then
the hash file names the new one alone: whenever a process is killed, what stands is a whole model whose hash is named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.atomic_file import write_atomic
from core.errors import Rejected
from portfolio.algo_wheel.context import FEATURES
from portfolio.algo_wheel.model import METHODS, CostModel, Evidence, FloatArray, ModelSettings
from portfolio.algo_wheel.wheel import AlgoWheel, WheelSettings

VERSION: Final = 1
_ARRAYS: Final = ("gram", "moment", "square", "weight", "fills")


class UnusableModel(Rejected):
    """The model file can't be trusted or isn't of this version; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelModel:
    """Everything that a model file holds. ``origin`` tells people where it came from."""

    evidence: Evidence
    prior_mean: FloatArray
    model: ModelSettings
    wheel: WheelSettings
    origin: Mapping[str, str]

    def posterior(self) -> CostModel:
        """Work out the posterior."""
        return CostModel.fit(self.evidence, self.prior_mean, self.model)

    def as_policy(self) -> AlgoWheel:
        """Make the wheel that chooses by it."""
        return AlgoWheel(model=self.posterior(), settings=self.wheel)


def hash_path(path: Path) -> Path:
    """File beside a model that holds its hash."""
    return path.with_name(path.name + ".sha256")


def write_model(path: Path, model: WheelModel) -> str:
    """Write a model and its hash; return the hash. A reader finds the old model or the new one at any moment."""
    content = {
        "version": VERSION,
        "features": list(FEATURES),
        "methods": [str(method) for method in METHODS],
        "model": asdict(model.model),
        "wheel": asdict(model.wheel),
        "origin": dict(model.origin),
        "prior_mean": model.prior_mean.tolist(),
        "evidence": {name: getattr(model.evidence, name).tolist() for name in _ARRAYS},
    }
    data = json.dumps(content, indent=1, sort_keys=True, allow_nan=False).encode()
    return _replace(path, data)


def copy_model(path: Path, to: Path) -> None:
    """Put the model that stands at ``path`` also at ``to``, as safely as `write_model`.

    Raises
    ------
    FileNotFoundError, UnusableModel
        When there is none, or its hash doesn't match.
    """
    _replace(to, _trusted(path)[0])


def _replace(path: Path, data: bytes) -> str:
    digest = _digest(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of the hashes only that of what stands is kept: a file that was tampered with isn't made good by this.
    standing = _digest(path.read_bytes()) if path.exists() else ""
    _name(path, [*(one for one in _named(path) if one == standing), digest])
    write_atomic(path, data, mode=0o644)
    _name(path, [digest])
    return digest


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _name(path: Path, digests: Sequence[str]) -> None:
    text = "".join(f"{one}  {path.name}\n" for one in digests)
    write_atomic(hash_path(path), text.encode(), mode=0o644)


def _named(path: Path) -> list[str]:
    """Hashes that the file beside a model names; none when there is no such file."""
    try:
        lines = hash_path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [line.split()[0] for line in lines if line.strip()]


def read_model(path: Path) -> WheelModel:
    """Read a model; see `read_model_and_hash`."""
    return read_model_and_hash(path)[0]


def read_model_and_hash(path: Path) -> tuple[WheelModel, str]:
    """Read a model and its SHA-256, in hexadecimal digits.

    Raises
    ------
    FileNotFoundError
        When there is none.
    UnusableModel
        When its hash doesn't match, or it is of another version or damaged.
    """
    data, digest = _trusted(path)
    try:
        return _model_of(json.loads(data), path), digest
    except (ValueError, TypeError, KeyError) as error:
        raise UnusableModel(f"{path}: {type(error).__name__}: {error}") from error


def _trusted(path: Path) -> tuple[bytes, str]:
    """Return the content of a model file that is of a hash named beside it, and that hash."""
    for _look in range(2):  # the second, should the files be replaced between the two reads of the first
        data, known = path.read_bytes(), _named(path)
        digest = _digest(data)
        if digest in known:
            return data, digest
    if not known:
        raise UnusableModel(f"{path}: there is no hash beside it ({hash_path(path).name})")
    raise UnusableModel(f"{path}: its SHA-256 is not the one in {hash_path(path).name}")


def _model_of(content: dict[str, Any], path: Path) -> WheelModel:
    wanted = {"version": VERSION, "features": list(FEATURES), "methods": [str(one) for one in METHODS]}
    for name, value in wanted.items():
        if content[name] != value:
            raise UnusableModel(f"{path}: {name} is {content[name]}, not {value}")
    shapes = Evidence.none()
    arrays = {}
    for name in _ARRAYS:
        like = getattr(shapes, name)
        arrays[name] = _array(content["evidence"][name], like.shape, name).astype(like.dtype)
    return WheelModel(
        evidence=Evidence(**arrays),
        prior_mean=_array(content["prior_mean"], shapes.moment.shape, "prior_mean"),
        model=ModelSettings(**content["model"]),
        wheel=WheelSettings(**content["wheel"]),
        origin={str(key): str(value) for key, value in content["origin"].items()},
    )


def _array(values: object, shape: tuple[int, ...], name: str) -> FloatArray:
    result = np.array(values, dtype=np.float64)
    if result.shape != shape or not np.isfinite(result).all():
        raise ValueError(f"{name} must be finite numbers of shape {shape}")
    return result
