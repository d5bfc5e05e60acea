"""Restrictions: the most restrictive wins, and what can't be read restricts everything."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.restrictions import RestrictionError, RestrictionFolder

NOON_NS = 1_700_049_600_000_000_000  # 2023-11-15 12:00 UTC


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(wall_ns=NOON_NS)


@pytest.fixture
def folder(tmp_path: Path, clock: ManualClock) -> RestrictionFolder:
    return RestrictionFolder(tmp_path, clock)


def test_where_nobody_has_restricted_anything_nothing_is(folder):
    assert folder.standing().restrictions == ()
    assert folder.standing().scale_of("momentum") == 1.0


def test_the_most_restrictive_one_wins_and_others_strategies_are_left_alone(folder):
    folder.put("drift.momentum", strategy="momentum", scale=0.5, reason="drift")
    folder.put("note", strategy=None, scale=1.0, reason="only a note")
    assert folder.standing().scales_of(["momentum", "pairs"]) == {"momentum": 0.5, "pairs": 1.0}
    folder.put("operator", strategy=None, scale=0.0, reason="holiday")
    assert folder.standing().scales_of(["momentum", "pairs"]) == {"momentum": 0.0, "pairs": 0.0}


def test_a_source_replaces_its_own_and_keeps_its_beginning_while_the_scale_stands(folder, clock):
    first = folder.put("drift", strategy=None, scale=0.5, reason="PSI 0.26")
    clock.advance(3600)
    again = folder.put("drift", strategy=None, scale=0.5, reason="PSI 0.31")
    assert (again.since, again.reason) == (first.since, "PSI 0.31")
    stricter = folder.put("drift", strategy=None, scale=0.0, reason="PSI 0.6")
    assert stricter.since > first.since
    assert folder.standing().restrictions == (stricter,)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b'{"restriction": {}, "sha256": ""}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_stops_all_new_risk(folder, damage: bytes):
    folder.put("drift", strategy="momentum", scale=1.0, reason="a note")
    (folder.path / "drift.json").write_bytes(damage)
    standing = folder.standing()
    assert standing.scale_of("anything") == 0.0
    assert "drift.json" in standing.restrictions[0].reason


@pytest.mark.parametrize(("key", "value"), [("scale", 1.0), ("strategy", "other"), ("reason", "x")])
def test_a_file_that_was_changed_by_hand_stops_all_new_risk(folder, key: str, value: object):
    folder.put("drift", strategy="momentum", scale=0.5, reason="drift")
    path = folder.path / "drift.json"
    body = json.loads(path.read_text())
    body["restriction"][key] = value
    path.write_text(json.dumps(body))
    assert folder.standing().scale_of("momentum") == 0.0
    assert "SHA-256" in folder.standing().restrictions[0].reason


def test_a_copy_under_another_name_a_stray_file_a_folder_and_a_pipe_stop_all_new_risk(folder):
    folder.put("drift", strategy="momentum", scale=1.0, reason="a note")
    path = folder.path / "drift.json"
    for name, make in (
        ("other.json", lambda at: at.write_bytes(path.read_bytes())),
        ("notes.txt", lambda at: at.touch()),
        ("folder.json", lambda at: at.mkdir()),
        ("pipe.json", os.mkfifo),
        ("link.json", lambda at: at.symlink_to(path)),
    ):
        made = folder.path / name
        make(made)
        assert folder.standing().scale_of("momentum") == 0.0, name
        made.rmdir() if made.is_dir() else made.unlink()
    assert folder.standing().scale_of("momentum") == 1.0


def test_a_folder_that_cannot_be_looked_into_stops_all_new_risk(folder):
    folder.path.write_text("a file where the folder should be")
    assert folder.standing().scale_of("momentum") == 0.0


def test_a_write_that_was_cut_off_leaves_the_old_restriction(folder):
    folder.put("drift", strategy="momentum", scale=0.5, reason="drift")
    (folder.path / ".drift.json.0123456789ab.tmp").write_bytes(b'{"restr')
    assert folder.standing().scales_of(["momentum", "pairs"]) == {"momentum": 0.5, "pairs": 1.0}


def test_clearing_needs_a_reason_and_leaves_a_record(folder):
    folder.put("drift", strategy="momentum", scale=0.5, reason="drift")
    with pytest.raises(RestrictionError, match="say why"):
        folder.clear("drift", user="eva", reason=" ")
    with pytest.raises(RestrictionError, match="standing: drift"):
        folder.clear("../drift", user="eva", reason="x")
    folder.clear("drift", user="eva", reason="the feed was mended")
    assert folder.standing().restrictions == ()
    note = json.loads(next((folder.path / "archive").glob("*.cleared")).read_text())
    assert (note["user"], note["reason"]) == ("eva", "the feed was mended")
    assert json.loads(note["restriction"])["scale"] == 0.5
    assert list((folder.path / "archive").glob("drift.*.json"))


def test_what_cannot_be_read_can_be_cleared_by_the_name_that_the_list_shows(folder):
    folder.path.mkdir()
    (folder.path / "Odd name.txt").touch()
    shown = folder.standing().restrictions[0].source
    folder.clear(shown, user="eva", reason="a stray file")
    assert folder.standing().restrictions == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "../x"},
        {"source": ""},
        {"strategy": ""},
        {"scale": 0.7},
        {"scale": float("nan")},
        {"scale": -1.0},
        {"reason": " "},
    ],
)
def test_what_makes_no_sense_is_not_written(folder, wrong):
    good = {"source": "drift", "strategy": "momentum", "scale": 0.5, "reason": "drift"}
    with pytest.raises(RestrictionError):
        folder.put(**(good | wrong))
    assert folder.standing().restrictions == ()
