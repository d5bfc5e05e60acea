"""Costs of known size are found again, and a backtest with the file books exactly what stands in it."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import yaml

from backtester.cost_settings import costs_of
from backtester.costs import fill_price
from core.config_schema import BacktestSettings
from tca.__main__ import main
from tca.cost_fit.estimate import CannotFit, fit_costs
from tca.cost_fit.sample import Sample, read_sample
from tca.rows import Row
from tca.store import TcaStore, open_published
from tests.backtester.cases import calendar

ROOT = Path(__file__).resolve().parents[2]
DAY_NS = 86_400 * 10**9
OPEN_NS = 1_349_098_200 * 10**9
Capture = pytest.CaptureFixture[str]
HALF, SLIPPAGE, IMPACT = 2.5, 1.5, 60.0


def orders(count: int, seed: int, **changes: object) -> list[Row]:
    """Market orders whose costs are those of the module's constants, with noise that a symbol's session shares."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0.0, 2.0, (40, 5))
    rows = []
    for place in range(count):
        day, symbol = place % 40, int(rng.integers(5))
        share = float(np.exp(rng.normal(math.log(0.004), 1.2)))
        half = HALF * float(rng.uniform(0.6, 1.4))
        noise = shared[day, symbol] + 4.0 * float(rng.standard_t(5))
        rows.append(
            {
                "journal_id": "j",
                "order_ref": f"BS-{seed}-{place}-E",
                "symbol": "ABCDE"[symbol],
                "purpose": "entry" if place % 2 else "exit",
                "method": "MKT",
                "spread_bps": 2.0 * half,
                "adv_share": share,
                "decided_ns": OPEN_NS + day * DAY_NS,
                "ended_ns": OPEN_NS + day * DAY_NS + 10**9,
                "quantity": Decimal(100),
                "filled": Decimal(100),
                "arrival_bps": half + SLIPPAGE + IMPACT * math.sqrt(share) + noise,
            }
            | changes
        )
    return rows


def write(path: Path, rows: list[Row]) -> Path:
    journal: Row = {
        "journal_id": "j",
        "path": "main.db",
        "head_seq": 1,
        "head_hash": "h",
        "cash_change": Decimal(0),
    }
    with TcaStore(path, afresh=True) as store:
        store.write(journal, rows, [])
        store.publish()
    return path


def sample_of(path: Path, *methods: str, bars: float = 1.0) -> Sample:
    with closing(open_published(path)) as connection:
        return read_sample(connection, methods or ["MKT"], bars_per_session=bars)


def test_known_costs_lie_in_their_intervals_as_often_as_95_of_100_should(tmp_path: Path) -> None:
    held = np.zeros(3)
    for seed in range(20):
        found = fit_costs(sample_of(write(tmp_path / "tca.duckdb", orders(600, seed))), seed=seed)
        held += [found.half_spread.covers(HALF), found.slippage.covers(SLIPPAGE), found.impact.covers(IMPACT)]
        assert found.impact.high - found.impact.low < 40.0, "wide enough for anything says nothing"
    # Of 20 draws at 95 %, 16 or fewer would happen once in 60 times for one cost; the seeds are fixed.
    assert (held >= 17).all(), held


def test_more_bars_a_session_make_each_smaller_and_the_coefficient_with_it(tmp_path: Path) -> None:
    path = write(tmp_path / "tca.duckdb", orders(600, 1))
    daily, short = (fit_costs(sample_of(path, bars=bars), seed=1) for bars in (1.0, 78.0))
    assert short.impact.estimate == pytest.approx(daily.impact.estimate / math.sqrt(78.0))
    assert short.slippage.estimate == pytest.approx(daily.slippage.estimate)


def test_only_ended_entries_and_exits_with_a_quote_and_a_size_count(tmp_path: Path) -> None:
    left_out: list[dict[str, object]] = [
        {"method": "VWAP"},
        {"purpose": "stop"},
        {"ended_ns": None},
        {"filled": Decimal(0), "arrival_bps": None},
        {"spread_bps": None},
        {"spread_bps": math.nan},
        {"adv_share": math.nan},
        {"adv_share": None},
    ]
    rows = orders(50, 1)
    for number, changes in enumerate(left_out):
        rows += orders(5, 100 + number, **changes)
    path = write(tmp_path / "tca.duckdb", rows)
    assert len(sample_of(path)) == 50
    assert len(sample_of(path, "MKT", "VWAP")) == 55


def test_a_partly_filled_order_is_as_large_as_what_filled(tmp_path: Path) -> None:
    path = write(tmp_path / "tca.duckdb", orders(1, 1, adv_share=0.08, filled=Decimal(25)))
    assert sample_of(path).participation == pytest.approx([0.02])


def test_one_wild_order_does_not_decide_alone(tmp_path: Path) -> None:
    sample = sample_of(write(tmp_path / "tca.duckdb", orders(600, 1)))
    calm = fit_costs(sample, seed=1)
    cost = sample.cost.copy()
    cost[int(sample.participation.argmax())] += 20_000.0
    wild = fit_costs(replace(sample, cost=cost), seed=1)
    plain, _ = np.polyfit(np.sqrt(sample.participation), cost - sample.half_spread, 1)
    assert plain > 1_000.0, "the largest order alone would decide"
    assert wild.far_orders == calm.far_orders + 1
    assert wild.impact.estimate == pytest.approx(calm.impact.estimate, abs=20.0)


@pytest.mark.parametrize(
    ("slippage", "impact", "expected"),
    [(-3.0, 100.0, (0.0, None)), (2.0, -50.0, (None, 0.0)), (-3.0, -50.0, (0.0, 0.0))],
)
def test_no_cost_is_below_zero_and_the_others_are_the_best_that_is_left(
    slippage: float, impact: float, expected: tuple[float | None, float | None]
) -> None:
    rng = np.random.default_rng(3)
    participation = rng.uniform(0.0001, 0.04, 400)
    root, half = np.sqrt(participation), np.full(400, HALF)
    excess = slippage + impact * root + rng.normal(0.0, 0.1, 400)
    sample = Sample(
        cost=excess + half,
        half_spread=half,
        participation=participation,
        cluster=np.arange(400) % 50,
        decided_ns=np.arange(400),
    )
    found = fit_costs(sample, seed=1)
    got = (found.slippage.estimate, found.impact.estimate)
    for value, wanted, best in zip(
        got, expected, (max(excess.mean(), 0.0), max(root @ excess / (root @ root), 0.0)), strict=True
    ):
        assert value == pytest.approx(best if wanted is None else wanted)


def test_exact_costs_without_noise_are_found_exactly() -> None:
    participation = np.linspace(0.0001, 0.04, 100)
    sample = Sample(
        cost=HALF + SLIPPAGE + IMPACT * np.sqrt(participation),
        half_spread=np.full(100, HALF),
        participation=participation,
        cluster=np.arange(100) % 20,
        decided_ns=np.arange(100),
    )
    found = fit_costs(sample, seed=1)
    for interval, truth in (
        (found.half_spread, HALF), (found.slippage, SLIPPAGE), (found.impact, IMPACT)
    ):  # fmt: skip
        assert (interval.low, interval.estimate, interval.high) == pytest.approx((truth, truth, truth))
    assert found.mean_fitted == pytest.approx(found.mean_cost) == pytest.approx(sample.cost.mean())


def test_too_few_orders_and_sizes_that_do_not_differ_are_refused_with_what_is_needed(
    tmp_path: Path, capsys: Capture
) -> None:
    path = write(tmp_path / "few.duckdb", orders(29, 1))
    assert main(["fit-costs", "--database", str(path)]) == 2
    told = capsys.readouterr().err
    assert "29 orders" in told
    assert "at least 30 orders" in told
    assert "29 MKT" in told
    path = write(tmp_path / "even.duckdb", orders(200, 1, adv_share=0.01))
    output = tmp_path / "costs.yaml"
    assert main(["fit-costs", "--database", str(path), "--output", str(output)]) == 2
    assert "hardly differ" in capsys.readouterr().err
    assert not output.exists()
    path = write(tmp_path / "empty.duckdb", [])
    assert main(["fit-costs", "--database", str(path), "--method", "VWAP"]) == 2
    assert "0 orders" in capsys.readouterr().err


def test_orders_of_one_session_are_too_few_however_many() -> None:
    sample = Sample(
        cost=np.arange(500.0),
        half_spread=np.ones(500),
        participation=np.linspace(0.001, 0.1, 500),
        cluster=np.zeros(500, dtype=np.int64),
        decided_ns=np.arange(500),
    )
    with pytest.raises(CannotFit, match="at least 30 orders on 10 pairs"):
        fit_costs(sample, seed=1)


def test_costs_that_no_configuration_may_hold_are_refused(tmp_path: Path, capsys: Capture) -> None:
    rows = [
        row | {"arrival_bps": 5_000.0 * math.sqrt(float(str(row["adv_share"])))} for row in orders(200, 1)
    ]
    path = write(tmp_path / "dear.duckdb", rows)
    assert main(["fit-costs", "--database", str(path)]) == 2
    assert "impact_bps" in capsys.readouterr().err


def test_what_is_printed_is_a_section_of_the_configuration(tmp_path: Path, capsys: Capture) -> None:
    path = write(tmp_path / "tca.duckdb", orders(600, 1))
    assert main(["fit-costs", "--database", str(path)]) == 0
    section = yaml.safe_load(capsys.readouterr().out)["backtest"]
    assert set(section) == {"half_spread_bps", "slippage_bps", "impact_bps"}
    BacktestSettings.model_validate(section)
    assert main(["fit-costs", "--json", "--database", str(path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["backtest"] == section
    assert result["orders"] == 600


def test_a_backtest_with_the_file_books_exactly_those_costs(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "costs.yaml"
    path = write(tmp_path / "tca.duckdb", orders(600, 1))
    assert main(["fit-costs", "--json", "--database", str(path), "--output", str(output)]) == 0
    fitted = json.loads(capsys.readouterr().out)["backtest"]
    opens = write_prices(tmp_path / "prices", volume := 50_000)
    config = tmp_path / "config.yaml"
    config.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable, str(ROOT / "run_backtest.py"), "--spec", str(output), "--config", str(config),
            "--data", str(tmp_path / "prices"), "--strategy", "momentum", "--cash", "500000", "--json", "--no-html",
            "--set", "strategies.0.parameters.fast_window=2", "--set", "strategies.0.parameters.slow_window=5",
        ],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["folder"])
    booked = json.loads((folder / "run.json").read_text())["config"]["backtest"]
    assert {name: booked[name] for name in fitted} == fitted
    with (folder / "fills.csv").open(encoding="utf-8", newline="") as file:
        fills = [row for row in csv.DictReader(file) if row["purpose"] != "stop"]
    assert len(fills) > 5
    costs = costs_of(BacktestSettings(**fitted))
    for row in fills:
        begin = opens[row["bar_end"][:10]]
        quantity = int(row["quantity"]) * (1 if row["side"] == "BUY" else -1)
        rate = Decimal(str(fitted["half_spread_bps"])) + Decimal(str(fitted["slippage_bps"]))
        impact = fitted["impact_bps"] * math.sqrt(abs(quantity) / volume)
        exact = begin * (1 + (1 if quantity > 0 else -1) * (rate + Decimal(impact)) / 10_000)
        assert float(row["price"]) == pytest.approx(float(exact), abs=float(begin) * 1e-6)
        micros = fill_price(costs, int(begin * 1_000_000), quantity, float(volume), False)
        assert Decimal(row["price"]) * 1_000_000 == micros


def write_prices(folder: Path, volume: int) -> dict[str, Decimal]:
    """Daily bars of one symbol that rise and fall; the opens by date."""
    folder.mkdir()
    known = calendar()
    sessions = [one.date.isoformat() for one in known.sessions(known.first_date, known.last_date)][:90]
    lines, opens = ["date,open,high,low,close,volume"], {}
    for number, day in enumerate(sessions):
        close = 100 + (number % 10) * 3
        lines.append(f"{day},{close},{close + 2},{close - 2},{close},{volume}")
        opens[day] = Decimal(close)
    (folder / "XYZ.csv").write_text("\n".join(lines) + "\n")
    return opens
