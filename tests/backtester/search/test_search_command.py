"""Searches as their user runs them: processes, kills, folders, what is printed."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from run_backtest import main

ROOT = Path(__file__).resolve().parents[3]
SHORT = ("--symbols", "IBM", "--start", "2011-01-03", "--end", "2012-12-31", "--strategy", "momentum")
GRID = ("--grid", "momentum.fast_window=4..9", "--grid", "momentum.slow_window=8..30:2")
DEADLINE_S = 200.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.fixture
def run(capsys):
    """Run a command in this process; return what it printed, and to standard error."""

    def call(*arguments: str | Path, ends: int = 0) -> tuple[str, str]:
        code = main([str(one) for one in arguments])
        printed = capsys.readouterr()
        assert code == ends, printed.err
        return printed.out, printed.err

    return call


@pytest.fixture
def searched(run):
    """Run a command; return its JSON."""

    def call(*arguments: str | Path) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run(*arguments, "--json")[0])
        return found

    return call


@pytest.mark.timeout(400)  # with kernels to compile, on a busy machine
def test_a_grid_that_was_killed_goes_on_and_ends_like_one_that_was_not(config, tmp_path, searched):
    asked = ["--mode", "grid_search", *SHORT, *GRID, "--chunk", "6", "--no-html"]
    whole = searched("--config", config, *asked)
    other = tmp_path / "other" / "config.yaml"
    other.parent.mkdir()
    other.write_bytes(config.read_bytes())
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run_backtest.py"), "--config", str(other), *asked],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    end = time.monotonic() + DEADLINE_S
    while len(list(other.parent.glob("results/backtests/*/trials/*.parquet"))) < 2:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = searched("--config", other, *asked)
    folder, whole_folder = Path(found.pop("folder")), Path(whole.pop("folder"))
    assert [one.name for one in folder.parent.iterdir()] == [folder.name] == [whole_folder.name]
    assert "done before" in found.pop("notes")[0]
    assert "skipped" in whole.pop("notes")[0]
    assert found == whole
    assert (found["tried"], found["skipped"]) == (72, 2)
    with duckdb.connect() as database:
        query = f"SELECT count(*), count(DISTINCT trial) FROM '{folder}/trials/*.parquet'"
        assert database.execute(query).fetchone() == (70, 70)


def test_a_search_leaves_what_repeats_it_and_what_shows_it(config, tmp_path, run, searched):
    spec = tmp_path / "study.yaml"
    spec.write_text(
        "mode: grid_search\nstrategy: momentum\nsymbols: IBM\nstart: 2011-01-03\nend: 2012-12-31\n"
        'grid: {momentum.fast_window: "4..6", momentum.slow_window: [20, 30], sizing.risk_per_trade: [0.005, 0.01]}\n'
        "metric: calmar\ntop: 3\n"
    )
    printed, errors = run("--spec", spec, "--config", config)
    assert "combinations   12, 0 of them skipped" in printed
    assert "says little about others" in printed
    assert not errors
    (folder,) = (tmp_path / "results" / "backtests").iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert record["state"] == "done"
    assert record["space"]["sizing.risk_per_trade"] == [0.005, 0.01]
    assert {"code_version", "code_sha256", "data_sha256", "config", "seed", "chunk"} <= set(record)
    best = record["figures"]["best"]
    assert [one["calmar"] for one in best] == sorted((one["calmar"] for one in best), reverse=True)
    with (folder / "best.csv").open() as file:
        assert [int(row["trial"]) for row in csv.DictReader(file)] == [one["trial"] for one in best]
    assert len(list((folder / "maps").glob("*.png"))) == 6
    page = (folder / "report.html").read_text()
    assert "Grid search of momentum" in page
    assert "src=" not in page.partition("<script")[0]
    alone = searched("--spec", folder / "best.yaml", "--no-html")
    assert alone["total_return"] == pytest.approx(best[0]["total_return"], abs=1e-12)
    assert yaml.safe_load((folder / "best.yaml").read_text())["set"] == {
        "sizing.risk_per_trade": best[0]["values"]["sizing.risk_per_trade"]
    }


def test_a_draw_is_repeated_by_its_seed(config, searched):
    asked = ("--mode", "grid_search", "--config", config, *SHORT, *GRID, "--random", "9", "--no-html")
    first, again, other = (searched(*asked, "--seed", seed) for seed in ("1", "1", "2"))
    assert first["folder"] == again["folder"] != other["folder"]
    assert (first["tried"], first["best"]) == (9, again["best"])
    assert {one["trial"] for one in first["best"]} != {one["trial"] for one in other["best"]}


def test_a_learning_search_reports_its_front(config, searched):
    asked = ("--mode", "optimise", "--config", config, *SHORT, *GRID, "--sampler", "nsga2", "--chunk", "8")
    found = searched(*asked, "--objective", "sharpe", "--objective", "max_drawdown", "--trials", "16")
    folder = Path(found["folder"])
    assert found["objectives"] == ["sharpe:max", "max_drawdown:min"]
    assert found["scored"] == 16
    assert found["pareto"][0]["sharpe"] == max(one["sharpe"] for one in found["pareto"])
    assert {"history.png", "pareto.png"} <= {path.name for path in (folder / "maps").iterdir()}
    assert "Pareto front" in (folder / "report.html").read_text()
    more = searched(*asked, "--objective", "sharpe", "--objective", "max_drawdown", "--trials", "24")
    assert more["folder"] == found["folder"]
    assert more["scored"] == 24
    assert "16 combinations were done before" in more["notes"][0]
    less = searched(*asked, "--objective", "sharpe", "--objective", "max_drawdown", "--trials", "16")
    assert "16 were asked for, but all that were tried are ranked" in less.pop("notes")[1]
    assert less["luck"]["earlier_trials"] == 0  # its own trials count once
    more.pop("notes")
    assert less == more


def test_a_learning_search_goes_on_beyond_the_trials_whose_returns_are_kept(config, searched):
    asked = ("--mode", "optimise", "--config", config, *SHORT, *GRID, "--sampler", "random", "--no-html")
    few, many = (searched(*asked, "--chunk", "16", "--trials", trials) for trials in ("16", "2001"))
    assert many["folder"] == few["folder"]
    assert (few["scored"], many["scored"]) == (16, 70)
    assert few["luck"]["overfitting"] is not None
    assert "returns weren't kept" in many["luck"]["overfitting_note"]
    kept = searched(*asked, "--chunk", "16", "--trials", "2001", "--keep-returns")
    assert kept["folder"] != many["folder"]
    assert kept["luck"]["overfitting"] is not None


def test_strategies_files_and_studies_are_set_side_by_side(config, tmp_path, run, searched):
    run("new-strategy", "mine", "--folder", tmp_path)
    study = tmp_path / "both.yaml"
    study.write_text(
        "strategy: [momentum=0.5, donchian=0.5]\nsymbols: IBM\nstart: 2011-06-01\nend: 2012-12-31\n"
    )
    asked = (
        "--mode",
        "compare",
        "--config",
        config,
        *SHORT,
        "--strategy",
        f"donchian,{tmp_path}/mine.py:MINE",
    )
    printed, _ = run(*asked, "--against", study)
    header, *rows = printed.splitlines()
    assert header.split() == ["momentum", "donchian", "mine", "both", "benchmark"]
    assert rows[0].startswith("total return")
    assert "sessions that all have in common" in printed
    folder = Path(printed.rpartition("results: ")[2].strip())
    record = json.loads((folder / "run.json").read_text())
    assert record["correlation"]["momentum"][0] == pytest.approx(1.0)
    alone = searched("--config", config, *SHORT, "--no-html")
    whole = searched("--mode", "compare", "--config", config, *SHORT)
    assert whole["measures"]["momentum"]["total_return"] == pytest.approx(alone["total_return"], abs=1e-9)
    assert (folder / "report.png").stat().st_size > 10_000
    assert "side by side" in (folder / "report.html").read_text()


VERSION = """
def rule(state, bar, *, days={days}):
    closes = [*(state or []), bar.close][-days:]
    return closes, float("nan") if len(closes) < days else float(closes[-1] > closes[0])
"""


def test_two_versions_of_a_strategy_and_one_named_like_the_benchmark_have_a_column_each(
    config, tmp_path, searched
):
    for name, days in (("v1", 5), ("v2", 20)):
        (tmp_path / f"{name}.py").write_text(VERSION.format(days=days))
    (tmp_path / "own.py").write_text(VERSION.format(days=10).replace("rule", "benchmark"))
    files = f"{tmp_path}/v1.py:rule,{tmp_path}/v2.py:rule,{tmp_path}/own.py:benchmark"
    span = SHORT[:-2]
    found = searched("--mode", "compare", "--config", config, *span, "--strategy", files, "--no-html")
    assert list(found["measures"]) == ["rule", "rule 2", "benchmark 2", "benchmark"]
    record = json.loads((Path(found["folder"]) / "run.json").read_text())
    assert record["strategies"] == {"rule": {"days": 5}, "rule 2": {"days": 20}, "benchmark 2": {"days": 10}}
    for name, column in (("v1", "rule"), ("v2", "rule 2")):
        alone = searched("--config", config, *span, "--strategy", f"{tmp_path}/{name}.py:rule", "--no-html")
        assert found["measures"][column]["total_return"] == pytest.approx(alone["total_return"], abs=1e-9)


def test_all_are_measured_against_the_benchmark_that_stands_beside_them(config, tmp_path, searched):
    other = tmp_path / "other.yaml"
    other.write_text("strategy: momentum\nsymbols: MSFT\nstart: 2011-01-03\nend: 2012-12-31\n")
    found = searched("--mode", "compare", "--config", config, *SHORT, "--against", other, "--no-html")
    record = json.loads((Path(found["folder"]) / "run.json").read_text())
    for name in ("momentum", "other"):
        measured = found["measures"][name]["correlation"]
        assert measured == pytest.approx(record["correlation"][name][-1], abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--mode", "grid_search", "--metric", "sharp"), "there is no figure sharp; did you mean sharpe?"),
        (
            ("--mode", "grid_search", "--grid", "momentum.fast_windw=5"),
            "unknown parameter of momentum; did you mean fast_window?",
        ),
        (("--mode", "grid_search", "--cluster", "here"), "write the scheduler's address"),
        (
            ("--mode", "optimise", "--objective", "sharpe", "--objective", "sharpe:min"),
            "the same figure is given twice",
        ),
        (("--mode", "compare", "--strategy", "donchian=0.5"), "give no weight"),
        (
            ("--param", "momentum.fast_windw=5"),
            "fast_windw: unknown parameter of momentum; did you mean fast_window?",
        ),
        (("--param", "donchian.atr_window=5"), "donchian isn't traded here"),
        (("--param", "momentum.fast_window=ten"), "write STRATEGY.PARAMETER=NUMBER"),
    ],
)
def test_a_mistake_is_told_in_one_line(config, run, arguments, told):
    _, errors = run("--config", config, *SHORT, *arguments, ends=2)
    assert told in errors
    assert len(errors.splitlines()) == 1
