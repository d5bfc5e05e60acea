from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.config_loader import load_settings
from core.flags import FlagFolder
from core.journal import Journal
from core.locks import InstanceLock
from core.records import RecordKind
from paper_gateway.__main__ import _options, make_parser
from paper_gateway.bar_fills import BarModel
from scripts import control, launch
from scripts.options import Action, Options, PaperOptions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def paper_run(tmp_path: Path) -> launch.Run:
    (tmp_path / "config.yaml").write_text("mode: live\naccount_id: U1234567\n")
    loaded = load_settings(tmp_path / "config.yaml", {})
    return launch.plan_run(loaded, tmp_path / "config.yaml", paper=True)


def test_a_paper_run_can_touch_neither_the_live_account_nor_its_book(paper_run: launch.Run) -> None:
    settings = load_settings(
        paper_run.config, launch.build_environment(paper_run, {}, port=4555, symbols=("IBM",))
    ).settings
    assert settings.mode == "paper"
    assert settings.account_id == launch.paper_account(paper_run.run_id)
    assert (settings.broker.host, settings.broker.port) == ("127.0.0.1", 4555)
    assert settings.universe.symbols == ("IBM",)
    assert paper_run.root / settings.paths.state == paper_run.state
    assert paper_run.run_id in settings.paths.state


def test_a_broker_run_overrides_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mode: paper\n")
    loaded = load_settings(tmp_path / "config.yaml", {})
    run = launch.plan_run(loaded, tmp_path / "config.yaml", paper=False)
    environment = launch.build_environment(run, {}, port=None, symbols=())
    assert load_settings(run.config, environment).sha256 == loaded.sha256
    assert run.state == tmp_path / "state"


def test_the_watchdog_of_a_run_knows_no_later_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mode: paper\npaths: {logs: my_logs}\n")
    loaded = load_settings(tmp_path / "config.yaml", {})
    run = launch.keep_config(launch.plan_run(loaded, tmp_path / "config.yaml", paper=False))
    (tmp_path / "config.yaml").write_text("::: half saved")
    assert run.kept_config is not None
    words = launch.build_watchdog(run, {})._arguments
    assert words[-4:] == ["--config", str(run.kept_config), "--root", str(tmp_path)]
    kept = load_settings(run.kept_config, {}, root=tmp_path)
    assert kept.folders == loaded.folders
    assert kept.sha256 == loaded.sha256


def test_a_configuration_that_can_not_be_kept_starts_no_run(paper_run: launch.Run) -> None:
    paper_run.config.unlink()
    with pytest.raises(launch.FolderProblem, match="can't be kept"):
        launch.keep_config(paper_run)


def test_a_limit_given_in_the_environment_holds_in_a_replay_too(paper_run: launch.Run) -> None:
    name = "BACKSTOP__EXECUTION__PRETRADE__MAX_ORDERS_PER_MINUTE"
    free = launch.build_environment(paper_run, {}, port=1, symbols=())
    tight = launch.build_environment(paper_run, {name: "7"}, port=1, symbols=())
    assert int(free[name]) > int(tight[name]) == 7


def test_every_run_signs_with_its_own_key_unless_one_is_given(paper_run: launch.Run) -> None:
    keys = {launch.build_environment(paper_run, {}, port=1, symbols=())["BACKSTOP_IPC_KEY"] for _ in range(3)}
    assert len(keys) == 3
    given = {"BACKSTOP_IPC_KEY": "ab" * 32}
    assert launch.build_environment(paper_run, given, port=1, symbols=())["BACKSTOP_IPC_KEY"] == "ab" * 32


def test_a_missing_flags_folder_is_not_made_but_reported(paper_run: launch.Run) -> None:
    assert not paper_run.flags.exists()
    text = control.describe_standing_flag(FlagFolder(paper_run.flags))
    assert text is not None
    assert "can't be read" in text


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mode: paper\n")
    (tmp_path / "results").touch()
    loaded = load_settings(tmp_path / "config.yaml", {})
    with pytest.raises(launch.FolderProblem, match="results can't be made"):
        launch.plan_run(loaded, tmp_path / "config.yaml", paper=True)


def test_a_flags_folder_that_is_missing_is_made_by_a_human_not_by_rearming(paper_run: launch.Run) -> None:
    assert "mkdir" in FlagFolder(paper_run.flags).present().remedy
    paper_run.flags.mkdir()
    (paper_run.flags / "KILL_NOW.flag").touch()
    assert "--rearm" in FlagFolder(paper_run.flags).present().remedy


def test_the_status_of_a_start_shows_no_heartbeat_of_an_earlier_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text("mode: paper\n")
    loaded = load_settings(tmp_path / "config.yaml", {})
    loaded.folders.make()
    loaded.folders.flags.mkdir(exist_ok=True)
    old = {"run_id": "an-old-run", "monotonic_ns": 1, "phase": "halted", "connection": "ready"}
    (loaded.folders.logs / "main_heartbeat.json").write_text(json.dumps(old))
    with InstanceLock(loaded.folders.control / "system.lock") as lock:
        lock.describe(run_id="this-run")
        assert control.show_status(loaded) == 0
    shown = capsys.readouterr().out
    assert "run this-run" in shown
    assert "main       no heartbeat in this run yet" in shown
    assert "halted" not in shown


def test_the_gateway_fills_by_bars_with_what_a_backtest_assumes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mode: paper\nbacktest: {slippage_bps: 3.5, commission: fixed}\n")
    loaded = load_settings(tmp_path / "config.yaml", {})
    run = launch.plan_run(loaded, tmp_path / "config.yaml", paper=True)
    for model, expected in (("tape", None), ("bar", BarModel(size_s=300, slippage_bps=3.5))):
        words = PaperOptions(fill_model=model)
        gateway = launch.build_gateway(run, words, loaded.settings, ("IBM",), {})
        options = _options(make_parser().parse_args(gateway._arguments[3:]))
        assert options.bar_model == expected
        assert options.commission == ("tiered" if expected is None else "fixed")


def test_rearming_where_nothing_was_killed_says_so_and_writes_nothing(tmp_path: Path, capsys) -> None:
    (tmp_path / "config.yaml").write_text("mode: paper\n")
    loaded = load_settings(tmp_path / "config.yaml", {})
    FlagFolder(loaded.folders.flags).path.mkdir(parents=True)
    options = Options(action=Action.REARM, config=tmp_path / "config.yaml", rearm_reason="checked")
    assert control.rearm(loaded, options, ROOT) == 0
    assert "Nothing to re-arm" in capsys.readouterr().out
    assert not (loaded.folders.control / "watchdog.db").exists()


@pytest.mark.parametrize("flag", [True, False])
def test_rearming_after_a_kill_is_the_watchdogs_whether_its_flag_stands_or_not(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], flag: bool
) -> None:
    (tmp_path / "config.yaml").write_text("mode: paper\n")
    loaded = load_settings(tmp_path / "config.yaml", {})
    folder = FlagFolder(loaded.folders.flags).path
    folder.mkdir(parents=True)
    loaded.folders.control.mkdir(parents=True, exist_ok=True)
    if flag:
        (folder / "KILL_NOW.flag").touch()
    else:
        journal = Journal(
            loaded.folders.control / "watchdog.db", process="t", run_id="r", boot_id="b", clock=SystemClock()
        )
        killed = {"kill_id": "k1", "reason": "kill_now_flag", "detected_monotonic_ns": 1}
        journal.append(RecordKind.KILL_STARTED, killed)
        journal.append(RecordKind.KILL_ENDED, {"kill_id": "k1", "flat": True})
        journal.close()
    options = Options(action=Action.REARM, config=tmp_path / "config.yaml", rearm_reason="checked")
    assert control.rearm(loaded, options, ROOT) == 0
    assert "re-armed: checked" in capfd.readouterr().out
    assert control.rearm(loaded, options, ROOT) == 0
    assert "Nothing to re-arm" in capfd.readouterr().out
