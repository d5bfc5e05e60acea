"""The wheel's model at the start: taken, refused, missing; said once and journaled."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.clock import SystemClock
from core.config_schema import ExecutionSettings
from core.journal import Journal, read
from portfolio.algo_wheel.model import Evidence, ModelSettings
from portfolio.algo_wheel.model_file import WheelModel, write_model
from portfolio.algo_wheel.rules import rule_coefficients
from portfolio.algo_wheel.wheel import AlgoWheel, WheelSettings
from portfolio.live_manager.execution_parts import load_wheel

WHEEL = ExecutionSettings(method="wheel")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "main.db", process="main", run_id="run00001", boot_id="b", clock=SystemClock())


def models(journal: Journal) -> list[dict[str, object]]:
    return [dict(record.payload) for record in read(journal.path) if record.kind == "model"]


def write(root: Path) -> tuple[Path, str]:
    path = root / WHEEL.wheel.model
    model = WheelModel(
        evidence=Evidence.none(),
        prior_mean=rule_coefficients(),
        model=ModelSettings(),
        wheel=WheelSettings(),
        origin={"made_by": "a test"},
    )
    return path, write_model(path, model)


def test_a_model_is_loaded_and_its_hash_stands_in_the_journal(tmp_path: Path, journal: Journal) -> None:
    path, digest = write(tmp_path)
    policy, problem = load_wheel(WHEEL, tmp_path, journal)
    assert isinstance(policy, AlgoWheel)
    assert problem == ""
    assert models(journal) == [{"name": "algo_wheel", "path": str(path), "sha256": digest, "problem": None}]


def test_a_missing_model_leaves_the_safe_default(tmp_path: Path, journal: Journal) -> None:
    assert load_wheel(WHEEL, tmp_path, journal) == (None, "there is no model")
    assert models(journal)[0]["sha256"] is None


@pytest.mark.parametrize("damage", ["cut", "changed", "no hash", "a folder"])
def test_a_model_that_can_not_be_trusted_is_not_used(tmp_path: Path, journal: Journal, damage: str) -> None:
    path, _ = write(tmp_path)
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "changed":
        path.write_bytes(data.replace(b"0", b"1", 1))
    elif damage == "no hash":
        path.with_name(path.name + ".sha256").unlink()
    else:
        path.unlink()
        path.mkdir()
    assert load_wheel(WHEEL, tmp_path, journal) == (None, "the model can't be used")
    (told,) = models(journal)
    assert str(path) in str(told["problem"])


def test_a_fixed_method_reads_no_model(tmp_path: Path, journal: Journal) -> None:
    assert load_wheel(ExecutionSettings(method="TWAP"), tmp_path, journal) == (None, "")
    assert models(journal) == []
