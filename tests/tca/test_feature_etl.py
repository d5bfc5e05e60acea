"""Features of costs: each row knows the orders that were over by its session's close, and no later ones."""

from __future__ import annotations

from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from data.exchange_calendar import exchange_calendar
from tca.feature_etl import COST_FEATURES, ORDERS, cost_rows, no_costs
from tca.generator import generate
from tca.store import TcaStore

CALENDAR = exchange_calendar("XNYS", date(2012, 12, 1), date(2015, 12, 31))
CLOSES = [one.close_ns for one in CALENDAR.sessions(CALENDAR.first_date, CALENDAR.last_date)]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("tca") / "tca_log.duckdb"
    with TcaStore(path) as store:
        generate(store, parents=4000, seed=2)
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def rows(database):
    return cost_rows(database, CLOSES).to_pandas()


def test_a_row_is_over_the_last_orders_that_had_ended_by_its_close(database, rows):
    parents = database.sql("FROM parents WHERE filled > 0 ORDER BY ended_ns, journal_id, order_ref").to_df()
    for _, row in rows.sample(40, random_state=1).iterrows():
        own = (parents.symbol == row.symbol) & (parents.method == row.method)
        known = parents[own & (parents.ended_ns <= row.close_ns)].tail(ORDERS)
        assert row.cost_orders == len(known)
        assert row.cost_arrival_bps == pytest.approx(known.arrival_bps.mean(), rel=1e-12)
        assert row.cost_shortfall_bps == pytest.approx(known.shortfall_bps.mean(), rel=1e-12)
        assert row.cost_spread_bps == pytest.approx(known.spread_bps.mean(), rel=1e-12)
        assert row.cost_participation == pytest.approx(known.adv_share.mean(), rel=1e-12)
        deviation = known.arrival_bps.std()
        assert row.cost_deviation_bps == pytest.approx(deviation, rel=1e-9, nan_ok=True)
        fees = (known.fees.astype(float) / known.notional.astype(float)).mean() * 1e4
        assert row.cost_fees_bps == pytest.approx(fees, rel=1e-9)
    assert rows.cost_orders.max() == ORDERS


def test_every_session_in_which_an_order_ended_has_its_row(database, rows):
    parents = database.sql("SELECT symbol, method, ended_ns FROM parents WHERE filled > 0").to_df()
    places = np.searchsorted(CLOSES, parents.ended_ns, side="left")
    wanted = {
        (symbol, method, CLOSES[place])
        for symbol, method, place in zip(parents.symbol, parents.method, places, strict=True)
    }
    assert set(zip(rows.symbol, rows.method, rows.close_ns, strict=True)) == wanted


def test_later_orders_change_no_row_and_the_same_orders_give_the_same_bits(database, rows):
    half = CLOSES[len(CLOSES) // 2]
    with duckdb.connect() as other:
        early = database.sql(f"FROM parents WHERE ended_ns <= {half}").to_arrow_table()
        other.register("early", early)
        other.execute("CREATE TABLE parents AS FROM early")
        found = cost_rows(other, CLOSES).to_pandas()
    pd.testing.assert_frame_equal(found, rows[rows.close_ns <= half], check_exact=True)
    assert len(found) > 500


def test_orders_that_arent_final_or_never_filled_count_for_nothing(database):
    with duckdb.connect() as other:
        parents = database.sql("FROM parents LIMIT 10").to_arrow_table()
        other.register("ten", parents)
        other.execute("CREATE TABLE parents AS SELECT * REPLACE (false AS is_final) FROM ten")
        assert cost_rows(other, CLOSES).num_rows == 0
        other.execute("CREATE OR REPLACE TABLE parents AS SELECT * REPLACE (0 AS filled) FROM ten")
        assert cost_rows(other, CLOSES).num_rows == 0


def test_no_orders_have_the_columns_of_some(database):
    assert no_costs().schema == cost_rows(database, CLOSES).schema
    assert [name for name in no_costs().column_names if name in COST_FEATURES] == list(COST_FEATURES)
