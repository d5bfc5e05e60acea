"""The veto's model: the probability that an entry earns more than it costs. Plain numbers, worked out by our own code.

Two kinds: a logistic regression on standardised features, and boosted regression trees. Both give a score in log odds, which a
calibration (Platt 1999: a slope and an offset) turns into a probability. A file of it holds numbers and names only, so that
reading it can't execute anything; `ml.fitting` makes one from a fitted scikit-learn estimator, and a test holds both
to the same values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
LEAF = -1
"""Feature number of a node that is a leaf."""
_MOST_NODES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """Binary trees as arrays of shape (trees, nodes), padded by leaves of value 0.

    A row goes ``left`` where its feature is at most ``cut``. The features are compared as 32-bit floats, as the library that
    fits the trees does.
    """

    feature: IntArray
    cut: FloatArray
    left: IntArray
    right: IntArray
    value: FloatArray

    def __post_init__(self) -> None:
        shape = self.feature.shape
        if len(shape) != 2 or self.feature.size > _MOST_NODES:
            raise ValueError(f"trees must be of shape (trees, nodes), not {shape}")
        for name in ("cut", "left", "right", "value"):
            if getattr(self, name).shape != shape:
                raise ValueError(f"trees.{name} must be of shape {shape}")
        inner = self.feature != LEAF
        number = np.broadcast_to(np.arange(shape[1]), shape)
        for child in (self.left, self.right):
            # Children stand behind their parent, so that no walk can go round in a circle.
            if not ((child[inner] > number[inner]) & (child[inner] < shape[1])).all():
                raise ValueError("trees: a child must stand behind its parent")

    def sum_of(self, rows: FloatArray) -> FloatArray:
        """Sum of the leaves that each row of shape (rows, features) falls into, shape (rows,)."""
        narrow = rows.astype(np.float32).astype(np.float64)
        lines, trees = np.arange(len(rows))[:, None], np.arange(len(self.feature))[None, :]
        node = np.zeros((len(rows), len(self.feature)), dtype=np.int64)
        feature = self.feature[trees, node]
        while (feature != LEAF).any():
            goes_left = narrow[lines, np.maximum(feature, 0)] <= self.cut[trees, node]
            child = np.where(goes_left, self.left[trees, node], self.right[trees, node])
            node = np.where(feature == LEAF, node, child)
            feature = self.feature[trees, node]
        return np.asarray(self.value[trees, node].sum(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VetoModel:
    """Everything that a probability needs.

    Attributes
    ----------
    features
        Names, in the order of the columns.
    centre, spread
        Of the linear part's standardisation, shape (features,).
    weights
        Of the linear part, shape (features,); all 0 for trees.
    intercept
        Score without any of it.
    trees
        None for a logistic regression.
    slope, offset
        Calibration: probability = 1 / (1 + exp(-(slope * score + offset))).
    threshold
        An entry is approved from this probability on.
    usual
        Median of each feature in training: what a feature is set to when its contribution is measured.
    """

    features: tuple[str, ...]
    centre: FloatArray
    spread: FloatArray
    weights: FloatArray
    intercept: float
    trees: Trees | None
    slope: float
    offset: float
    threshold: float
    usual: FloatArray

    def __post_init__(self) -> None:
        if not self.features or len(set(self.features)) != len(self.features):
            raise ValueError("features must be names that differ")
        shape = (len(self.features),)
        for name in ("centre", "spread", "weights", "usual"):
            values = getattr(self, name)
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite numbers of shape {shape}")
        if not (self.spread > 0).all():
            raise ValueError("spread must be above 0")
        numbers = (self.intercept, self.slope, self.offset, self.threshold)
        if not np.isfinite(numbers).all() or not 0.0 <= self.threshold <= 1.0:
            raise ValueError(
                "intercept, slope, offset and threshold must be finite, the threshold within 0..1"
            )
        if self.trees is not None and self.trees.feature.max(initial=LEAF) >= len(self.features):
            raise ValueError("trees: a node asks for a feature that there isn't")

    def scores(self, rows: FloatArray) -> FloatArray:
        """Log odds before calibration of rows of shape (rows, features); NaN in a row gives NaN."""
        result = self.intercept + ((rows - self.centre) / self.spread) @ self.weights
        if self.trees is not None:
            result = result + self.trees.sum_of(rows)
        return np.where(np.isnan(rows).any(axis=1), np.nan, result)

    def probabilities(self, rows: FloatArray) -> FloatArray:
        """Calibrated probabilities of rows of shape (rows, features); NaN where a feature is unknown."""
        with np.errstate(over="ignore"):
            return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * self.scores(rows) + self.offset))))

    def contributions(self, row: FloatArray) -> tuple[tuple[str, float], ...]:
        """By how much each feature moves the log odds against its usual value; the strongest first.

        Measured by setting one feature after the other to its median. Of a logistic regression that is its term exactly.
        """
        changed = np.tile(row, (len(self.features), 1))
        np.fill_diagonal(changed, self.usual)
        moves = self.slope * (self.scores(row[None, :])[0] - self.scores(changed))
        order = np.argsort(-np.abs(moves), kind="stable")
        return tuple((self.features[place], float(moves[place])) for place in order)


def content_of(model: VetoModel) -> dict[str, object]:
    """Plain content of a model's file."""
    content: dict[str, object] = {
        "features": list(model.features),
        "intercept": model.intercept,
        "slope": model.slope,
        "offset": model.offset,
        "threshold": model.threshold,
        "trees": None,
    }
    for name in ("centre", "spread", "weights", "usual"):
        content[name] = getattr(model, name).tolist()
    if model.trees is not None:
        names = ("feature", "cut", "left", "right", "value")
        content["trees"] = {name: getattr(model.trees, name).tolist() for name in names}
    return content


def model_of(content: Mapping[str, Any]) -> VetoModel:
    """Read a model from its file's content.

    Raises
    ------
    KeyError, TypeError, ValueError
        When it is none.
    """
    trees = content["trees"]
    return VetoModel(
        features=tuple(str(name) for name in content["features"]),
        centre=_floats(content["centre"]),
        spread=_floats(content["spread"]),
        weights=_floats(content["weights"]),
        intercept=float(content["intercept"]),
        trees=None if trees is None else _trees_of(trees),
        slope=float(content["slope"]),
        offset=float(content["offset"]),
        threshold=float(content["threshold"]),
        usual=_floats(content["usual"]),
    )


def _trees_of(content: Mapping[str, Any]) -> Trees:
    return Trees(
        feature=np.array(content["feature"], dtype=np.int64),
        cut=_floats(content["cut"]),
        left=np.array(content["left"], dtype=np.int64),
        right=np.array(content["right"], dtype=np.int64),
        value=_floats(content["value"]),
    )


def _floats(values: object) -> FloatArray:
    result = np.array(values, dtype=np.float64)
    if not np.isfinite(result).all():
        raise ValueError("a number isn't finite")
    return result
