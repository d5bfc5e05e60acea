"""A start of main has a change's parameters by its time and by what it read: neither alone is enough."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

import pytest

from core.clock import ManualClock, SystemClock
from core.config_loader import load_settings
from core.journal import Journal
from core.kernel import PROJECT_ROOT
from core.records import RecordKind
from core.restrictions import RestrictionFolder
from governance.changes import finish_interrupted, judge_probations, roll_back
from governance.journal import open_journal
from governance.parameters import ParameterFile, done_ns, last_change
from governance.starts import starts_of
from tests.governance.killing import kill_when

BAND = {"sessions": 2, "low": [-0.01, -0.01], "high": [0.01, 0.01]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An installation with a promotion."""
    (tmp_path / "config.yaml").write_bytes((PROJECT_ROOT / "config.yaml").read_bytes())
    promote(tmp_path)
    return tmp_path


def promote(root: Path) -> None:
    loaded = load_settings(root / "config.yaml", {})
    with open_journal(root / "state", SystemClock(), "test") as journal:
        ParameterFile(loaded=loaded, journal=journal, clock=SystemClock()).promote(
            "momentum",
            {"fast_window": 30},
            evidence_sha256="e",
            user="eva",
            reason="x",
            probation=BAND,
            change_id="one",
        )


def settings_hash(root: Path) -> str:
    return load_settings(root / "config.yaml", {}).sha256


def start(root: Path, config_sha256: str | None, *, late_s: float = 60) -> None:
    """Journal a start of main as it does, so many seconds from now by its clock."""
    clock = ManualClock(wall_ns=SystemClock().now_ns() + int(late_s * 1e9))
    journal = Journal(root / "state" / "main.db", process="main", run_id="r", boot_id="b", clock=clock)
    known = {} if config_sha256 is None else {"config_sha256": config_sha256}
    journal.append(RecordKind.RUN_STARTED, {"process": "main", **known})
    journal.close()


def count(root: Path) -> int:
    control = root / "state"
    change = last_change(control, "momentum")
    assert change is not None
    return len(list(starts_of(control / "main.db", change, done_ns(control, change))))


def nightly(root: Path) -> list[str]:
    said: list[str] = []
    judge_probations(load_settings(root / "config.yaml", {}), None, said.append)
    return said


def scale(root: Path) -> float:
    return RestrictionFolder(root / "state", SystemClock()).standing().scale_of("momentum")


def test_a_start_that_read_the_file_before_the_rollback_does_not_end_half_risk(root: Path):
    promoted = settings_hash(root)
    roll_back(load_settings(root / "config.yaml", {}), "momentum", "it lost", lambda _line: None)
    assert count(root) == 0
    start(root, promoted)  # it had read the file already, and journals late
    assert count(root) == 0
    assert "until main has started" in nightly(root)[0]
    assert scale(root) == 0.5
    start(root, settings_hash(root), late_s=120)
    assert count(root) == 1
    nightly(root)
    assert scale(root) == 1.0


def test_a_start_before_the_change_does_not_count_whatever_it_read(root: Path):
    start(root, settings_hash(root), late_s=-3600)
    assert count(root) == 0


def test_records_without_the_hash_go_by_the_time_alone(root: Path):
    start(root, None)
    assert count(root) == 1


def test_half_risk_of_a_promotion_that_was_given_up_is_told_and_left_to_a_person(tmp_path: Path):
    path = tmp_path / "config.yaml"
    text = (PROJECT_ROOT / "config.yaml").read_text()
    path.write_text(text)
    kill_when(
        lambda: scale(tmp_path) == 0.5 and path.read_text() == text,
        lambda: promote(tmp_path),
        lambda: rmtree(tmp_path / "state", ignore_errors=True),
    )
    path.write_text(text.replace("fast_window: 20", "fast_window: 21"))
    finish_interrupted(load_settings(path, {}), lambda _line: None)
    start(tmp_path, settings_hash(tmp_path))
    assert "python -m scripts.restrictions clear probation.momentum" in nightly(tmp_path)[0]
    assert scale(tmp_path) == 0.5
