"""Fits a model to entries: two baselines, calibrated and given a threshold on predictions that were never trained on.

scikit-learn fits; what is kept are the numbers, as a `portfolio.veto.model.VetoModel`.
"""

from __future__ import annotations

import os

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before the library is loaded: on few cores its threads cost a hundredfold

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from skfolio.model_selection import CombinatorialPurgedCV
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from ml.entries import Entries, FloatArray, IntArray
from portfolio.veto.model import LEAF, Trees, VetoModel

NS_PER_DAY = 86_400 * 1_000_000_000
FOLDS, TEST_FOLDS = 5, 2
"""Of the inner cross-validation: 10 splits, each entry predicted four times."""
EMBARGO_DAYS = 5
"""Days behind a test that aren't trained on: features remember, so what follows a test knows of it."""
_APPROVE_SHARES = np.arange(0.05, 0.65, 0.05)
_CERTAIN = 1e-6


class Kind(StrEnum):
    """The baselines."""

    LOGISTIC = "logistic"
    BOOSTING = "boosting"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A model that is ready for use, its kind, and its log loss on entries that were held out of its training."""

    kind: Kind
    model: VetoModel
    held_out_loss: float


def fit_best(entries: Entries, *, seed: int) -> dict[Kind, Fitted]:
    """Fit every kind; `best_of` says which one is to be used. Empty when nothing can be learnt."""
    fitted = (fit_kind(kind, entries, seed=seed) for kind in Kind)
    return {one.kind: one for one in fitted if one is not None}


def best_of(fitted: dict[Kind, Fitted]) -> Fitted:
    """Return the one with the smaller loss on held-out entries; the simpler one when they are equal."""
    return min(fitted.values(), key=lambda one: one.held_out_loss)


def fit_kind(kind: Kind, entries: Entries, *, seed: int) -> Fitted | None:
    """Fit one kind of model; None when the entries are too few or all alike.

    Scores of held-out entries (purged and embargoed) give the calibration, the calibrated ones the threshold; then the
    model is fitted to all.
    """
    raw = _fit(kind, entries, seed)
    if raw is None:
        return None
    scores, times = np.zeros(len(entries)), np.zeros(len(entries))
    for train, test in purged_splits(entries):
        part = _fit(kind, entries.part(train), seed)
        if part is not None:
            scores[test] += part.scores(entries.rows[test])
            times[test] += 1
    seen = times > 0
    won = entries.won[seen]
    if seen.sum() < 20 or won.min() == won.max():
        return None
    held_out = scores[seen] / times[seen]
    slope, offset = _calibration(held_out, won)
    likely = 1.0 / (1.0 + np.exp(-(slope * held_out + offset)))
    threshold = best_threshold(likely, entries.earned[seen])
    model = replace(raw, slope=slope, offset=offset, threshold=threshold)
    loss = float(log_loss(won, np.clip(likely, _CERTAIN, 1 - _CERTAIN)))
    return Fitted(kind=kind, model=model, held_out_loss=loss)


def best_threshold(probabilities: FloatArray, earned: FloatArray) -> float:
    """Threshold at which the approved entries earned most together; 0, which approves all, when no other is better.

    Tried are 0 and the probabilities below which 5, 10, ... 60 % of the entries lie.
    """
    tried = [0.0, *np.quantile(probabilities, _APPROVE_SHARES).tolist()]
    sums = [float(earned[probabilities >= one].sum()) for one in tried]
    return float(tried[int(np.argmax(sums))])


def purged_splits(entries: Entries) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Split entries for combinatorial purged cross-validation: masks of training and test.

    skfolio splits the days, with an embargo. What is left of the training is purged exactly: an entry whose life touches that
    of a tested one is no training for it.
    """
    days = entries.decided_ns // NS_PER_DAY
    calendar = civil_days(entries)
    if len(calendar) < FOLDS * 2 * EMBARGO_DAYS:
        return
    splitter = CombinatorialPurgedCV(n_folds=FOLDS, n_test_folds=TEST_FOLDS, embargo_size=EMBARGO_DAYS)
    for train_days, test_days in splitter.split(calendar[:, None].astype(np.float64)):
        train = np.isin(days, calendar[train_days])
        test = np.zeros(len(entries), dtype=np.bool_)
        for part in test_days:
            chosen = np.isin(days, calendar[part])
            train &= ~overlaps(entries, chosen)
            test |= chosen
        yield train, test


def civil_days(entries: Entries) -> IntArray:
    """Every day from the first decision to the last, as days since 1970: what is split, so that parts are equally long."""
    days = entries.decided_ns // NS_PER_DAY
    return np.arange(days.min(), days.max() + 1) if len(days) else days


def overlaps(entries: Entries, tested: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Entries whose life, from decision to end, touches the time from the first tested decision to the last tested end."""
    if not tested.any():
        return np.zeros(len(entries), dtype=np.bool_)
    first, last = entries.decided_ns[tested].min(), entries.ended_ns[tested].max()
    return np.asarray((entries.ended_ns >= first) & (entries.decided_ns <= last))


def _fit(kind: Kind, entries: Entries, seed: int) -> VetoModel | None:
    won = entries.won
    if len(entries) < 20 or won.min() == won.max():
        return None
    if kind is Kind.LOGISTIC:
        return _fit_logistic(entries.names, entries.rows, won)
    return _fit_boosting(entries.names, entries.rows, won, seed)


def _fit_logistic(names: Sequence[str], rows: FloatArray, won: IntArray) -> VetoModel:
    centre, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread == 0] = 1.0
    fitted = LogisticRegression(C=0.1, max_iter=1000).fit((rows - centre) / spread, won)
    return _model(
        names,
        rows,
        centre=centre,
        spread=spread,
        weights=fitted.coef_[0],
        intercept=float(fitted.intercept_[0]),
    )


def _fit_boosting(names: Sequence[str], rows: FloatArray, won: IntArray, seed: int) -> VetoModel:
    fitted = GradientBoostingClassifier(
        n_estimators=50,
        max_depth=2,
        learning_rate=0.05,
        min_samples_leaf=max(10, len(won) // 20),
        random_state=seed,
    ).fit(rows, won)
    share = float(won.mean())
    return _model(
        names,
        rows,
        intercept=float(np.log(share / (1.0 - share))),
        trees=_trees([one.tree_ for one in fitted.estimators_[:, 0]], fitted.learning_rate),
    )


def _model(
    names: Sequence[str],
    rows: FloatArray,
    *,
    intercept: float,
    centre: FloatArray | None = None,
    spread: FloatArray | None = None,
    weights: FloatArray | None = None,
    trees: Trees | None = None,
) -> VetoModel:
    count = len(names)
    return VetoModel(
        features=tuple(names),
        centre=np.zeros(count) if centre is None else centre,
        spread=np.ones(count) if spread is None else spread,
        weights=np.zeros(count) if weights is None else weights,
        intercept=intercept,
        trees=trees,
        slope=1.0,
        offset=0.0,
        threshold=0.0,
        usual=np.median(rows, axis=0),
    )


def _trees(fitted: Sequence[object], rate: float) -> Trees:
    """Copy scikit-learn's trees; its leaf is a node whose children are -1."""
    nodes = max(int(tree.node_count) for tree in fitted)  # type: ignore[attr-defined]
    shape = (len(fitted), nodes)
    feature, left, right = (np.full(shape, LEAF, dtype=np.int64) for _ in range(3))
    cut, value = np.zeros(shape), np.zeros(shape)
    for place, tree in enumerate(fitted):
        count = int(tree.node_count)  # type: ignore[attr-defined]
        inner = tree.children_left >= 0  # type: ignore[attr-defined]
        feature[place, :count] = np.where(inner, tree.feature, LEAF)  # type: ignore[attr-defined]
        cut[place, :count] = np.where(inner, tree.threshold, 0.0)  # type: ignore[attr-defined]
        left[place, :count] = tree.children_left  # type: ignore[attr-defined]
        right[place, :count] = tree.children_right  # type: ignore[attr-defined]
        value[place, :count] = rate * tree.value[:, 0, 0]  # type: ignore[attr-defined]
    return Trees(feature=feature, cut=cut, left=left, right=right, value=value)


def _calibration(scores: FloatArray, won: IntArray) -> tuple[float, float]:
    """Fit slope and offset (Platt); a score that points the wrong way says nothing, so its slope is 0."""
    spread = float(scores.std())
    if spread > 0:
        fitted = LogisticRegression(C=1e6, max_iter=1000).fit((scores / spread)[:, None], won)
        slope, offset = float(fitted.coef_[0, 0]) / spread, float(fitted.intercept_[0])
        if slope > 0:
            return slope, offset
    share = float(np.clip(won.mean(), _CERTAIN, 1 - _CERTAIN))
    return 0.0, float(np.log(share / (1.0 - share)))
