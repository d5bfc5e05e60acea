"""The simulated market, the generator, and the wheel's learning in it."""

from __future__ import annotations

import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from core.vocabulary import Side
from portfolio.algo_wheel.model import METHODS
from tca.__main__ import main
from tca.calculator import Fill, shortfall
from tca.generator import generate
from tca.learning_curve.experiment import live
from tca.learning_curve.summary import read_curve, summarise
from tca.simulated_market import TRADED, draw_orders, expected_costs
from tca.store import TcaStore, open_published


def test_the_best_method_depends_on_the_order_and_changes() -> None:
    orders = draw_orders(5_000, np.random.default_rng(0))
    for changed in (False, True):
        best = expected_costs(orders, changed=changed).argmin(axis=1)
        shares = np.bincount(best, minlength=len(METHODS)) / len(best)
        assert shares.max() < 0.6
        assert (shares > 0.01).sum() >= 4
    assert {METHODS[column] for column in np.unique(best)} <= set(TRADED)


def test_a_life_repeats_under_its_seed_and_learns() -> None:
    first = live(3, 2_000, 0)
    np.testing.assert_array_equal(first.regret[:6], live(3, 600, 0).regret)
    early = first.regret[:4].sum() / first.uniform[:4].sum()
    late = first.regret[15:20].sum() / first.uniform[15:20].sum()
    assert late < 0.5 * early
    assert late < 0.35


def test_the_command_tells_draws_and_can_be_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        [
            "learning-curve",
            "--seeds",
            "2",
            "--parents",
            "2000",
            "--jobs",
            "1",
            "--json",
            "--output",
            str(tmp_path),
        ]
    )
    result = json.loads(capsys.readouterr().out)
    assert code == (0 if result["passed"] else 1)
    assert (result["parents"], result["seeds"]) == (2_000, 2)
    assert 0.0 < result["regret_ratio"] < 0.5
    assert 0.0 <= result["coverage_95"] <= 1.0
    assert (tmp_path / "tca_learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert "the market changes" in (tmp_path / "tca_learning_curve.html").read_text()
    curve = read_curve(tmp_path / "tca_learning_curve.json")
    assert curve.seeds == 2
    assert curve.regret_ratio.estimate == pytest.approx(result["regret_ratio"], abs=1e-4)


def test_a_curve_averages_ratios_of_sums_by_hand() -> None:
    life = live(1, 2_000, 1_000)
    curve = summarise([life], 2_000)
    assert curve.parents[0] == 500
    assert curve.ratio[0] == pytest.approx(life.regret[:5].sum() / life.uniform[:5].sum())
    assert curve.later_ratio == pytest.approx(life.regret[15:20].sum() / life.uniform[15:20].sum())
    assert not curve.passed, "at 2,000 orders it can't have fallen since 2,000 orders"


def test_generated_orders_agree_with_the_calculator(tmp_path: Path) -> None:
    path = tmp_path / "generated.duckdb"
    with TcaStore(path) as store:
        generate(store, parents=400, seed=2)
    with closing(open_published(path)) as connection:
        cursor = connection.execute(
            "SELECT side, quantity, filled, paid - fees, decision_price, arrival_price, end_price, fees, delay, "
            "execution, opportunity, shortfall, missed FROM parents"
        )
        rows = cursor.fetchall()
    assert any(row[-1] for row in rows)
    for side, quantity, filled, value, decision, arrival, end, fees, *parts, _missed in rows:
        price = abs(value) / filled
        cost = shortfall(
            Side(side),
            quantity,
            [Fill(filled, price)],
            decision_price=decision,
            arrival_price=arrival,
            end_price=end,
            fees=fees,
        )
        found = (cost.delay, cost.execution, cost.opportunity, cost.total)
        assert [one.quantize(Decimal("0.000001")) for one in found] == parts
    assert main(["check", "--database", str(path)]) == 0
    with TcaStore(tmp_path / "again.duckdb") as store:
        generate(store, parents=400, seed=2)
    with closing(open_published(path)) as one, closing(open_published(tmp_path / "again.duckdb")) as two:
        query = "SELECT * FROM parents ORDER BY order_ref"
        assert one.execute(query).fetchall() == two.execute(query).fetchall()
