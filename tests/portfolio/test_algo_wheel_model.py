"""The model against the textbook: a dense Gaussian posterior, a kept bandit library, and what shrinkage promises."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mabwiser.mab import MAB, LearningPolicy

from core.atomic_file import write_atomic
from core.kernel import PROJECT_ROOT
from portfolio.algo_wheel import model_file
from portfolio.algo_wheel.context import FEATURES
from portfolio.algo_wheel.learning import ALARM, learn, surprise
from portfolio.algo_wheel.model import METHODS, CostModel, Evidence, FloatArray, IntArray, ModelSettings
from portfolio.algo_wheel.model_file import (
    UnusableModel,
    WheelModel,
    copy_model,
    hash_path,
    read_model,
    read_model_and_hash,
    write_model,
)
from portfolio.algo_wheel.rules import rule_coefficients
from portfolio.algo_wheel.wheel import WheelSettings
from tca.simulated_market import draw_orders, expected_costs, realised_costs

K, D = len(METHODS), len(FEATURES)
NO_PRIOR = np.zeros((K, D))


def some_log(count: int = 300, seed: int = 1) -> tuple[FloatArray, IntArray, FloatArray]:
    rng = np.random.default_rng(seed)
    orders = draw_orders(count, rng)
    chances = orders.mask / orders.mask.sum(axis=1, keepdims=True)
    methods: IntArray = (chances.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return orders.rows, methods, realised_costs(orders, methods, expected_costs(orders), rng)


def test_the_posterior_is_the_dense_one() -> None:
    rows, methods, costs = some_log()
    settings = ModelSettings(shared_scale=7.0, method_scale=3.0, memory=0.99)
    prior = rule_coefficients()
    model = CostModel.fit(Evidence.none().after(rows, methods, costs, settings.memory), prior, settings)
    # All coefficients in one vector: the shared ones, then each method's deviation.
    design = np.zeros((len(costs), D * (K + 1)))
    design[:, :D] = rows
    for place, method in enumerate(methods):
        design[place, D * (method + 1) : D * (method + 2)] = rows[place]
    weight = settings.memory ** np.arange(len(costs) - 1, -1, -1)
    weight = weight / np.square(rows[:, FEATURES.index("volatility")]) / np.square(model.noise[methods])
    scales = np.repeat([settings.shared_scale, settings.method_scale], [D, D * K])
    precision = (design * weight[:, None]).T @ design + np.diag(1.0 / np.square(scales))
    centred = costs - (rows * prior[methods]).sum(axis=1)
    solution = np.linalg.solve(precision, design.T @ (weight * centred))
    dense = prior + solution[:D] + solution[D:].reshape(K, D)
    np.testing.assert_allclose(model.mean, dense, rtol=1e-7, atol=1e-7)
    covariance = np.linalg.inv(precision)
    both = np.zeros((D * (K + 1), 2))  # the sums w + d of the first coefficient, methods 0 and 1
    both[0] = 1.0
    both[D, 0] = both[2 * D, 1] = 1.0
    expected = both.T @ covariance @ both
    drawn = np.cov(model.draws[:, :2, 0].T)
    np.testing.assert_allclose(drawn, expected, rtol=0.25, atol=0.15 * expected.max())
    np.testing.assert_allclose(model.draws.mean(axis=0), model.mean, atol=1e-9)


def test_without_a_shared_part_each_method_is_the_ridge_of_a_kept_library() -> None:
    rows, methods, costs = some_log(400)
    rows = rows.copy()
    rows[:, FEATURES.index("volatility")] = 1.0  # as the library: every order weighs the same
    # No shared part, and a noise of one that stays.
    settings = ModelSettings(shared_scale=1e-6, method_scale=1.0, noise=1.0, noise_orders=1e12, memory=1.0)
    model = CostModel.fit(Evidence.none().after(rows, methods, costs, 1.0), NO_PRIOR, settings)
    arms = sorted(set(methods.tolist()))
    bandit = MAB(arms=arms, learning_policy=LearningPolicy.LinUCB(alpha=0.0, l2_lambda=1.0))
    bandit.fit(decisions=methods.tolist(), rewards=costs.tolist(), contexts=rows)
    theirs = bandit.predict_expectations(rows[:20])
    ours = model.expected(rows[:20])
    for place, expectations in enumerate(theirs):
        for arm, value in expectations.items():
            assert ours[place, arm] == pytest.approx(value, abs=1e-4)


def test_a_thin_method_stays_near_what_all_share_and_leaves_it_with_evidence() -> None:
    rows, _, _ = some_log(600)
    common, special = 10.0, 2.0

    def estimate(count: int) -> float:
        methods = np.array([1] * 500 + [2] * count)
        costs = np.array([common] * 500 + [special] * count)
        model = CostModel.fit(
            Evidence.none().after(rows[: len(costs)], methods, costs, 1.0),
            NO_PRIOR,
            ModelSettings(method_scale=2.0),
        )
        return float(model.expected(rows[:200])[:, 2].mean())

    thin, some, plenty = estimate(1), estimate(10), estimate(100)
    assert common > thin > some > plenty > special - 0.5
    assert thin > 0.6 * common
    assert plenty < 0.45 * common


def test_what_is_old_is_forgotten() -> None:
    rows, _, _ = some_log(400)
    methods, settings = np.zeros(400, dtype=np.int64), ModelSettings(memory=0.97)
    costs = np.array([10.0] * 200 + [2.0] * 200)
    model = CostModel.fit(Evidence.none().after(rows, methods, costs, settings.memory), NO_PRIOR, settings)
    assert float(model.expected(rows[:50])[:, 0].mean()) == pytest.approx(2.0, abs=0.4)


def test_evidence_in_pieces_is_the_evidence() -> None:
    rows, methods, costs = some_log()
    whole = Evidence.none().after(rows, methods, costs, 0.99)
    parts = Evidence.none()
    for part in (slice(0, 7), slice(7, 120), slice(120, None)):
        parts = parts.after(rows[part], methods[part], costs[part], 0.99)
    for name in ("gram", "moment", "square", "weight", "fills"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-10)


def test_a_context_without_volatility_breaks_nothing() -> None:
    rows, methods, costs = some_log(50)
    rows = rows.copy()
    rows[:, FEATURES.index("volatility")] = 0.0
    model = CostModel.fit(Evidence.none().after(rows, methods, costs, 1.0), NO_PRIOR, ModelSettings())
    assert np.isfinite(model.expected(rows)).all()


# --- the file -----------------------------------------------------------------------------------------------


def a_model() -> WheelModel:
    rows, methods, costs = some_log()
    return WheelModel(
        evidence=Evidence.none().after(rows, methods, costs, 0.999),
        prior_mean=rule_coefficients(),
        model=ModelSettings(),
        wheel=WheelSettings(exploration=0.07),
        origin={"made_by": "a test"},
    )


def test_a_model_comes_back_from_its_file_bit_by_bit(tmp_path: Path) -> None:
    path, model = tmp_path / "models" / "wheel.json", a_model()
    digest = write_model(path, model)
    assert hash_path(path).read_text().split() == [digest, "wheel.json"]
    found = read_model(path)
    assert (found.model, found.wheel, found.origin) == (model.model, model.wheel, model.origin)
    np.testing.assert_array_equal(found.posterior().draws, model.posterior().draws)


def rewrite(path: Path, **changes: object) -> None:
    """Change the content and make the hash fit."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(content))
    hash_path(path).write_text(hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_file_that_cannot_be_trusted_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wheel.json"
    with pytest.raises(FileNotFoundError):
        read_model(path)
    write_model(path, a_model())
    path.write_text(path.read_text().replace("0.07", "0.99"))
    with pytest.raises(UnusableModel, match="SHA-256"):
        read_model(path)
    hash_path(path).unlink()
    with pytest.raises(UnusableModel, match="no hash"):
        read_model(path)


KILLED = """  # replaces a model and is killed (SIGKILL) before or after one of the three writes
import os, signal, sys
from dataclasses import replace
from pathlib import Path

import portfolio.algo_wheel.model_file as file
from core.atomic_file import write_atomic

path, call, when = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
calls = 0

def killed(*words, **more):
    global calls
    calls += 1
    if calls == call and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    write_atomic(*words, **more)
    if calls == call:
        os.kill(os.getpid(), signal.SIGKILL)

model = file.read_model(path)
file.write_atomic = killed
file.write_model(path, replace(model, origin={"made_by": "the one that was killed"}))
"""


@pytest.mark.parametrize(
    ("call", "when", "stands"),
    [
        (1, "before", "a test"),
        (1, "after", "a test"),
        (2, "after", "the one that was killed"),
        (3, "after", "the one that was killed"),
    ],
)
def test_a_kill_between_two_writes_leaves_a_sound_model_that_can_be_replaced(
    tmp_path: Path, call: int, when: str, stands: str
) -> None:
    path = tmp_path / "wheel.json"
    write_model(path, a_model())
    words = [sys.executable, "-c", KILLED, str(path), str(call), when]
    assert subprocess.run(words, cwd=PROJECT_ROOT, check=False).returncode == -signal.SIGKILL
    found, digest = read_model_and_hash(path)
    assert found.origin == {"made_by": stands}
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    copy_model(path, tmp_path / "copy.json")
    assert read_model(tmp_path / "copy.json").origin == found.origin
    new = write_model(path, replace(a_model(), origin={"made_by": "the next"}))
    assert read_model(path).origin == {"made_by": "the next"}
    assert hash_path(path).read_text() == f"{new}  wheel.json\n"


def test_a_first_model_that_was_cut_off_is_no_model_yet(tmp_path: Path) -> None:
    path = tmp_path / "wheel.json"
    hash_path(path).write_text("0" * 64 + "  wheel.json\n")
    with pytest.raises(FileNotFoundError):
        read_model(path)
    write_model(path, a_model())
    assert read_model(path).origin == {"made_by": "a test"}


def test_replacing_makes_no_tampered_file_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "wheel.json"
    write_model(path, a_model())
    tampered = path.read_bytes().replace(b"0.07", b"0.99")
    path.write_bytes(tampered)
    with pytest.raises(UnusableModel, match="SHA-256"):
        copy_model(path, tmp_path / "copy.json")
    named = []

    def see(to: Path, data: bytes, *, mode: int) -> None:
        named.append(hash_path(path).read_text())
        write_atomic(to, data, mode=mode)

    monkeypatch.setattr(model_file, "write_atomic", see)
    write_model(path, a_model())
    assert len(named) == 3
    assert not any(hashlib.sha256(tampered).hexdigest() in text for text in named)


def test_a_model_that_is_replaced_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, named = tmp_path / "wheel.json", model_file._named
    write_model(path, a_model())
    looks = []

    def replaced(of: Path) -> list[str]:
        looks.append(of)
        if len(looks) == 1:  # the old model has been read, its hash has not
            write_model(path, replace(a_model(), origin={"made_by": "the next"}))
        return named(of)

    monkeypatch.setattr(model_file, "_named", replaced)
    assert read_model(path).origin == {"made_by": "the next"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"version": 2}, "version is 2, not 1"),
        ({"features": ["one"]}, "features is"),
        ({"prior_mean": [[1.0]]}, "prior_mean must be finite"),
        ({"wheel": {"exploration": 3.0}}, "exploration is 3"),
        ({"wheel": {"unheard_of": 3.0}}, "unheard_of"),
        ({"evidence": {}}, "KeyError"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_key(
    tmp_path: Path, changes: dict[str, object], text: str
) -> None:
    path = tmp_path / "wheel.json"
    write_model(path, a_model())
    rewrite(path, **changes)
    with pytest.raises(UnusableModel, match=text):
        read_model(path)


def test_two_posteriors_of_one_file_choose_alike() -> None:
    model = a_model()
    again = replace(model)
    rows = some_log(20, 3)[0]
    mask = np.ones((20, K), dtype=np.bool_)
    np.testing.assert_array_equal(
        model.as_policy().probabilities(rows, mask), again.as_policy().probabilities(rows, mask)
    )


# --- change -------------------------------------------------------------------------------------------------


def test_a_market_that_jumps_is_noticed_and_one_that_stands_is_not() -> None:
    settings = ModelSettings(memory=1.0)
    rng = np.random.default_rng(4)
    rows, _, _ = some_log(2_000, 9)
    methods = rng.integers(0, 4, 2_000)
    noise = rng.normal(0.0, 4.0, 2_000) * np.maximum(rows[:, FEATURES.index("volatility")], 0.1)
    costs = 10.0 + methods + noise
    calm = learn(
        Evidence.none(), rows[:1_500], methods[:1_500], costs[:1_500], prior_mean=NO_PRIOR, settings=settings
    )
    assert calm.weight.sum() == pytest.approx(1_500), "nothing was doubted"
    model = CostModel.fit(calm, NO_PRIOR, settings)
    jumped = costs[1_500:] + np.where(methods[1_500:] == 2, 15.0, 0.0)
    errors = surprise(model, rows[1_500:1_600], methods[1_500:1_600], jumped[:100])
    assert errors[2] > ALARM
    assert np.abs(np.delete(errors, 2)).max() < ALARM
    after = learn(calm, rows[1_500:], methods[1_500:], jumped, prior_mean=NO_PRIOR, settings=settings)
    assert after.weight[2] < 0.7 * after.weight[0]
    assert after.fills[2] == (methods == 2).sum()
    expected = CostModel.fit(after, NO_PRIOR, settings).expected(rows[:300])
    assert float(expected[:, 2].mean()) == pytest.approx(27.0, abs=2.0)
    assert float(expected[:, 0].mean()) == pytest.approx(10.0, abs=1.0)


def test_a_handful_of_orders_raises_no_alarm() -> None:
    model = CostModel.fit(Evidence.none(), NO_PRIOR, ModelSettings())
    rows, _, _ = some_log(4)
    assert not surprise(model, rows, np.zeros(4, dtype=np.int64), np.full(4, 1e6)).any()
