"""What each method costs, learned from fills: a hierarchical Bayesian linear model with forgetting.

The cost of method ``a`` for an order with features ``x`` is ``y = x (m_a + w + d_a) + e``: a prior mean ``m_a`` from
rules, a part ``w`` that all methods share, and a deviation ``d_a``, with Gaussian priors of scale ``shared_scale``
and ``method_scale``. So a method with few fills is held near what all methods have in common, and leaves it as its own
evidence grows (partial pooling: Gelman and Hill, "Data Analysis Using Regression and Multilevel/Hierarchical Models",
2007, chapter 12). The noise ``e`` grows with the order's volatility, by a factor that is estimated for each method.

Old orders count less: after ``n`` newer ones an order's weight is ``memory ** n`` (discounted linear bandits: Russac,
Vernade and Cappe, "Weighted Linear Bandits for Non-Stationary Environments", NeurIPS 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from core.vocabulary import ExecutionMethod
from portfolio.algo_wheel.context import FEATURES

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

METHODS: Final = tuple(ExecutionMethod)
"""Methods in the order of the model's arrays."""

COLUMN: Final = {method: index for index, method in enumerate(METHODS)}
_D: Final = len(FEATURES)
_K: Final = len(METHODS)
_VOLATILITY_COLUMN: Final = FEATURES.index("volatility")
_NOISE_ROUNDS: Final = 3
_DRAWS: Final = 512
_DRAW_SEED: Final = 20_121_001  # any: the draws stand for the posterior, they are no chance of an order's
_LEAST_VOLATILITY: Final = 0.1  # of 150 bps: no order is so quiet that it outweighs all others


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Priors, in basis points of cost for a usual order."""

    shared_scale: float = 20.0
    """Deviation of the part that all methods share."""
    method_scale: float = 5.0
    """Deviation of a method from what they share: the smaller, the stronger the shrinkage."""
    noise: float = 10.0
    """Prior noise of one order's cost at a volatility of 150 bps."""
    noise_orders: float = 10.0
    """How many orders the prior noise counts for."""
    memory: float = 0.9995
    """Weight that an order keeps with each newer one; 1 never forgets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Sufficient statistics of the orders seen, by method; arrays of shape (methods, ...).

    Orders are weighted by age and by the square of ``150 / volatility_bps``, so that quiet ones tell more.
    """

    gram: FloatArray
    """Sum of ``x x'``, shape (K, D, D)."""
    moment: FloatArray
    """Sum of ``x y``, shape (K, D)."""
    square: FloatArray
    """Sum of ``y y``, shape (K,)."""
    weight: FloatArray
    """Orders, each by its age's weight, shape (K,)."""
    fills: IntArray
    """Orders ever seen, shape (K,)."""

    @classmethod
    def none(cls) -> Evidence:
        """Return the evidence before the first order."""
        return cls(
            gram=np.zeros((_K, _D, _D)),
            moment=np.zeros((_K, _D)),
            square=np.zeros(_K),
            weight=np.zeros(_K),
            fills=np.zeros(_K, dtype=np.int64),
        )

    def after(self, rows: FloatArray, methods: IntArray, costs: FloatArray, memory: float) -> Evidence:
        """Evidence after further orders, oldest first.

        Parameters
        ----------
        rows
            Feature rows, shape (orders, D).
        methods
            Column of the method of each, shape (orders,).
        costs
            Cost of each in basis points, shape (orders,).
        memory
            See `ModelSettings`.
        """
        count = len(costs)
        ages = memory ** np.arange(count - 1, -1, -1)
        scale = ages / np.square(relative_volatility(rows))
        kept = memory**count
        gram, moment = self.gram * kept, self.moment * kept
        square, weight = self.square * kept, self.weight * kept
        fills = self.fills.copy()
        for method in np.unique(methods):
            chosen = methods == method
            x, y, w = rows[chosen], costs[chosen], scale[chosen]
            gram[method] += (x * w[:, None]).T @ x
            moment[method] += x.T @ (w * y)
            square[method] += float(w @ (y * y))
            weight[method] += ages[chosen].sum()
            fills[method] += int(chosen.sum())
        return Evidence(gram=gram, moment=moment, square=square, weight=weight, fills=fills)

    def scaled(self, kept: FloatArray) -> Evidence:
        """Evidence of which each method keeps a part only, shape (K,); the count of its fills stays."""
        return Evidence(
            gram=self.gram * kept[:, None, None],
            moment=self.moment * kept[:, None],
            square=self.square * kept,
            weight=self.weight * kept,
            fills=self.fills,
        )


def relative_volatility(rows: FloatArray) -> FloatArray:
    """Volatility of each order over 150 bps, shape (orders,): its cost's noise is in proportion to it."""
    result: FloatArray = np.maximum(rows[:, _VOLATILITY_COLUMN], _LEAST_VOLATILITY)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """Posterior of the methods' costs. `CostModel.fit` makes it from evidence.

    ``mean`` (K, D) holds the coefficients' expectation, ``draws`` (draws, K, D) a fixed sample of their posterior,
    and ``noise`` (K,) the deviation of one order's cost at a volatility of 150 bps.
    """

    mean: FloatArray
    draws: FloatArray
    noise: FloatArray
    fills: IntArray

    @classmethod
    def fit(cls, evidence: Evidence, prior_mean: FloatArray, settings: ModelSettings) -> CostModel:
        """Posterior given the evidence. The same evidence gives the same model, draws included.

        Parameters
        ----------
        evidence
            What was seen.
        prior_mean
            Coefficients by the rules, shape (K, D).
        settings
            Priors.
        """
        noise = np.full(_K, settings.noise)
        centred = evidence.moment - np.einsum("kde,ke->kd", evidence.gram, prior_mean)
        posterior = _Posterior.of(evidence.gram, centred, noise, settings)
        for _ in range(_NOISE_ROUNDS):
            mean = posterior.mean + prior_mean
            residual = (
                evidence.square
                - 2.0 * np.einsum("kd,kd->k", mean, evidence.moment)
                + np.einsum("kd,kde,ke->k", mean, evidence.gram, mean)
            )
            total = settings.noise_orders * settings.noise**2 + np.maximum(residual, 0.0)
            noise = np.sqrt(total / (settings.noise_orders + evidence.weight))
            posterior = _Posterior.of(evidence.gram, centred, noise, settings)
        return cls(
            mean=posterior.mean + prior_mean,
            draws=posterior.sample() + prior_mean,
            noise=noise,
            fills=evidence.fills,
        )

    @property
    def is_sound(self) -> bool:
        """Whether every figure of it is a number."""
        return bool(np.isfinite(self.mean).all() and np.isfinite(self.draws).all())

    def expected(self, rows: FloatArray) -> FloatArray:
        """Return the expected costs in basis points, shape (orders, K)."""
        result: FloatArray = rows @ self.mean.T
        return result

    def sampled(self, rows: FloatArray) -> FloatArray:
        """Return the costs that each draw of the posterior expects, shape (orders, draws, K)."""
        flat = rows @ self.draws.reshape(-1, _D).T
        result: FloatArray = flat.reshape(len(rows), -1, _K)
        return result


@dataclass(frozen=True, slots=True)
class _Posterior:
    """Gaussian posterior of the coefficients ``w + d_a``: the deviations given ``w``, and ``w``.

    Integrating the deviations out method by method needs inverses of D x D matrices only.
    """

    own: FloatArray  # (K, D, D), covariance of d_a given w
    offset: FloatArray  # (K, D), and keep (K, D, D): w + d_a is expected at offset_a + keep_a w
    keep: FloatArray
    shared: FloatArray  # (D,), mean of w
    shared_covariance: FloatArray  # (D, D)

    @classmethod
    def of(
        cls, gram: FloatArray, moment: FloatArray, noise: FloatArray, settings: ModelSettings
    ) -> _Posterior:
        precision = gram / np.square(noise)[:, None, None]
        shift = moment / np.square(noise)[:, None]
        identity = np.eye(_D)
        own: FloatArray = np.linalg.inv(precision + identity / settings.method_scale**2).astype(np.float64)
        gain = precision @ own
        # What method a tells of w: precision G - G V G and moment h - G V h, with V the own covariance.
        about_shared = (precision - gain @ precision).sum(axis=0)
        shared_moment = (shift - np.einsum("kde,ke->kd", gain, shift)).sum(axis=0)
        shared_covariance = np.linalg.inv(about_shared + identity / settings.shared_scale**2)
        return cls(
            own=own,
            offset=np.einsum("kde,ke->kd", own, shift),
            keep=identity - np.swapaxes(gain, 1, 2),
            shared=shared_covariance @ shared_moment,
            shared_covariance=shared_covariance,
        )

    @property
    def mean(self) -> FloatArray:
        """Expected coefficients, shape (K, D)."""
        return self.offset + self.keep @ self.shared

    def sample(self) -> FloatArray:
        """Draw the coefficients, shape (draws, K, D)."""
        for_shared, for_own = _standard_draws()
        shared = self.shared + for_shared @ _root(self.shared_covariance).T
        deviation = np.einsum("skd,ked->ske", for_own, _root(self.own))
        result: FloatArray = self.offset + np.einsum("kde,se->skd", self.keep, shared) + deviation
        return result


def _root(covariance: FloatArray) -> FloatArray:
    symmetric = (covariance + np.swapaxes(covariance, -1, -2)) / 2.0
    result: FloatArray = np.linalg.cholesky(symmetric).astype(np.float64)
    return result


@lru_cache(maxsize=1)
def _standard_draws() -> tuple[FloatArray, FloatArray]:
    """Return fixed standard normal draws, each with its mirror image, so that their mean is exact."""
    rng = np.random.default_rng(_DRAW_SEED)
    shared = rng.standard_normal((_DRAWS // 2, _D))
    own = rng.standard_normal((_DRAWS // 2, _K, _D))
    return np.concatenate((shared, -shared)), np.concatenate((own, -own))
