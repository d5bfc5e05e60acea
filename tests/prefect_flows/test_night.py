"""A night: what each step does with good and bad sources, what is retried, left out and recorded, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml

from core.clock import SystemClock
from core.config_loader import load_settings
from core.errors import RetryLater
from core.exit_codes import ExitCode
from core.locks import InstanceLock
from data.bar_table import DataError
from feature_repo.tables import cost_table
from feature_repo.work import feature_calendar
from features.snapshot import read_snapshot
from ml import bootstrap_algowheel_model
from ml.reference import Reference
from ml.registry.writer import add_version, model_bytes, promote
from portfolio.algo_wheel.model_file import read_model
from portfolio.veto.manifest import MODEL_FILE, REFERENCE_FILE
from prefect_flows import artefacts, steps, training
from prefect_flows.environment import prepare
from prefect_flows.night import Night, State, Step, run_all, run_step
from prefect_flows.plain import locked_night, run_plain
from prefect_flows.training import NOTES_NAME, TrainingFailed, drift, is_due, month, retrain, week
from tca.feature_etl import COST_FEATURES
from tca.generator import generate
from tca.store import TcaStore, database_path
from tests.gateway import running_gateway
from tests.veto_models import FEATURES, hand_manifest, hand_model, signals

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config.yaml"
DAY = date(2013, 2, 15)


@pytest.fixture
def environ(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKSTOP__PATHS__CONTROL", str(tmp_path / "control"))
    monkeypatch.setenv("BACKSTOP__PATHS__STATE", str(tmp_path / "state"))
    monkeypatch.setenv("BACKSTOP__PATHS__RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("BACKSTOP__NIGHTLY__RETRY_S", "0.001")
    monkeypatch.setenv("BACKSTOP__NIGHTLY__RETRAIN", "'off'")
    return monkeypatch


@pytest.fixture
def night(environ) -> Night:
    return Night(load_settings(CONFIG, os.environ), SystemClock(), day=DAY)


def said(lines):
    return "\n".join(lines)


def test_a_passing_failure_is_tried_again_where_that_is_safe_and_nowhere_else(night):
    calls: list[str] = []

    def fails_twice(_night):
        calls.append("x")
        if len(calls) < 3:
            raise RetryLater("locked")
        return "well"

    lines: list[str] = []
    done = run_step(Step(name="a", run=fails_twice, is_retried=True), night, lines.append)
    assert (done.state, done.tries, done.text) == (State.DONE, 3, "well")
    assert "a: locked; again in 0 s" in lines
    calls.clear()
    once = run_step(Step(name="b", run=fails_twice), night, lines.append)
    assert (once.state, once.tries, once.exit_code) == (State.FAILED, 1, ExitCode.INTERNAL_ERROR)

    def always(_night):
        calls.append("y")
        raise RetryLater("still locked")

    calls.clear()
    given_up = run_step(Step(name="c", run=always, is_retried=True), night, lines.append)
    assert (given_up.state, given_up.tries, len(calls)) == (State.FAILED, 4, 4)

    def wrong(_night):
        calls.append("z")
        raise DataError(["bad bars"])

    calls.clear()
    refused = run_step(Step(name="d", run=wrong, is_retried=True), night, lines.append)
    assert (refused.tries, refused.exit_code, refused.text) == (1, ExitCode.USAGE, "FAILED: bad bars")


def test_a_failure_leaves_out_what_needs_it_and_nothing_else(night):
    def fail(_night):
        raise OSError("disk full")

    order: list[str] = []

    def does(name):
        def run(_night):
            order.append(name)
            return name

        return run

    chain = {
        step.name: step
        for step in (
            Step(name="first", run=fail),
            Step(name="second", run=does("second"), needs=("first",)),
            Step(name="third", run=does("third"), needs=("second",)),
            Step(name="other", run=does("other")),
        )
    }
    assert run_all(chain, night, lambda _line: None) == ExitCode.INTERNAL_ERROR
    assert order == ["other"]
    assert [one.state for one in night.outcomes.values()] == ["failed", "left_out", "left_out", "done"]
    assert night.outcomes["third"].text == "left out: second wasn't done"


def test_a_defect_of_ours_is_not_hidden_in_a_record(night):
    def defect(_night):
        raise AttributeError("oops")

    with pytest.raises(AttributeError):
        run_step(Step(name="a", run=defect), night, lambda _line: None)


def test_a_source_that_isnt_there_ends_the_night_with_2_and_touches_no_snapshot(environ, tmp_path):
    lines: list[str] = []
    code = run_plain(CONFIG, DAY, str(tmp_path / "nowhere"), replace=False, tell=lines.append)
    assert code == ExitCode.USAGE
    assert "fetch: FAILED" in said(lines)
    assert "publish: left out: materialise wasn't done" in said(lines)
    assert not (tmp_path / "control" / "features").exists()


def test_a_session_without_bars_publishes_nothing(environ, tmp_path):
    lines: list[str] = []
    code = run_plain(CONFIG, date(2013, 3, 8), None, replace=False, tell=lines.append)
    assert code == ExitCode.USAGE
    assert "no bar of the session: AAPL, FB, GOOG, IBM, MSFT" in said(lines)
    assert "compute: FAILED: no symbol has a bar of the session of 2013-03-08" in said(lines)
    record = json.loads((tmp_path / "results" / "nightly" / "2013-03-08" / "run.json").read_text())
    assert [one["state"] for one in record["steps"]][:4] == ["done", "done", "failed", "left_out"]


def test_two_nights_at_once_and_a_wrong_configuration_are_refused(environ, tmp_path, capsys):
    with InstanceLock(tmp_path / "control" / "nightly.lock"):
        assert run_plain(CONFIG, DAY, None, replace=False) == ExitCode.ALREADY_RUNNING
    environ.setenv("BACKSTOP__NIGHTLY__RETRIES", "-1")
    assert run_plain(CONFIG, DAY, None, replace=False) == ExitCode.USAGE
    assert "retries" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["source", "training_source"])
def test_a_configured_source_that_cant_be_there_is_refused_before_anything_is_done(
    environ, tmp_path, capsys, key
):
    config = tmp_path / "config.yaml"
    config.write_text(f"nightly:\n  {key}: nowhere\n")
    lines: list[str] = []
    assert run_plain(config, DAY, None, replace=False, tell=lines.append) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert f"{config}: nightly.{key}: 'nowhere' is not allowed: must be " in said
    assert "packaged, skfolio, a folder or file of bars, or a store" in said
    environ.setenv(f"BACKSTOP__NIGHTLY__{key.upper()}", "none.duckdb@ib,1d")
    assert run_plain(config, DAY, None, replace=False, tell=lines.append) == ExitCode.USAGE
    assert (
        f"environment BACKSTOP__NIGHTLY__{key.upper()}: nightly.{key}: 'none.duckdb"
        in capsys.readouterr().err
    )
    assert lines == []
    assert not (tmp_path / "control").exists()


def test_the_store_that_the_first_night_makes_may_be_trained_on(environ, tmp_path):
    environ.setenv("BACKSTOP__NIGHTLY__SOURCE", "ib")
    environ.setenv("BACKSTOP__NIGHTLY__TRAINING_SOURCE", f"{tmp_path}/state/history.duckdb@ib,1d")
    with locked_night(CONFIG, DAY, None, replace=False) as night:
        assert not night.store_path.exists()


@pytest.mark.parametrize(
    ("day", "text"), [(date(2013, 2, 23), "no session"), (date(2035, 1, 3), "isn't over")]
)
def test_a_date_that_is_no_session_is_refused_and_leaves_no_folder(environ, tmp_path, capsys, day, text):
    assert run_plain(CONFIG, day, None, replace=False) == ExitCode.USAGE
    assert "--session: " in (said := capsys.readouterr().err)
    assert text in said
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "control").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_night_with_the_broker_downloads_at_its_pace_and_publishes(environ, tmp_path):
    environ.setenv("BACKSTOP__NIGHTLY__FIRST_SESSION", "2011-11-01")
    environ.setenv("BACKSTOP__UNIVERSE__SYMBOLS", "[AAPL, IBM]")
    lines: list[str] = []
    with running_gateway("--start", "2012-12-03", "--speed", "1") as gateway:
        environ.setenv("BACKSTOP__BROKER__PORT", str(gateway.port))
        code = run_plain(CONFIG, date(2012, 11, 30), "ib", replace=False, tell=lines.append)
        assert code == ExitCode.CLEAN, said(lines)
        snapshot = read_snapshot(tmp_path / "control" / "features" / "snapshot.json")
        assert set(snapshot.rows) == {"AAPL", "IBM"}
        assert snapshot.rows["IBM"].values["sma_200"] is not None
        environ.setenv("BACKSTOP__NIGHTLY__RETRIES", "0")
        again = run_plain(CONFIG, date(2012, 11, 30), "ib", replace=False, tell=lines.append)
    assert again == ExitCode.CLEAN
    assert "it stood already" in said(lines)


def test_a_broker_that_is_away_is_told_by_exit_code_6(night, environ):
    environ.setattr(steps, "_download", lambda _night: ExitCode.BROKER_REFUSED)
    night.source_name = "ib"
    assert run_all({"fetch": steps.STEPS["fetch"]}, night, lambda _line: None) == ExitCode.BROKER_REFUSED
    assert night.outcomes["fetch"].tries == 4
    assert night.outcomes["fetch"].text == "FAILED: no broker at 127.0.0.1:4002"


def test_models_are_trained_at_the_end_of_their_period_and_after_a_missed_one():
    calendar = feature_calendar("XNYS")
    wednesday, thursday, friday = date(2012, 11, 21), date(2013, 3, 28), date(2012, 11, 23)
    assert is_due(week, wednesday, calendar, None)
    assert not is_due(week, wednesday, calendar, week(wednesday) - 1)
    assert is_due(week, wednesday, calendar, week(wednesday) - 2)
    assert is_due(week, friday, calendar, week(friday) - 1)
    assert not is_due(week, friday, calendar, week(friday))
    assert is_due(week, thursday, calendar, week(thursday) - 1)  # Good Friday is no session
    assert is_due(month, thursday, calendar, month(thursday) - 1)
    assert not is_due(month, date(2013, 3, 27), calendar, month(thursday) - 1)
    assert month(date(2013, 1, 2)) - month(date(2012, 12, 31)) == 1
    assert week(date(2013, 1, 7)) - week(date(2012, 12, 31)) == 1


def test_without_models_the_training_says_so_and_notes_nothing(night, environ, tmp_path):
    assert retrain(night) == "off (nightly.retrain)"
    environ.setenv("BACKSTOP__NIGHTLY__RETRAIN", "'on'")
    model = tmp_path / "none.json"
    environ.setenv("BACKSTOP__EXECUTION__WHEEL__MODEL", str(model))
    other = Night(load_settings(CONFIG, os.environ), SystemClock(), day=DAY)
    text = retrain(other)
    assert f"there is no model to train: python -m ml.bootstrap_algowheel_model --output {model}" in text
    assert not (tmp_path / "control" / NOTES_NAME).exists()


def test_the_wheel_that_main_reads_is_the_one_that_is_trained(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(
        "universe: {symbols: [IBM]}\nexecution: {method: wheel, wheel: {model: own/wheel.json}}\n"
        "nightly: {retrain: on, training_source: ''}\n"
    )
    night = Night(load_settings(tmp_path / "config.yaml", {}), SystemClock(), day=DAY)
    model = tmp_path / "own" / "wheel.json"
    assert bootstrap_algowheel_model.main(["--output", str(model)]) == ExitCode.CLEAN
    with TcaStore(database_path(night.loaded.folders.results)) as database:
        generate(database, parents=4_000, seed=5)
    assert "algo wheel: the trainer has run" in retrain(night)
    assert f"promoted: {model}" in capsys.readouterr().out
    assert read_model(model).evidence.fills.sum() == 2_800
    assert "algo wheel: not due" in retrain(night)


def test_the_table_of_costs_names_the_session_that_they_are_of(night, tmp_path):
    closes = [night.session.close_ns]
    row = {name: pa.array([1.5]) for name in COST_FEATURES}
    keys = {"symbol": pa.array(["IBM"]), "method": pa.array(["MKT"]), "close_ns": pa.array(closes)}
    artefacts.write_costs(tmp_path / "costs.csv", cost_table(pa.table(keys | row)))
    header, line = (tmp_path / "costs.csv").read_text().splitlines()
    assert header == "session,symbol,method," + ",".join(COST_FEATURES)
    assert line.startswith("2013-02-15,IBM,MKT,1.5,")


def test_without_bars_of_the_traded_size_no_drift_is_measured(night):
    assert "nightly.training_source names no bars" in drift(night)


@pytest.fixture
def models(environ, tmp_path: Path) -> Path:
    """A registry with a model of momentum; drift is measured on the packaged bars."""
    own = tmp_path / "models" / "momentum"
    grid = np.linspace(0.0, 1.0, 101)
    known = Reference(
        quantiles=dict.fromkeys(FEATURES, grid),
        brier=0.24,
        calibration_error=0.02,
        mean_return=0.01,
        deviation=0.05,
        entries=200,
    )
    files = {MODEL_FILE: model_bytes(hand_model()), REFERENCE_FILE: known.to_json()}
    promote(own, add_version(own, hand_manifest(signals("momentum")), files))
    environ.setenv("BACKSTOP__NIGHTLY__TRAINING_SOURCE", "packaged")
    environ.setenv("BACKSTOP__VETO__MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_drift_is_measured_on_the_bars_named_and_a_session_counts_once(models, tmp_path, capsys):
    loaded = load_settings(CONFIG, os.environ)
    states = []
    for day in (DAY, date(2013, 2, 14), DAY):  # an earlier session again, then the newest again
        assert drift(Night(loaded, SystemClock(), day=day)) == "measured, see above"
        states.append(json.loads((tmp_path / "results" / "drift" / "momentum.json").read_text()))
    assert states[0]["session"] is not None
    assert states[1:] == states[:1] * 2
    assert capsys.readouterr().out.count("no calm report is counted") == 2
    assert not (tmp_path / "control" / NOTES_NAME).exists()


def test_a_model_whose_drift_cant_be_measured_fails_the_step(models):
    damaged = models / "momentum" / "0001" / MODEL_FILE
    damaged.chmod(0o644)
    damaged.write_bytes(b"{}")
    with pytest.raises(TrainingFailed, match="at least one strategy"):
        drift(Night(load_settings(CONFIG, os.environ), SystemClock(), day=DAY))


def test_without_promotions_no_probation_goes_on(night, capsys):
    assert training.probation(night) == "looked at; what was found stands above"
    assert "no probation goes on" in capsys.readouterr().out


def test_prefect_is_kept_silent_and_its_files_in_the_state_folder():
    environ: dict[str, str] = {"PREFECT_SERVER_ANALYTICS_ENABLED": "true", "PREFECT_HOME": "/else"}
    prepare(environ)
    assert environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environ["DO_NOT_TRACK"] == "1"
    assert environ["PREFECT_HOME"] == "/else"
    fresh: dict[str, str] = {}
    prepare(fresh)
    assert fresh["PREFECT_HOME"] == str(ROOT / "state" / "prefect")


def test_the_deployments_name_the_flow_and_parameters_that_it_has(tmp_path):
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    code = (
        "import json, prefect_flows.nightly_feature_pipeline as module\n"
        "flow = module.nightly_feature_pipeline\n"
        "print(json.dumps([flow.name, list(flow.parameters.properties)]))"
    )
    environ = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    name, parameters = json.loads(done.stdout.splitlines()[-1])
    assert name == "nightly"
    assert {one["name"] for one in deployments} == {"nightly", "packaged"}
    for one in deployments:
        path, _, function = one["entrypoint"].partition(":")
        assert (ROOT / path).is_file()
        assert function == "nightly_feature_pipeline"
        assert set(one.get("parameters", {})) <= set(parameters)
    (schedule,) = deployments[0]["schedules"]
    assert schedule == {"cron": "30 18 * * 1-5", "timezone": "America/New_York", "active": True}


def test_help_loads_neither_prefect_nor_feast(tmp_path):
    code = (
        "import sys, runpy\n"
        "sys.argv = ['nightly', '--help']\n"
        "try:\n    runpy.run_module('prefect_flows.nightly_feature_pipeline', run_name='__main__')\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "print(sorted({'prefect', 'feast', 'duckdb', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "examples:" in done.stdout
    assert done.stdout.endswith("[]\n")
