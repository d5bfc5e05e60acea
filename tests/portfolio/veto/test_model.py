"""Our own evaluation of a model gives scikit-learn's numbers, and a damaged file is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from ml.fitting import _fit_boosting, _fit_logistic
from ml.registry.writer import model_bytes
from portfolio.veto.model import VetoModel, content_of, model_of
from tests.veto_models import hand_model

NAMES = ("a", "b", "c")


def data(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(count, 3)) * [1.0, 10.0, 0.01]
    won = (rows[:, 0] + rows[:, 1] / 10 + generator.normal(size=count) > 0).astype(np.int64)
    return rows, won


def copied(model: VetoModel) -> VetoModel:
    """The model as it comes back from its file."""
    return model_of(json.loads(model_bytes(model)))


def test_a_logistic_regression_scores_as_the_library_does() -> None:
    rows, won = data()
    centre, spread = rows.mean(axis=0), rows.std(axis=0)
    theirs = LogisticRegression(C=0.1, max_iter=1000).fit((rows - centre) / spread, won)
    ours = copied(_fit_logistic(NAMES, rows, won))
    np.testing.assert_allclose(
        ours.scores(rows), theirs.decision_function((rows - centre) / spread), rtol=0, atol=1e-9
    )


def test_boosted_trees_score_as_the_library_does() -> None:
    rows, won = data()
    settings = {"n_estimators": 50, "max_depth": 2, "learning_rate": 0.05, "min_samples_leaf": 20}
    theirs = GradientBoostingClassifier(**settings, random_state=1).fit(rows, won)
    ours = copied(_fit_boosting(NAMES, rows, won, 1))
    fresh = np.random.default_rng(4).normal(size=(500, 3)) * [1.0, 10.0, 0.01]
    for some in (rows, fresh):
        np.testing.assert_allclose(ours.scores(some), theirs.decision_function(some), rtol=0, atol=1e-9)


def test_an_unknown_feature_gives_no_probability() -> None:
    model = hand_model()
    assert np.isnan(model.probabilities(np.array([[np.nan, 50.0], [0.0, np.nan]]))).all()
    rows, won = data()
    trees = _fit_boosting(NAMES, rows, won, 1)
    assert np.isnan(trees.probabilities(np.array([[1.0, np.nan, 0.0]]))).all()


def test_contributions_of_a_logistic_regression_are_its_terms_and_the_strongest_comes_first() -> None:
    rows, won = data()
    model = _fit_logistic(NAMES, rows, won)
    found = dict(model.contributions(rows[0]))
    terms = model.weights * (rows[0] - model.usual) / model.spread
    assert [found[name] for name in NAMES] == pytest.approx(terms.tolist())
    sizes = [abs(move) for _name, move in model.contributions(rows[0])]
    assert sizes == sorted(sizes, reverse=True)


def test_the_same_training_gives_the_same_bytes() -> None:
    rows, won = data()
    assert model_bytes(_fit_boosting(NAMES, rows, won, 1)) == model_bytes(_fit_boosting(NAMES, rows, won, 1))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("weights",), [1.0]),
        (("weights",), [1.0, float("nan")]),
        (("spread",), [0.0, 1.0]),
        (("threshold",), 1.5),
        (("features",), ["ret_5", "ret_5"]),
        (("trees",), {"feature": [[0]], "cut": [[0.0]], "left": [[0]], "right": [[0]], "value": [[0.0]]}),
        (
            ("trees",),
            {
                "feature": [[7, -1, -1]],
                "cut": [[0.0] * 3],
                "left": [[1, -1, -1]],
                "right": [[2, -1, -1]],
                "value": [[0.0] * 3],
            },
        ),
    ],
)
def test_impossible_content_is_refused(path: tuple[str], value: object) -> None:
    content = {**content_of(hand_model()), path[0]: value}
    with pytest.raises(ValueError, match=r".+"):
        model_of(content)
