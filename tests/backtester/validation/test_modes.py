"""The modes as their user runs them: what is printed, what is written, what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from backtester.options import parse
from backtester.study import Study
from backtester.validation.monte_carlo_output import run_monte_carlo
from core.config_loader import load_settings
from core.errors import ConfigError
from data.packaged import load_packaged
from data.sources import open_source
from run_backtest import main
from strategy.registry import create
from tests.backtester.cases import make_market, walk

ROOT = Path(__file__).resolve().parents[3]
SPAN = ("--symbols", "AAPL,IBM", "--start", "2004-01-02", "--end", "2008-12-31")
SMALL = ("--grid", "momentum.fast_window=5,10", "--grid", "momentum.slow_window=30,60")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def run(capsys, config: Path, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["--config", str(config), *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def figures_of(capsys, config: Path, *arguments: str) -> dict[str, Any]:
    code, out, err = run(capsys, config, *arguments, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_walk_forward_writes_its_folds_its_curve_and_a_page(capsys, config):
    asked = (
        "--mode",
        "walk_forward",
        "--strategy",
        "momentum",
        *SPAN,
        *SMALL,
        "--train",
        "400",
        "--test",
        "200",
        "--png",
    )
    found = figures_of(capsys, config, *asked)
    folder = Path(found["folder"])
    saved = json.loads((folder / "run.json").read_text())
    assert saved["mode"] == found["mode"] == "walk_forward"
    assert saved["options"]["space"] == {"fast_window": [5, 10], "slow_window": [30, 60]}
    assert saved["figures"]["data_sha256"] == found["data_sha256"]
    assert saved["config_sha256"]
    assert saved["code_version"]
    folds, equity = rows_of(folder / "folds.csv"), rows_of(folder / "equity.csv")
    assert len(folds) == found["folds"] > 2
    assert float(equity[-1]["nlv"]) == pytest.approx(found["final_nlv"])
    assert pq.read_table(folder / "folds.parquet").num_rows == len(folds)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Walk-forward of momentum" in page
    assert "Verdict" in page
    assert (folder / "report.png").read_bytes().startswith(b"\x89PNG")
    again = figures_of(capsys, config, *asked, "--no-html")
    assert {**again, "folder": ""} == {**found, "folder": ""}
    _code, out, _err = run(capsys, config, *asked[:-1], "--no-html")
    assert "verdict" in out
    assert "buy and hold" in out


def test_a_last_test_window_before_the_end_of_the_data_is_held_to_the_prices_of_its_own_days(capsys, config):
    asked = ("--mode", "walk_forward", "--strategy", "momentum", *SPAN, *SMALL)
    found = figures_of(capsys, config, *asked, "--train", "400", "--test", "30", "--step", "200", "--no-html")
    days = [np.datetime64(found[f"out_of_sample_{end}"], "ns").astype(np.int64) for end in ("first", "last")]
    growth = []
    for table in load_packaged(("AAPL", "IBM")).values():
        first, last = table.close[np.searchsorted(table.end_ns, days)]
        growth.append(last / first)
    assert found["out_of_sample_last"] < "2008-12-01"
    assert found["buy_and_hold"]["total_return"] == pytest.approx(np.mean(growth) - 1.0)


def test_what_is_set_by_hand_is_not_searched(capsys, config):
    asked = ("--mode", "walk_forward", "--strategy", "momentum", *SPAN, "--train", "400", "--no-html")
    found = figures_of(capsys, config, *asked, "--param", "momentum.fast_window=20, momentum.slow_window=60")
    assert found["candidates"] == 1


def test_blocks_of_intraday_bars_are_counted_in_sessions(capsys, config):
    bars = {
        name: walk(seed, 13 * 50, decimals=2, holes=0.02, gaps=0.1, volume=10**7)
        for seed, name in enumerate("AB")
    }
    study = Study(
        loaded=load_settings(config, {}),
        market=make_market(bars, size_s=1800),
        first_bar=130,
        strategies=(create("momentum", {"fast_window": 5, "slow_window": 30}),),
        weights=(1.0,),
        origins=(),
        source=open_source(None, None, calendar_name="XNYS"),
    )
    asked = ["--mode", "monte_carlo", "--method", "prices", "--paths", "2", "--no-html"]
    _text, found = run_monte_carlo(parse([*asked, "--block", "40"]), study)
    assert found["block_sessions"] == 40.0  # from bar 130 on there are 40 sessions
    with pytest.raises(ConfigError, match="auto or 1 to 40 sessions"):
        run_monte_carlo(parse([*asked, "--block", "41"]), study)
    _text, found = run_monte_carlo(parse(asked), study)
    assert isinstance(found["block_sessions"], float)
    assert found["block_sessions"] <= 40 / 3 + 1  # the automatic length is at most a third of the sample


def test_a_cross_validation_writes_its_splits_and_paths(capsys, config):
    asked = (
        "--mode",
        "walk_forward",
        "--strategy",
        "momentum",
        *SPAN,
        *SMALL,
        "--cpcv",
        "5:2",
        "--purge",
        "3",
        "--png",
    )
    found = figures_of(capsys, config, *asked)
    folder = Path(found["folder"])
    assert (found["splits"], found["paths"]) == (10, 4)
    assert len(rows_of(folder / "splits.csv")) == 10
    assert len(rows_of(folder / "paths.csv")) == 4
    assert "Out-of-sample paths" in (folder / "report.html").read_text(encoding="utf-8")
    _code, out, _err = run(capsys, config, *asked[:-1], "--no-html")
    assert "median" in out


@pytest.mark.parametrize("method", ["stationary", "circular", "trades", "parameters", "costs", "prices"])
def test_each_method_of_monte_carlo_repeats_itself_from_its_seed(capsys, config, method):
    few = ("--paths", "20")
    asked = (
        "--mode",
        "monte_carlo",
        "--strategy",
        "momentum",
        *SPAN,
        "--method",
        method,
        *few,
        "--no-html",
        "--seed",
        "5",
    )
    found = figures_of(capsys, config, *asked)
    again = figures_of(capsys, config, *asked)
    assert {**again, "folder": ""} == {**found, "folder": ""}
    folder = Path(found["folder"])
    saved = json.loads((folder / "run.json").read_text())
    assert saved["seed"] == 5
    assert len(rows_of(folder / "paths.csv")) == 20
    assert rows_of(folder / "fan.csv")
    assert found["max_drawdown"]["p5"] <= found["max_drawdown"]["p95"]


def test_the_page_of_a_monte_carlo_has_its_fan(capsys, config):
    asked = (
        "--mode",
        "monte_carlo",
        "--strategy",
        "momentum",
        *SPAN,
        "--paths",
        "200",
        "--horizon",
        "3000",
        "--block",
        "12",
    )
    code, out, err = run(capsys, config, *asked, "--png")
    assert code == 0, err
    folder = Path(out.split("results: ")[1].splitlines()[0])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Simulated paths" in page
    assert (folder / "report.png").exists()
    assert "value at risk" in out


def test_scenarios_tell_what_is_covered_and_what_is_not(capsys, config, tmp_path):
    listed = tmp_path / "scenarios.yaml"
    listed.write_text("- name: crash and cost\n  shocks: ['gap:-0.3@2008-09-15', 'costs:4']\n")
    default = ("--mode", "scenario_analysis", "--strategy", "momentum", *SPAN, "--png")
    code, out, err = run(capsys, config, *default)
    assert code == 0, err
    assert "not covered by the data: 2020 March" in out
    assert "limit_down:3" in out
    asked = ("--mode", "scenario_analysis", "--strategy", "momentum", *SPAN, "--shock", "volatility:3")
    found = figures_of(capsys, config, *asked, "--scenarios", str(listed), "--no-html")
    assert [one["name"] for one in found["scenarios"]] == ["volatility:3", "crash and cost"]
    assert all(one["covered"] for one in found["scenarios"])
    table = rows_of(Path(found["folder"]) / "scenarios.csv")
    assert table[1]["first"] == "2008-09-15"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("walk_forward",), "takes one strategy"),
        (("walk_forward", "--strategy", "momentum", "--train", "9000"), "choose shorter windows"),
        (
            ("walk_forward", "--strategy", "momentum", "--metric", "luck"),
            "--metric luck: must be one of sharpe",
        ),
        (
            ("walk_forward", "--strategy", "momentum", "--grid", "backtest.slippage_bps=1,2"),
            "parameters of the strategy only",
        ),
        (("walk_forward", "--strategy", "momentum", "--cpcv", "eight"), "write GROUPS:TEST"),
        (
            ("walk_forward", "--strategy", "momentum", "--cpcv", "6:2", "--anchored"),
            "--anchored: not with --cpcv",
        ),
        (("walk_forward", "--strategy", "momentum", "--nested", "-1"), "--nested -1: must be at least 0"),
        (("monte_carlo", "--strategy", "momentum", "--ruin", "2"), "--ruin 2: must be above 0"),
        (("monte_carlo", "--strategy", "momentum", "--block", "many"), "--block many: must be auto"),
        (("monte_carlo", "--strategy", "momentum", "--method", "trades", "--horizon", "10"), "--horizon"),
        (("monte_carlo", "--strategy", "momentum", "--paths", "0"), "--paths 0: must be at least 1"),
        (("monte_carlo", "--strategy", "momentum", "--cash", "10"), "traded nothing"),
        (("scenario_analysis", "--strategy", "momentum", "--shock", "gap:-2"), "the size must be"),
        (("scenario_analysis", "--strategy", "momentum", "--lead", "-1"), "--lead -1"),
    ],
)
def test_wrong_options_are_refused_in_words(capsys, config, arguments, words):
    code, _out, err = run(capsys, config, "--mode", arguments[0], *SPAN, *arguments[1:])
    assert code == 2
    assert words in err
