"""From the TCA database to a model, and only what is proven is promoted."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ml import algowheel_model_trainer as trainer
from ml import bootstrap_algowheel_model as bootstrap
from portfolio.algo_wheel.model_file import hash_path, read_model
from tca.generator import generate
from tca.store import TcaStore, open_published


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "tca.duckdb"
    with TcaStore(path) as store:
        generate(store, parents=4_000, seed=5)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "wheel.json"
    assert bootstrap.main(["--output", str(path)]) == 0
    return path


def run(database: Path, model: Path, *words: str) -> int:
    return trainer.main(["--database", str(database), "--model", str(model), *words])


def test_a_first_model_is_not_overwritten_by_accident(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bootstrap.main(["--output", str(model)]) == 2
    assert "--force" in capsys.readouterr().err
    assert bootstrap.main(["--output", str(model), "--force", "--exploration", "0.2"]) == 0
    assert read_model(model).wheel.exploration == 0.2
    assert bootstrap.main(["--output", str(model), "--force", "--exploration", "2"]) == 2
    assert "exploration is 2, not in 0..1" in capsys.readouterr().err


def test_a_better_candidate_is_promoted_once_and_the_old_model_kept(
    database: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = model.read_bytes()
    assert run(database, model, "--dry-run") == 0
    assert "it would be promoted" in capsys.readouterr().out
    assert model.read_bytes() == old
    assert run(database, model) == 0
    assert "promoted" in capsys.readouterr().out
    assert model.with_name("wheel.previous.json").read_bytes() == old
    assert read_model(model.with_name("wheel.previous.json")).evidence.fills.sum() == 0
    assert read_model(model).evidence.fills.sum() == 2_800
    new = model.read_bytes()
    assert run(database, model) == 0
    assert "not proven to be cheaper" in capsys.readouterr().out
    assert model.read_bytes() == new


def test_the_trainer_goes_on_after_a_promotion_that_was_killed(database: Path, model: Path) -> None:
    first = hash_path(model).read_text()
    assert run(database, model) == 0
    after, second = model.read_bytes(), hash_path(model).read_text()
    for standing in (model.with_name("wheel.previous.json").read_bytes(), after):
        model.write_bytes(standing)  # killed before, and after, the model was replaced
        hash_path(model).write_text(first + second)
        assert run(database, model) == 0
        assert model.read_bytes() == after
    assert read_model(model.with_name("wheel.previous.json")).evidence.fills.sum() == 0


def test_the_same_log_trains_the_same_model(database: Path, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    assert bootstrap.main(["--output", str(other)]) == 0
    run(database, model)
    run(database, other)
    assert model.read_bytes() == other.read_bytes()


def test_too_small_a_log_changes_nothing(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.duckdb"
    with TcaStore(path) as store:
        generate(store, parents=50, seed=5)
    before = model.read_bytes()
    assert run(path, model) == 0
    assert "not judged" in capsys.readouterr().out
    assert model.read_bytes() == before


def test_orders_that_had_no_choice_or_no_context_teach_nothing(tmp_path: Path) -> None:
    path = tmp_path / "some.duckdb"
    with TcaStore(path) as store:
        generate(store, parents=200, seed=5)
        update = "UPDATE parents SET {} WHERE first_seq BETWEEN {} AND {}"
        for change, first in (
            ("spread_bps = NULL", 0),
            ("propensity = 1.0", 10),  # a safe default
            ("purpose = 'stop', method = 'STP', admissible = ['STP']", 20),
            ("is_final = false", 30),
            ("method = 'UNHEARD_OF'", 40),
        ):
            store._connection.execute(update.format(change, first, first + 9))
        store.publish()
    with closing(open_published(path)) as connection:
        log = trainer.read_log(connection)
    assert len(log) == 150
    assert np.isfinite(log.costs).all()


def test_a_tampered_model_stops_the_training(
    database: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hash_path(model).write_text("0" * 64)
    assert run(database, model) == 1
    assert "SHA-256" in capsys.readouterr().err


def test_missing_files_say_how_to_make_them(
    database: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "none.duckdb", model) == 2
    assert "tca rebuild" in capsys.readouterr().err
    assert run(database, tmp_path / "none.json") == 2
    assert "bootstrap_algowheel_model" in capsys.readouterr().err
