"""Training sets: each decision has the newest features that could be used then, and no newer ones."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from data.packaged import packaged_calendar
from feature_repo.catalogue_page import catalogue_table
from feature_repo.locations import PROJECT
from feature_repo.tables import (
    EVENT_S,
    SYMBOL,
    FeaturesMissing,
    FileFacts,
    catalogue_versions,
    daily_table,
    read_facts,
    write_table,
)
from feature_repo.training_set import training_set
from features.catalogue import compute
from features.freshness import AVAILABLE_AFTER_NS, Freshness, Why
from features.panel import panel_of
from tests.feature_repo.cut import until

CALENDAR = packaged_calendar()
FRESH = Freshness(max_age_sessions=1, sessions=CALENDAR)
ALL = catalogue_versions()


def session(day):
    found = CALENDAR.session_on(day)
    assert found is not None
    return found


FRIDAY, MONDAY, TUESDAY = (session(date(2012, 6, day)) for day in (8, 11, 12))


def ask(folder, symbols, moments, features=ALL, freshness=FRESH):
    return training_set(folder.daily, symbols, np.array(moments, dtype=np.int64), features, freshness)


def by_hand(bars, symbol, session):
    """Features computed from the bars up to that session, and no later ones."""
    panel = panel_of(until(bars, session.close_ns))
    return np.array([values[-1][panel.symbols.index(symbol)] for values in compute(panel).values()])


def test_a_decision_within_a_session_has_the_values_of_the_session_before(folder, bars):
    moments = [MONDAY.open_ns + 300 * 10**9, MONDAY.close_ns, MONDAY.close_ns + AVAILABLE_AFTER_NS]
    found = ask(folder, ["IBM"] * 3, moments)
    assert found.event_ns.tolist() == [FRIDAY.close_ns, FRIDAY.close_ns, MONDAY.close_ns]
    assert np.array_equal(found.values[0], by_hand(bars, "IBM", FRIDAY))
    assert np.array_equal(found.values[0], found.values[1])
    assert np.array_equal(found.values[2], by_hand(bars, "IBM", MONDAY))
    assert found.complete.all()


def test_what_comes_later_changes_nothing(folder, bars, tmp_path):
    cut = until(bars, FRIDAY.close_ns)
    path = tmp_path / "daily.parquet"
    write_table(path, daily_table(cut), FileFacts(versions=ALL, source_sha256=""))
    rng = np.random.default_rng(3)
    last = FRIDAY.close_ns + AVAILABLE_AFTER_NS
    moments = rng.integers(session(date(2002, 1, 2)).open_ns, last, 500)
    symbols = rng.choice(list(bars), 500).tolist()
    early, late = (training_set(p, symbols, moments, ALL, FRESH) for p in (path, folder.daily))
    assert np.array_equal(early.values, late.values, equal_nan=True)
    assert (early.event_ns + AVAILABLE_AFTER_NS <= moments).all()
    assert early.complete.sum() > 200


def test_rows_keep_the_order_of_the_decisions_and_columns_that_of_the_names(folder):
    moments = [TUESDAY.open_ns, FRIDAY.open_ns, MONDAY.open_ns, TUESDAY.open_ns]
    found = ask(folder, ["MSFT", "AAPL", "IBM", "AAPL"], moments, {"weekday": 1, "sma_200": 1})
    assert found.values[:, 0].tolist() == [0, 3, 4, 0]
    assert found.names == ("weekday", "sma_200")
    assert found.values[3, 1] > found.values[0, 1]


def test_decisions_without_usable_features_are_counted_by_reason(folder):
    moments = [
        session(date(2000, 3, 1)).open_ns,
        TUESDAY.open_ns,
        session(date(2013, 4, 29)).open_ns,
    ]
    found = ask(folder, ["AAPL", "TSLA", "IBM"], moments)
    assert found.unknown == {Why.NO_SYMBOL: 2, Why.TOO_OLD: 1}
    assert np.isnan(found.values).all()
    assert not found.complete.any()
    assert found.event_ns.tolist() == [0, 0, 0]
    longer = Freshness(max_age_sessions=60, sessions=CALENDAR)
    assert ask(folder, ["IBM"], moments[2:], freshness=longer).complete.all()


def test_an_unknown_value_is_nan_and_the_rest_of_the_row_is_known(folder):
    found = ask(folder, ["FB"], [session(date(2012, 8, 1)).open_ns], {"ret_1": 1, "sma_200": 1})
    assert not np.isnan(found.values[0, 0])
    assert np.isnan(found.values[0, 1])
    assert found.unknown == {}


def test_a_file_of_other_formulas_is_refused(folder, bars, tmp_path):
    with pytest.raises(FeaturesMissing, match="rsi_14 is of version 1, wanted is version 2"):
        ask(folder, ["IBM"], [MONDAY.open_ns], {"rsi_14": 2})
    with pytest.raises(FeaturesMissing, match="magic is not in it"):
        ask(folder, ["IBM"], [MONDAY.open_ns], {"magic": 1})
    path = tmp_path / "daily.parquet"
    with pytest.raises(FeaturesMissing, match="python -m feature_repo compute"):
        read_facts(path)
    pq.write_table(daily_table({"IBM": bars["IBM"]}), path)
    with pytest.raises(FeaturesMissing, match="no file of features"):
        read_facts(path)
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(FeaturesMissing, match="no file of features"):
        read_facts(path)


def test_the_same_features_are_the_same_bytes_and_every_bar_has_its_row(folder, bars, tmp_path):
    path = tmp_path / "daily.parquet"
    write_table(path, daily_table(bars), read_facts(folder.daily))
    assert path.read_bytes() == folder.daily.read_bytes()
    table = pq.read_table(path)
    for symbol, own in bars.items():
        rows = table.filter(np.array(table.column(SYMBOL)) == symbol)
        assert (rows.column(EVENT_S).to_numpy() * 10**9 == own.end_ns).all()


def test_the_page_on_features_shows_the_catalogue_as_it_is():
    page = (PROJECT / "docs" / "features.md").read_text(encoding="utf-8")
    assert page.endswith(catalogue_table() + "\n"), "python -m feature_repo catalogue prints the new table"
