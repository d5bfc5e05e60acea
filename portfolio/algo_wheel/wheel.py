"""The wheel: Thompson sampling over the admissible methods, with a floor, a cap and a safe default.

Each method is chosen with the probability that it is the cheapest for this order, given what is known (Thompson 1933;
for linear models Agrawal and Goyal, "Thompson Sampling for Contextual Bandits with Linear Payoffs", ICML 2013). The
probability is worked out first, from a fixed set of draws, and the choice is made by it: so the propensity that goes
into the journal is the one that was used, not an estimate of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.vocabulary import ExecutionMethod
from portfolio.algo_wheel.choice import MethodChoice
from portfolio.algo_wheel.context import OrderContext, features
from portfolio.algo_wheel.model import COLUMN, METHODS, CostModel, FloatArray

_CHUNK: Final = 128  # orders at once: their draws fit into the processor's cache
SAFE_ORDER: Final = (
    ExecutionMethod.ADAPTIVE_NORMAL,
    ExecutionMethod.MKT,
    ExecutionMethod.ADAPTIVE_URGENT,
    ExecutionMethod.LMT,
)
"""Where to turn in doubt, the first that is admissible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSettings:
    """How far the wheel may go.

    Raises
    ------
    ValueError
        For a fraction outside 0..1.
    """

    exploration: float = 0.05
    """Share of orders that is spread evenly over the admissible methods, whatever is believed of them. Thompson
    sampling explores besides, where it is in doubt."""
    proven_fills: int = 20
    """Orders after which a method counts as proven."""
    unproven_cap: float = 0.10
    """Largest share of an unproven method, before exploration."""
    boldness: float = 0.5
    """By how much the posterior's deviations count: 1 is plain Thompson sampling. Less is better as long as the floor
    explores anyway (Chapelle and Li, "An Empirical Evaluation of Thompson Sampling", NeurIPS 2011)."""

    def __post_init__(self) -> None:
        for name in ("exploration", "unproven_cap", "boldness"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value:g}, not in 0..1")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgoWheel:
    """Chooses methods by a model of their costs. Holds no state: the model is trained elsewhere (``ml``)."""

    model: CostModel
    settings: WheelSettings = WheelSettings()

    def choose(
        self, context: OrderContext, admissible: Sequence[ExecutionMethod], rng: np.random.Generator
    ) -> MethodChoice:
        """Choose a method; see `MethodPolicy.choose`.

        Raises
        ------
        ValueError
            When no method is admissible.
        """
        if not admissible:
            raise ValueError("no method is admissible: at least one must be")
        problem = context.problem()
        if problem is not None:
            return MethodChoice(method=safe_default(admissible), propensity=1.0, why=f"default: {problem}")
        if len(set(admissible)) == 1:
            return MethodChoice(method=admissible[0], propensity=1.0, why="the only one admissible")
        mask = admissible_mask([admissible])
        if not self.model.is_sound:
            return MethodChoice(
                method=safe_default(admissible), propensity=1.0, why="default: no sound model"
            )
        chances = self.probabilities(features(context)[None, :], mask)[0]
        column = int(rng.choice(len(METHODS), p=chances))
        best = METHODS[int(np.argmax(chances))]
        why = "likely the cheapest" if METHODS[column] is best else f"exploring beside {best}"
        return MethodChoice(method=METHODS[column], propensity=float(chances[column]), why=why)

    def probabilities(self, rows: FloatArray, mask: npt.NDArray[np.bool_]) -> FloatArray:
        """Probability of each method for each order, shape (orders, K).

        Parameters
        ----------
        rows
            Feature rows, shape (orders, D).
        mask
            Which methods each order may use, shape (orders, K), at least one.
        """
        chances = self._cheapest(rows, mask)
        chances = self._capped(chances, mask)
        spread = mask / mask.sum(axis=1, keepdims=True)
        epsilon = self.settings.exploration
        mixed = (1.0 - epsilon) * chances + epsilon * spread
        result: FloatArray = mixed / mixed.sum(axis=1, keepdims=True)
        return result

    def _cheapest(self, rows: FloatArray, mask: npt.NDArray[np.bool_]) -> FloatArray:
        """Probability under the posterior that a method has the lowest expected cost, shape (orders, K)."""
        parts = [slice(start, start + _CHUNK) for start in range(0, len(rows), _CHUNK)]
        return np.concatenate([self._cheapest_of(rows[part], mask[part]) for part in parts])

    def _cheapest_of(self, rows: FloatArray, mask: npt.NDArray[np.bool_]) -> FloatArray:
        expected = self.model.expected(rows)[:, None, :]
        sampled = expected + self.settings.boldness * (self.model.sampled(rows) - expected)
        costs = np.where(mask[:, None, :], sampled, np.inf)
        winners = costs.argmin(axis=2)
        places = winners + len(METHODS) * np.arange(len(rows))[:, None]
        counts = np.bincount(places.ravel(), minlength=len(rows) * len(METHODS))
        result: FloatArray = counts.reshape(len(rows), len(METHODS)) / winners.shape[1]
        return result

    def _capped(self, chances: FloatArray, mask: npt.NDArray[np.bool_]) -> FloatArray:
        """Cut unproven methods to their cap; what is cut goes to the proven ones, or to the safe default."""
        unproven = self.model.fills < self.settings.proven_fills
        if not unproven.any():
            return chances
        cap = np.where(unproven, self.settings.unproven_cap, 1.0)
        kept = np.minimum(chances, cap)
        excess = 1.0 - kept.sum(axis=1, keepdims=True)
        proven = kept * ~unproven
        share = proven.sum(axis=1, keepdims=True)
        fallback = default_mask(mask)
        towards = np.where(share > 0.0, proven / np.where(share > 0.0, share, 1.0), fallback)
        result: FloatArray = kept + excess * towards
        return result


def safe_default(admissible: Sequence[ExecutionMethod]) -> ExecutionMethod:
    """Return the method to use in doubt: the first of `SAFE_ORDER` that is admissible, else the first admissible."""
    return next((method for method in SAFE_ORDER if method in admissible), admissible[0])


def admissible_mask(admissible: Sequence[Sequence[ExecutionMethod]]) -> npt.NDArray[np.bool_]:
    """Mask of the admissible methods of many orders, shape (orders, K)."""
    mask = np.zeros((len(admissible), len(METHODS)), dtype=np.bool_)
    for row, methods in enumerate(admissible):
        mask[row, [COLUMN[method] for method in methods]] = True
    return mask


def default_mask(mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Rows with a one at each order's safe default, shape (orders, K)."""
    order = [*(COLUMN[method] for method in SAFE_ORDER), *range(len(METHODS))]
    firsts = np.argmax(mask[:, order], axis=1)
    result = np.zeros(mask.shape)
    result[np.arange(len(mask)), np.array(order)[firsts]] = 1.0
    return result
