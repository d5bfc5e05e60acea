"""Paper runs in which the wheel, or one method, works all orders: clean books, and costs that add up to the cent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.exec_ids import base_exec_id
from core.journal import read
from core.vocabulary import ExecutionMethod
from tests.acceptance.system import ROOT, System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def make_system(tmp_path: Path) -> Iterator[Callable[..., System]]:
    made: list[System] = []

    def make(**overrides: str) -> System:
        made.append(System(tmp_path, **overrides))
        return made[-1]

    yield make
    for system in made:
        system.close()


def overrides(method: str, **keys: str) -> dict[str, str]:
    return {
        "BACKSTOP__EXECUTION__METHOD": method,
        "BACKSTOP__EXECUTION__EXIT_METHOD": method,
        **{f"BACKSTOP__EXECUTION__{key}": value for key, value in keys.items()},
    }


def call(*words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def journal_of(system: System) -> list[Any]:
    (path,) = (system.folder / "state").glob("paper/*/main.db")
    return list(read(path))


def run_and_check(system: System, sessions: int) -> list[Any]:
    """Run to the end; the run is clean and its costs add up. Returns main's journal."""
    system.start("--sessions", str(sessions))
    assert system.wait(500.0) == 0, system.terminal()[-3000:]
    result = system.result()
    assert (result["breaks"], result["kill"], result["journal_verified"]) == (0, None, True)
    assert result["fills"] > 0
    records = journal_of(system)
    config = system.folder / "config.yaml"
    assert "equal to the cent" in call("tca", "check", "--config", config)
    assert_filled_within_parents(records)
    return records


def assert_filled_within_parents(records: list[Any]) -> None:
    """No parent and none of its sequels together ever fill more than was wanted."""
    roots: dict[str, str] = {}
    wanted: dict[str, int] = {}
    filled: dict[str, dict[str, int]] = {}
    for record in records:
        payload = record.payload
        if record.kind == "order_intent" and payload["purpose"] != "stop":
            root = str(payload["root_ref"] or payload["order_ref"])
            roots[str(payload["order_ref"])] = root
            wanted.setdefault(root, int(payload["quantity"]))
        elif record.kind == "fill" and payload["order_ref"] in roots:
            parts = filled.setdefault(roots[str(payload["order_ref"])], {})
            parts[base_exec_id(str(payload["exec_id"]))] = int(payload["quantity"])
    assert filled
    for root, parts in filled.items():
        assert sum(parts.values()) <= wanted[root], root


def arrivals(records: list[Any]) -> list[dict[str, Any]]:
    return [record.payload for record in records if record.kind == "arrival"]


def test_the_wheel_chooses_each_order_and_logs_how_likely_that_was(
    make_system: Callable[..., System],
) -> None:
    system = make_system(**overrides("wheel"))
    model = system.folder / "models" / "algo_wheel.json"
    explores = ("--exploration", "1")
    call("ml.bootstrap_algowheel_model", "--output", model, *explores)
    records = run_and_check(system, 2)
    (loaded,) = (record.payload for record in records if record.kind == "model")
    assert loaded["sha256"] is not None
    told = [one for one in arrivals(records) if one["parent_order_ref"] is None]
    assert len({one["method"] for one in told}) > 2
    for one in told:
        assert one["method"] in one["admissible"]
        assert 0 < one["propensity"] <= 1
    assert all(one["propensity"] < 1 for one in told if len(one["admissible"]) > 1)


def test_without_a_model_the_wheel_trades_by_its_safe_default(make_system: Callable[..., System]) -> None:
    records = run_and_check(make_system(**overrides("wheel")), 1)
    assert {one["why"] for one in arrivals(records)} == {"default: there is no model"}
    assert {one["propensity"] for one in arrivals(records)} == {1.0}


@pytest.mark.parametrize("method", [ExecutionMethod.TWAP, ExecutionMethod.MOC])
def test_a_fixed_method_works_every_order_that_it_can(
    make_system: Callable[..., System], method: ExecutionMethod
) -> None:
    records = run_and_check(make_system(**overrides(str(method))), 2)
    told = arrivals(records)
    assert sum(one["method"] == method for one in told) > len(told) / 2
    others = [one for one in told if one["method"] != method]
    assert all("isn't possible" in one["why"] or one["parent_order_ref"] for one in others)


def test_what_rests_too_long_is_crossed_for_its_parent(make_system: Callable[..., System]) -> None:
    system = make_system(**overrides("LMT", METHODS__LIMIT_PLACEMENT="touch", METHODS__WINDOW_S="60"))
    records = run_and_check(system, 2)
    sequels = [one for one in arrivals(records) if one["parent_order_ref"] is not None]
    assert sequels
    assert all(one["method"] == "MKT" and "time of LMT is over" in one["why"] for one in sequels)
