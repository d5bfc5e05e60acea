"""Scenario files, the schedule of faults, and what the command line says about wrong files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ConfigError
from paper_gateway.faults.scenario import Reset, Scenario, Silence, Twice
from paper_gateway.faults.scenario_file import load_scenario
from paper_gateway.faults.schedule import Schedule

ROOT = Path(__file__).resolve().parents[2]
READY = sorted((ROOT / "paper_gateway" / "faults" / "scenarios").glob("*.yaml"))


def scenario(*faults: dict[str, object]) -> Scenario:
    return Scenario.model_validate({"description": "test", "faults": list(faults)})


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_every_ready_scenario_loads_and_is_described(path: Path) -> None:
    assert load_scenario(path).faults
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert f"| `{path.name}` |" in page
    for fault in load_scenario(path).faults:
        assert f"| `{fault.kind}` |" in page


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "description: x\nfaults:\n  - kind: callbacks\n    drp: 0.5\n    drop: 1.5\n  - kind: calbacks\n"
        "  - kind: reset\n    after_s: [3, 1]\n  - {kind: hold, reason: none}\nextra: 1\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    said = str(caught.value)
    for text in (
        "line 4: faults[0].drp: unknown key; did you mean drop?",
        "line 5: faults[0].drop: 1.5 can't be used",
        "faults[1].kind: 'calbacks' is no kind of fault; did you mean callbacks?",
        "the low end 3 is above the high end 1",
        "faults[3].reason: 'none'",
        "extra: unknown key",
    ):
        assert text in said, said


@pytest.mark.parametrize("content", [None, "", "[]", "description: x", "description: x\nfaults: []", ": : :"])
def test_a_file_that_is_no_scenario_ends_the_gateway_with_a_sentence(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "scenario.yaml"
    if content is not None:
        path.write_text(content)
    command = [sys.executable, "-m", "paper_gateway", "--port", "0", "--faults", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("paper_gateway: ")
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fault_begins_ends_and_comes_again() -> None:
    faults = scenario({"kind": "twice", "after_s": 2, "for_s": 1, "repeat": 2}).faults
    schedule = Schedule(faults, seed=1)
    assert schedule.advance(100.0) == [], "nobody has connected"
    schedule.connected(100.0)
    assert schedule.advance(101.9) == []
    assert [change.began for change in schedule.advance(102.0)] == [True]
    assert schedule.active(Twice)
    assert [change.began for change in schedule.advance(103.0)] == [False]
    assert not schedule.active(Twice)
    assert [change.began for change in schedule.advance(105.0)] == [True]
    schedule.advance(106.0)
    assert schedule.advance(1000.0) == [], "twice was all"


def test_a_fault_counts_the_orders_of_its_clients() -> None:
    faults = scenario({"kind": "reset", "after_orders": 2, "clients": [1]}).faults
    schedule = Schedule(faults, seed=1)
    for client_id in (2, 1, 2):
        schedule.ordered(client_id)
    assert schedule.advance(1.0) == []
    schedule.ordered(1)
    assert [change.began for change in schedule.advance(1.0)] == [True, False], "a reset happens and is over"


def test_a_control_file_begins_and_ends_a_fault_as_often_as_it_comes() -> None:
    standing: set[str] = set()
    faults = scenario({"kind": "silence", "control": "quiet"}).faults
    schedule = Schedule(faults, seed=1, stands=standing.__contains__)
    for _ in range(3):
        standing.add("quiet")
        assert [change.began for change in schedule.advance(1.0)] == [True]
        assert schedule.active(Silence, 7)
        standing.clear()
        assert [change.began for change in schedule.advance(2.0)] == [False]


def test_the_seed_decides_and_no_fault_moves_another() -> None:
    spans: list[dict[str, object]] = [{"kind": "reset", "after_s": [0.5, 9]}] * 2

    def beginnings(seed: int, count: int) -> list[float]:
        schedule = Schedule(scenario(*spans[:count]).faults, seed=seed)
        schedule.connected(0.0)
        return [entry.begins_s for entry in schedule._entries]

    assert beginnings(7, 2) == beginnings(7, 2)
    assert beginnings(7, 2) != beginnings(8, 2)
    assert beginnings(7, 2)[:1] == beginnings(7, 1)


def test_a_fault_has_one_beginning() -> None:
    with pytest.raises(ValueError, match="give one of after_s, after_orders and control"):
        scenario({"kind": "reset", "after_s": 1, "control": "x"})
    assert Reset.model_validate({"kind": "reset", "after_orders": 3}).after_orders == [3, 3]
