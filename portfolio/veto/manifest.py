"""What a registered model says about itself: its files and their hashes, what it was trained on, and what was found.

The manifest is verified before any file of the model is opened, and what it says of signals and features must be what
is traded: a model of other features, other parameters or another bar size is no model.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Final = 1
MODEL_FILE: Final = "model.json"
REFERENCE_FILE: Final = "reference.json"
CARD_FILE: Final = "card.html"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """Base: frozen, no unknown key, no NaN, no conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FeatureUse(Frozen):
    """A feature and the version of its formula."""

    name: Annotated[str, Field(min_length=1)]
    version: Annotated[int, Field(ge=1)]


class Signals(Frozen):
    """Whose entries the model judges: everything that makes the same bars give the same signals and stops."""

    strategy: Annotated[str, Field(min_length=1)]
    parameters: dict[str, int | float]
    bar_size_s: Annotated[int, Field(gt=0)]
    stop_atr_multiple: Annotated[float, Field(gt=0)]
    atr_window: Annotated[int, Field(gt=0)]
    stop_kind: Literal["fixed", "trailing"]

    def difference(self, other: Signals) -> str:
        """Name what differs from ``other``, each with both values; empty when nothing does."""
        ours, theirs = self.model_dump(), other.model_dump()
        parameters = {*self.parameters, *other.parameters}
        ours |= {f"parameters.{name}": self.parameters.get(name) for name in parameters}
        theirs |= {f"parameters.{name}": other.parameters.get(name) for name in parameters}
        names = sorted(name for name in ours if name != "parameters" and ours[name] != theirs[name])
        return "; ".join(f"{name} is {ours[name]}, not {theirs[name]}" for name in names)


class Training(Frozen):
    """The data behind the model."""

    source: str
    symbols: list[str]
    first: str
    """ISO date of the first entry."""
    last: str
    """ISO date of the last exit."""
    entries: Annotated[int, Field(ge=0)]
    data_sha256: str
    seed: int


class Manifest(Frozen):
    """The whole of ``manifest.json``.

    Attributes
    ----------
    files
        SHA-256 of each file of the model, by name.
    metrics
        Out of sample, by name; see ``docs/veto.md``.
    passed, verdict
        Whether it may be promoted, and why or why not.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    kind: Literal["logistic", "boosting"]
    signals: Signals
    features: Annotated[list[FeatureUse], Field(min_length=1)]
    training: Training
    metrics: dict[str, float | None]
    passed: bool
    verdict: str
    made: str
    """UTC, ISO; for people."""
    code_version: str
    libraries: dict[str, str]
    files: dict[str, Sha256]

    @property
    def versions(self) -> dict[str, int]:
        """Version of each feature's formula, by name."""
        return {one.name: one.version for one in self.features}
