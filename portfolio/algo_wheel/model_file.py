"""The wheel's model as a file: JSON that holds numbers only, and its SHA-256 beside it.

A file is evidence and priors; the posterior is worked out when it is read, so two readers can't differ. Nothing in it
is executed. A file whose hash, version, features or methods don't fit is refused, and whoever asked has to do without
the wheel.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
    """Write a model and its hash; return the hash. The old files stand until the new ones are complete."""
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
    digest = hashlib.sha256(data).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    # A reader between the two writes finds a hash that doesn't fit, and refuses: better than a model of no hash.
    write_atomic(path, data, mode=0o644)
    write_atomic(hash_path(path), f"{digest}  {path.name}\n".encode(), mode=0o644)
    return digest


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
    data = path.read_bytes()
    try:
        known = hash_path(path).read_text(encoding="utf-8").split()[0]
    except (OSError, IndexError) as error:
        raise UnusableModel(f"{path}: there is no hash beside it ({hash_path(path).name})") from error
    if hashlib.sha256(data).hexdigest() != known:
        raise UnusableModel(f"{path}: its SHA-256 is not the one in {hash_path(path).name}")
    try:
        return _model_of(json.loads(data), path), known
    except (ValueError, TypeError, KeyError) as error:
        raise UnusableModel(f"{path}: {type(error).__name__}: {error}") from error


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
