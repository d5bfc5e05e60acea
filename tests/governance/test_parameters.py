"""Promotion and rollback: the file is the old or the new one whatever happens, and the next run completes what was begun."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree

import pytest

from core.clock import SystemClock
from core.config_loader import LoadedSettings, load_settings
from core.errors import ConfigError
from core.journal import read, verify
from core.kernel import PROJECT_ROOT
from core.restrictions import RestrictionFolder
from governance.config_edit import parameters_in, with_parameters
from governance.journal import FILE_NAME, open_journal
from governance.parameters import (
    NothingToRollBack,
    ParameterFile,
    PromotionRefused,
    done_ns,
    last_change,
    source_of,
    standing_promotion,
    unfinished,
)
from tests.governance.killing import kill_when, run_killed_at

AFTER = {"fast_window": 30, "slow_window": 150}
BAND = {"sessions": 3, "low": [-0.01, -0.02, -0.03], "high": [0.01, 0.02, 0.03]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_bytes((PROJECT_ROOT / "config.yaml").read_bytes())
    (tmp_path / "config.yaml").chmod(0o640)
    return tmp_path


def loaded(root: Path) -> LoadedSettings:
    return load_settings(root / "config.yaml", {})


def momentum(root: Path) -> dict[str, int | float]:
    return next(one.parameters for one in loaded(root).settings.strategies if one.name == "momentum")


def promote(
    root: Path,
    change_id: str = "one",
    after: Mapping[str, int | float] = AFTER,
    judged: LoadedSettings | None = None,
) -> None:
    with open_journal(root / "state", SystemClock(), "test") as journal:
        ParameterFile(loaded=judged or loaded(root), journal=journal, clock=SystemClock()).promote(
            "momentum",
            after,
            evidence_sha256="e" * 64,
            user="eva",
            reason="all rules are met",
            probation=BAND,
            change_id=change_id,
        )


def roll_back(root: Path) -> None:
    with open_journal(root / "state", SystemClock(), "test") as journal:
        ParameterFile(loaded=loaded(root), journal=journal, clock=SystemClock()).roll_back(
            "momentum", user="eva", reason="it lost"
        )


def finish(root: Path) -> int:
    with open_journal(root / "state", SystemClock(), "test") as journal:
        return len(
            ParameterFile(loaded=loaded(root), journal=journal, clock=SystemClock()).finish_interrupted()
        )


def scale(root: Path) -> float:
    return RestrictionFolder(root / "state", SystemClock()).standing().scale_of("momentum")


# --- the text ---


def test_only_the_values_change_and_every_comment_stays(root: Path):
    before = (root / "config.yaml").read_text()
    after = with_parameters(before, "momentum", AFTER)
    changed = [
        (old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new
    ]
    assert changed == [
        ("      fast_window: 20 # bars, 2 to 500", "      fast_window: 30 # bars, 2 to 500"),
        (
            "      slow_window: 100 # bars, above fast_window",
            "      slow_window: 150 # bars, above fast_window",
        ),
    ]
    assert parameters_in(after, "momentum") == AFTER
    assert with_parameters(after, "momentum", parameters_in(before, "momentum")) == before


@pytest.mark.parametrize(
    "entry",
    [
        "  - name: pairs\n    weight: 0.1\n    pairs: [[KO, PEP]]\n",
        "  - name: pairs\n    parameters:\n      window: 60 # bars\n    weight: 0.1\n",
        "  - weight: 0.1\n    name: pairs",
    ],
)
def test_parameters_that_the_file_does_not_name_are_put_in(entry: str):
    text = with_parameters(f"strategies:\n{entry}", "pairs", {"window": 90, "entry": 2.5})
    assert parameters_in(text, "pairs") == {"window": 90, "entry": 2.5}
    assert text.count("parameters:") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("strategies:\n  - name: momentum\n    parameters: {fast_window: 20}\n", "line of its own"),
        ("strategies:\n  - name: momentum\n    parameters: {slow_window: 90}\n", "not in braces"),
        ("strategies: [{name: momentum, parameters: {fast_window: 20}}]\n", "line of its own"),
        ("strategies:\n  - name: donchian\n", "no entry named momentum"),
        ("strategies: [\n", "not valid YAML"),
        ("", "no entry named momentum"),
    ],
)
def test_what_cannot_be_changed_safely_is_refused(text: str, said: str):
    with pytest.raises(ConfigError, match=said):
        with_parameters(text, "momentum", {"fast_window": 30})


# --- the file ---


def test_a_promotion_is_recorded_restricted_and_can_be_taken_back_to_the_byte(root: Path):
    before = (root / "config.yaml").read_bytes()
    promote(root)
    assert momentum(root) == AFTER
    assert (root / "config.yaml").stat().st_mode & 0o777 == 0o640
    assert scale(root) == 0.5
    change = standing_promotion(root / "state", "momentum")
    assert change is not None
    assert (change.user, change.reason, change.evidence_sha256) == ("eva", "all rules are met", "e" * 64)
    assert (dict(change.before), dict(change.after)) == ({"fast_window": 20, "slow_window": 100}, AFTER)
    assert change.config_before == hashlib.sha256(before).hexdigest()
    assert done_ns(root / "state", change) > 0
    roll_back(root)
    assert (root / "config.yaml").read_bytes() == before
    assert standing_promotion(root / "state", "momentum") is None
    assert scale(root) == 0.5  # a main that runs still has what was taken back
    with pytest.raises(NothingToRollBack):
        roll_back(root)
    assert verify(root / "state" / FILE_NAME).ok


def test_a_rollback_keeps_what_somebody_has_changed_since(root: Path):
    promote(root)
    path = root / "config.yaml"
    path.write_text(path.read_text().replace("max_positions: 20", "max_positions: 7 # mine"))
    roll_back(root)
    assert momentum(root) == {"fast_window": 20, "slow_window": 100}
    assert "max_positions: 7 # mine" in path.read_text()


def test_parameters_that_the_strategy_refuses_never_reach_the_file(root: Path):
    before = (root / "config.yaml").read_bytes()
    with open_journal(root / "state", SystemClock(), "test") as journal, pytest.raises(ConfigError):
        ParameterFile(loaded=loaded(root), journal=journal, clock=SystemClock()).promote(
            "momentum",
            {"fast_window": 200, "slow_window": 100},
            evidence_sha256="",
            user="eva",
            reason="x",
            probation={},
            change_id="one",
        )
    assert (root / "config.yaml").read_bytes() == before
    assert unfinished(root / "state") == []


def all_files(root: Path) -> dict[str, bytes]:
    """Everything below a folder but the locks of journals."""
    return {
        str(path): path.read_bytes() for path in root.rglob("*") if path.is_file() and "-shm" not in path.name
    }


def clear(root: Path) -> None:
    RestrictionFolder(root / "state", SystemClock()).clear(source_of("momentum"), user="eva", reason="a test")


def test_nothing_is_promoted_over_parameters_that_are_on_probation_or_that_main_may_still_have(root: Path):
    promote(root)
    for _again in range(2):
        before = all_files(root)
        with pytest.raises(PromotionRefused, match=r"restricted by probation\.momentum"):
            promote(root, "two", {"fast_window": 40})
        assert all_files(root) == before
        if standing_promotion(root / "state", "momentum") is not None:
            roll_back(root)  # and still: a main that runs has what was taken back
    clear(root)
    promote(root, "two", {"fast_window": 40})
    assert momentum(root)["fast_window"] == 40


@pytest.mark.parametrize(
    ("old", "new", "section"),
    [
        ("risk_per_trade: 0.01", "risk_per_trade: 0.02", "sizing"),
        ("half_spread_bps: 1", "half_spread_bps: 0.5", "backtest"),
        ("exit_level: 50", "exit_level: 45", "strategies"),
    ],
)
def test_a_configuration_that_was_edited_since_it_was_judged_gets_nothing(
    root: Path, old: str, new: str, section: str
):
    judged, path = loaded(root), root / "config.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    before = all_files(root)
    with pytest.raises(PromotionRefused, match=rf"changed while .* \({section}\)"):
        promote(root, judged=judged)
    assert all_files(root) == before | all_files(root / "state")
    assert standing_promotion(root / "state", "momentum") is None
    path.write_text(text + "# a comment changes nothing\n")
    promote(root, judged=load_settings(path, {"BACKSTOP__BACKTEST__CASH": "5000"}))
    assert momentum(root) == AFTER


def test_a_kept_file_that_was_changed_is_not_brought_back(root: Path):
    promote(root)
    now = (root / "config.yaml").read_bytes()
    change = standing_promotion(root / "state", "momentum")
    assert change is not None
    kept = root / "state" / "config_versions" / f"{change.config_before}.yaml"
    kept.write_text(kept.read_text().replace("risk_per_trade: 0.01", "risk_per_trade: 0.9"))
    with pytest.raises(ConfigError, match="content has changed since it was kept"):
        roll_back(root)
    assert (root / "config.yaml").read_bytes() == now
    assert unfinished(root / "state") == []


def test_what_would_make_a_start_with_the_old_parameters_known_is_kept_with_the_change(root: Path):
    old = loaded(root).sha256
    promote(root)
    new = loaded(root).sha256
    change = standing_promotion(root / "state", "momentum")
    assert change is not None
    assert list(change.effective_before) == [old]
    roll_back(root)
    back = last_change(root / "state", "momentum")
    assert back is not None
    assert list(back.effective_before) == [new]


def test_a_rollback_to_what_somebody_has_put_back_already_knows_no_old_start(root: Path):
    before = (root / "config.yaml").read_bytes()
    promote(root)
    (root / "config.yaml").write_bytes(before)
    roll_back(root)
    back = last_change(root / "state", "momentum")
    assert back is not None
    assert list(back.effective_before) == []


# --- kill -9 ---


def test_killed_at_any_moment_of_a_promotion_the_file_is_old_or_new_and_the_next_run_completes(
    tmp_path: Path,
):
    killed = completed = 0
    for moment in range(200):
        root = tmp_path / str(moment)
        root.mkdir()
        (root / "config.yaml").write_bytes((PROJECT_ROOT / "config.yaml").read_bytes())
        old = (root / "config.yaml").read_text()
        new = with_parameters(old, "momentum", AFTER)
        if not run_killed_at(moment, lambda root=root: promote(root)):  # type: ignore[misc]
            break
        killed += 1
        found = (root / "config.yaml").read_text()
        assert found in {old, new}
        if found == new:  # it never trades the new ones at full risk
            assert scale(root) == 0.5
        begun = len(unfinished(root / "state"))
        assert finish(root) == begun
        completed += begun
        stands = standing_promotion(root / "state", "momentum") is not None
        assert momentum(root) == (AFTER if stands else {"fast_window": 20, "slow_window": 100})
        assert scale(root) == (0.5 if stands else 1.0)
        assert stands or not begun
        assert unfinished(root / "state") == []
        assert verify(root / "state" / FILE_NAME).ok
        assert (
            not list(root.glob(".config.yaml.*")) or found == old
        )  # a torn temporary file is no configuration
    assert killed > 15
    assert completed > 5


def test_killed_at_any_moment_of_a_rollback_the_next_run_completes(tmp_path: Path):
    killed = 0
    for moment in range(200):
        root = tmp_path / str(moment)
        root.mkdir()
        (root / "config.yaml").write_bytes((PROJECT_ROOT / "config.yaml").read_bytes())
        old = (root / "config.yaml").read_text()
        promote(root)
        new = (root / "config.yaml").read_text()
        if not run_killed_at(moment, lambda root=root: roll_back(root)):  # type: ignore[misc]
            break
        killed += 1
        assert (root / "config.yaml").read_text() in {old, new}
        assert scale(root) == 0.5
        finish(root)
        change = last_change(root / "state", "momentum")
        assert change is not None
        assert (root / "config.yaml").read_text() == (old if change.kind == "rollback" else new)
        assert unfinished(root / "state") == []
    assert killed > 8


def kill_when_begun(root: Path, *, written: bool) -> None:
    """Kill a promotion that has begun (or has also written the file)."""
    kill_when(
        lambda: bool(unfinished(root / "state")) and (momentum(root) == AFTER) == written,
        lambda: promote(root),
        lambda: rmtree(root / "state", ignore_errors=True),
    )


def test_what_somebody_wrote_between_a_kill_and_the_next_run_stands(root: Path):
    kill_when_begun(root, written=False)
    path = root / "config.yaml"
    path.write_text(path.read_text().replace("max_positions: 20", "max_positions: 7"))
    mine = path.read_bytes()
    assert finish(root) == 0
    assert path.read_bytes() == mine
    assert unfinished(root / "state") == []
    steps = [record.payload["step"] for record in read(root / "state" / FILE_NAME)]
    assert steps == ["begun", "abandoned"]


def test_a_new_file_that_somebody_has_edited_after_a_kill_is_on_probation_all_the_same(root: Path):
    kill_when_begun(root, written=True)
    path = root / "config.yaml"
    path.write_text(path.read_text().replace("max_positions: 20", "max_positions: 7"))
    mine = path.read_bytes()
    assert finish(root) == 1
    assert path.read_bytes() == mine
    assert standing_promotion(root / "state", "momentum") is not None
    assert scale(root) == 0.5


def test_a_change_whose_kept_file_was_changed_after_a_kill_is_not_finished(root: Path):
    kill_when_begun(root, written=False)
    before = (root / "config.yaml").read_bytes()
    (change,) = unfinished(root / "state")
    kept = root / "state" / "config_versions" / f"{change.config_after}.yaml"
    kept.write_text(kept.read_text().replace("fast_window: 30", "fast_window: 31"))
    with pytest.raises(ConfigError, match="content has changed since it was kept"):
        finish(root)
    assert (root / "config.yaml").read_bytes() == before
    path = root / "config.yaml"  # the way out that the message names
    path.write_text(path.read_text().replace("fast_window: 20", "fast_window: 21"))
    assert finish(root) == 0
    assert unfinished(root / "state") == []


def test_a_restriction_is_named_after_the_strategy():
    assert source_of("momentum") == "probation.momentum"
