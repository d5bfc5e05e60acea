"""run_backtest.py as its user runs it: processes, exit codes, what is printed and what is written."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.backtester.cases import calendar

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "run_backtest.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_figures_are_json_and_the_folder_holds_what_repeats_the_run(config):
    asked = ("--config", config, "--symbols", "AAPL,IBM", "--start", "2009-01-02", "--end", "2011-12-30")
    first, second = run(*asked, "--json"), run(*asked, "--json")
    assert first.returncode == 0, first.stderr
    figures, again = json.loads(first.stdout), json.loads(second.stdout)
    folder = Path(figures.pop("folder"))
    assert folder.parent == config.parent / "results" / "backtests"
    assert again.pop("folder") != str(folder)
    assert figures == again
    saved = json.loads((folder / "run.json").read_text())
    assert saved["figures"] == figures
    assert saved["config"]["sizing"]["risk_per_trade"] == 0.01
    assert figures["first_bar"].startswith("2009-01-02")
    assert figures["last_bar"].startswith("2011-12-30")
    fills, equity = rows_of(folder / "fills.csv"), rows_of(folder / "equity.csv")
    assert len(fills) == figures["fills"] > 10
    assert len(equity) == figures["bars"]
    assert Decimal(equity[-1]["nlv"]) == Decimal(figures["final_nlv"])
    assert sum(Decimal(row["commission"]) for row in fills) == Decimal(figures["commission"])
    flow = sum(
        (1 if row["side"] == "SELL" else -1) * int(row["quantity"]) * Decimal(row["price"])
        - Decimal(row["commission"])
        for row in fills
    )
    assert Decimal(equity[-1]["cash"]) == 1_000_000 + flow
    assert all(row["decided"] < row["bar_end"] for row in fills if row["purpose"] != "stop")
    assert sum(figures["denials"].values()) == len(rows_of(folder / "denials.csv"))


def test_the_users_own_bars_are_traded(config, tmp_path):
    prices = tmp_path / "prices"
    prices.mkdir()
    lines = ["date,open,high,low,close,volume"]
    days = [f"2012-{month:02d}-{day:02d}" for month in (3, 5, 8) for day in range(1, 29)]
    known = calendar()
    sessions = {one.date.isoformat() for one in known.sessions(known.first_date, known.last_date)}
    for number, day in enumerate(day for day in days if day in sessions):
        close = 100 + (number % 10) * 3
        lines.append(f"{day},{close},{close + 2},{close - 2},{close},5000000")
    (prices / "XYZ.csv").write_text("\n".join(lines) + "\n")
    done = run(
        "--config", config, "--data", prices, "--strategy", "momentum", "--cash", "50000", "--json",
        "--set", "strategies.0.parameters.fast_window=2", "--set", "strategies.0.parameters.slow_window=5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["symbols"] == ["XYZ"]
    assert figures["strategies"] == {"momentum": 1.0}
    assert figures["opening_cash"] == "50000"
    assert figures["fills"] > 0


def test_every_mistake_is_told_and_nothing_is_written(config):
    done = run("--config", config, "--set", "sizing.risk_per_trad=0.02", "--set", "backtest.fill_at=never")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "sizing.risk_per_trad: unknown key; did you mean risk_per_trade?",
        "backtest.fill_at: 'never' is not allowed: must be one of open, close",
    ]
    assert not (config.parent / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--strategy", "momentm"], "momentm: unknown strategy; did you mean momentum?"),
        (
            ["--strategy", "momentum=much"],
            "--strategy momentum=much: the weight must be a number above 0, at most 1",
        ),
        (
            ["--strategy", "momentum=0.7,mean_reversion=0.7"],
            "the weights add up to 1.4, which is more than 1",
        ),
        (["--symbols", "XX"], "XX isn't among the packaged symbols AAPL, FB, GOOG, IBM, MSFT"),
        (["--start", "2031-01-01"], "there are no bars on or after 2031-01-01"),
        (["--set", "cash"], "--set cash: write key.path=value, such as sizing.risk_per_trade=0.02"),
    ],
)
def test_a_mistake_is_told_in_one_line(config, arguments, told):
    done = run("--config", config, *arguments)
    assert (done.returncode, done.stderr.strip()) == (2, told)


def test_help_and_the_list_of_strategies_are_printed():
    helped, listed = run("--help"), run("--list-strategies")
    assert "examples:" in helped.stdout
    assert "single" in helped.stdout
    assert "walk_forward" in helped.stdout
    assert "momentum: " in listed.stdout
    assert "fast_window = 20" in listed.stdout


def test_help_loads_nothing_heavy():
    code = "import sys, run_backtest\ntry: run_backtest.parse(['--help'])\nexcept SystemExit: pass\nprint(sorted({'numpy', 'numba', 'pandas', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_summary_says_what_was_traded_and_what_it_cost(config):
    done = run("--config", config, "--strategy", "momentum=0.6", "--symbols", "MSFT", "--start", "2010-01-04")
    assert done.returncode == 0, done.stderr
    assert "momentum 60%" in done.stdout
    assert "Sharpe ratio" in done.stdout
    assert "commission and fees $" in done.stdout


def test_a_reader_that_has_enough_is_no_error(config):
    command = [sys.executable, str(ROOT / "run_backtest.py"), "--config", str(config), "--no-html"]
    done = subprocess.run(
        f"{' '.join(command)} | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.stdout.startswith("strategies")
    assert done.stderr == ""
