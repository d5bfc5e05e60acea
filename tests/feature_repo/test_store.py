"""Feast's store, the publisher and the commands: one store over real bars; importing Feast alone takes seconds."""

from __future__ import annotations

import gc
import shutil
import sqlite3
import warnings
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import Rejected
from feature_repo.locations import FeatureFolder
from feature_repo.tables import (
    AVAILABLE,
    EVENT_S,
    METHOD,
    SYMBOL,
    catalogue_versions,
    read_facts,
    write_table,
)
from feature_repo.training_set import training_set
from feature_repo.work import (
    WouldGoBack,
    compute_costs,
    compute_daily,
    feature_calendar,
    materialise_costs,
    materialise_daily,
    session_of,
)
from features.catalogue import FEATURES
from features.freshness import AVAILABLE_AFTER_NS, Freshness
from features.snapshot import Known, read_snapshot
from tca.feature_etl import COST_FEATURES
from tca.generator import generate
from tca.store import TcaStore

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Feast's and its libraries' own making
    from feature_repo.feature_services import COSTS, MODEL, PUBLISHED
    from feature_repo.parity import compare
    from feature_repo.publish import NothingPublished, publish
    from feature_repo.store import Store, StoreUnavailable, moment

CALENDAR = feature_calendar("XNYS")
SYMBOLS = ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
LAST = session_of(date(2013, 2, 28), CALENDAR, 2**62)
FRESH = Freshness(max_age_sessions=1, sessions=CALENDAR)


@pytest.fixture(scope="module")
def full(tmp_path_factory, bars) -> Store:
    """Features up to LAST, and costs of simulated orders, applied and materialised; tests only read it."""
    control = tmp_path_factory.mktemp("full")
    folder = FeatureFolder.below(control)
    compute_daily(folder, bars, LAST)
    with TcaStore(control / "tca.duckdb") as database:
        generate(database, parents=3000, seed=1)
    compute_costs(folder, control / "tca.duckdb", CALENDAR, LAST)
    store = Store(folder)
    store.apply()
    materialise_daily(store, LAST)
    materialise_costs(store, LAST)
    return store


@pytest.fixture
def copy(full, tmp_path) -> Store:
    """A store to spoil."""
    folder = FeatureFolder.below(tmp_path)
    shutil.copytree(full.folder.path, folder.path)
    store = Store(folder)
    store.apply()
    return store


def put_out(store, session=LAST, **options):
    return publish(store, SYMBOLS, session, CALENDAR, max_age_sessions=1, wall_ns=7, **options)


def test_the_registry_holds_the_catalogue_and_nothing_else(full):
    view = full.feast.get_feature_view("daily_features")
    kept = {field.name: field for field in view.features}
    assert set(kept) == {*FEATURES, EVENT_S}
    assert {str(kept[name].dtype) for name in FEATURES} == {"Float64"}
    assert {name: int(kept[name].tags["version"]) for name in FEATURES} == catalogue_versions()
    costs = {field.name for field in full.feast.get_feature_view("order_costs").features}
    assert costs == {*COST_FEATURES, EVENT_S}
    services = {one.name: one for one in full.feast.list_feature_services()}
    assert set(services) == {PUBLISHED, MODEL, COSTS}
    (model,) = services[MODEL].feature_view_projections
    assert {field.name for field in model.features} - {EVENT_S} == {
        name for name, feature in FEATURES.items() if feature.scale_free
    }


def test_keys_are_the_same_columns_offline_and_online(full):
    for path, view, keys in [
        (full.folder.daily, "daily_features", [SYMBOL]),
        (full.folder.tca, "order_costs", [METHOD, SYMBOL]),
    ]:
        stored = full.feast.get_feature_view(view)
        schema = pq.read_schema(path)
        assert sorted(stored.join_keys) == keys
        assert set(schema.names) == {*keys, AVAILABLE, *(field.name for field in stored.features)}
        assert all(schema.field(key).type == pa.string() for key in keys)
        rows = pq.read_table(path, columns=[*keys, AVAILABLE]).to_pandas()
        assert not rows.duplicated().any()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_year_of_all_symbols_is_equal_online_offline_and_from_raw_bars(full, bars, tmp_path):
    sessions = CALENDAR.sessions(date(2011, 1, 1), LAST.date)[-252:]
    found = compare(full.folder, bars, sessions, tmp_path / "control")
    assert found.differences == ()
    assert found.sessions == 252
    assert found.values > 250 * 5 * len(FEATURES) - 70 * len(FEATURES)  # FB began in May 2012
    assert found.known > 0.9 * found.values


def test_parity_notices_a_value_that_differs(full, bars, tmp_path):
    changed = FeatureFolder.below(tmp_path / "changed")
    table = pq.read_table(full.folder.daily)
    values = table.column("rsi_14").to_numpy().copy()
    values[-1] = np.nextafter(values[-1], 100)
    place = table.column_names.index("rsi_14")
    write_table(
        changed.daily, table.set_column(place, "rsi_14", pa.array(values)), read_facts(full.folder.daily)
    )
    found = compare(changed, bars, [LAST], tmp_path / "scratch")
    assert len(found.differences) == 1
    assert "MSFT rsi_14" in found.differences[0]


def test_feasts_point_in_time_join_gives_the_same_training_set(full):
    rng = np.random.default_rng(5)
    first = session_of(date(2011, 6, 1), CALENDAR, 2**62).open_ns
    moments = rng.integers(first // 10**9, LAST.close_ns // 10**9, 150) * 10**9
    edges = [LAST.close_ns + AVAILABLE_AFTER_NS + shift for shift in (-(10**9), 0)]
    moments = np.concatenate([moments, edges])
    symbols = [*rng.choice(SYMBOLS, 150).tolist(), "IBM", "IBM"]
    mine = training_set(
        full.folder.daily,
        symbols,
        moments,
        catalogue_versions(),
        replace(FRESH, max_age_sessions=10**6),
    )
    oracle = full.historical_daily(symbols, [moment(int(one)) for one in moments])
    by_key = {(row[SYMBOL], row["event_timestamp"].value): row for row in oracle.to_dict("records")}
    assert mine.event_ns[-1] == LAST.close_ns > mine.event_ns[-2]
    for place, (symbol, at_ns) in enumerate(zip(symbols, moments.tolist(), strict=True)):
        row = by_key[symbol, at_ns]
        theirs = np.array([row[name] for name in mine.names], dtype=float)
        assert np.array_equal(mine.values[place], theirs, equal_nan=True)
        if mine.event_ns[place]:
            assert row[EVENT_S] * 10**9 == mine.event_ns[place]


def test_what_is_published_is_what_a_decision_of_the_next_session_would_be_trained_on(copy):
    done = put_out(copy)
    assert (done.usable, done.unusable, done.written) == (tuple(SYMBOLS), {}, True)
    following = CALENDAR.next_session(LAST.close_ns)
    assert following is not None
    at_ns = following.open_ns + 300 * 10**9
    snapshot = read_snapshot(copy.folder.snapshot)
    assert snapshot.sha256 == done.sha256
    trained = training_set(copy.folder.daily, SYMBOLS, np.full(5, at_ns), catalogue_versions(), FRESH)
    for place, symbol in enumerate(SYMBOLS):
        for column, name in enumerate(trained.names):
            answer = snapshot.lookup(symbol, name, version=1, at_ns=at_ns, freshness=FRESH)
            value = answer.value if isinstance(answer, Known) else np.nan
            assert np.array_equal(value, trained.values[place, column], equal_nan=True)
    before = copy.folder.snapshot.stat()
    assert not put_out(copy).written
    assert copy.folder.snapshot.stat() == before


def test_without_a_good_store_nothing_is_published_and_the_old_snapshot_stands(copy):
    put_out(copy)
    before = copy.folder.snapshot.read_bytes()
    later = session_of(date(2013, 3, 15), CALENDAR, 2**62)
    with pytest.raises(NothingPublished, match=r"2013-03-18: AAPL: too_old, of 2013-02-28"):
        put_out(copy, later)
    online = copy.folder.online
    del copy.feast  # and with it its connection
    gc.collect()
    holder = sqlite3.connect(online)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StoreUnavailable, match="locked"):
            put_out(Store(copy.folder))
    finally:
        holder.close()
    content = online.read_bytes()
    online.with_name("online.db-wal").unlink(missing_ok=True)
    online.with_name("online.db-shm").unlink(missing_ok=True)
    online.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnavailable, match="DatabaseError"):
        put_out(Store(copy.folder))
    online.unlink()
    with pytest.raises(StoreUnavailable, match="no online store"):
        put_out(Store(copy.folder))
    assert not online.exists()
    online.write_bytes(content)
    assert not put_out(Store(copy.folder)).written
    assert copy.folder.snapshot.read_bytes() == before


def test_a_store_that_was_never_applied_and_one_of_no_symbol_publish_nothing(full, tmp_path):
    folder = FeatureFolder.below(tmp_path)
    folder.path.mkdir(parents=True)
    shutil.copyfile(full.folder.daily, folder.daily)
    with pytest.raises(StoreUnavailable):
        put_out(Store(folder))
    with pytest.raises(NothingPublished, match="TSLA: no features"):
        publish(full, ["TSLA"], LAST, CALENDAR, max_age_sessions=1, wall_ns=7)
    assert not folder.snapshot.exists()


def test_older_rows_that_were_loaded_over_newer_ones_are_not_published(copy):
    earlier = session_of(date(2013, 2, 27), CALENDAR, 2**62)
    materialise_daily(copy, earlier)
    with pytest.raises(NothingPublished, match="another session"):
        put_out(copy)
    materialise_daily(copy, LAST)
    assert put_out(copy).written


def test_a_value_changed_in_the_online_store_is_not_published(copy):
    table = pq.read_table(copy.folder.daily)
    doubled = pa.compute.multiply(table.column("vol_20"), 2.0)
    place = table.column_names.index("vol_20")
    write_table(copy.folder.daily, table.set_column(place, "vol_20", doubled), read_facts(copy.folder.daily))
    with pytest.raises(NothingPublished, match="AAPL: vol_20 is"):
        put_out(copy)


def test_nothing_goes_back_unasked(copy, bars):
    put_out(copy)
    earlier = session_of(date(2013, 2, 20), CALENDAR, 2**62)
    with pytest.raises(WouldGoBack):
        compute_daily(copy.folder, bars, earlier)
    compute_daily(copy.folder, bars, earlier, back=True)
    materialise_daily(copy, earlier)
    with pytest.raises(NothingPublished, match="later session"):
        put_out(copy, earlier)
    assert put_out(copy, earlier, replace=True).written


def test_a_symbol_without_a_bar_that_day_is_unknown_and_the_others_are_published(copy, bars):
    day = session_of(date(2013, 2, 20), CALENDAR, 2**62)
    holed = {symbol: table for symbol, table in bars.items() if symbol != "IBM"}
    rows = bars["IBM"].rows_between(0, day.open_ns)
    columns = ("end_ns", "open", "high", "low", "close", "volume")
    holed["IBM"] = replace(bars["IBM"], **{name: getattr(bars["IBM"], name)[rows] for name in columns})
    assert compute_daily(copy.folder, holed, day, back=True).num_rows == 4
    materialise_daily(copy, day)
    done = put_out(copy, day)
    assert "IBM" not in done.usable
    assert done.unusable == {"IBM": "IBM: too_old, of 2013-02-19"}


def test_costs_are_loaded_by_symbol_and_method(full):
    rows = [row for row in pq.read_table(full.folder.tca).to_pylist() if row[SYMBOL] == "AAPL"]
    newest = {row[METHOD]: row for row in rows}
    online = full.online_costs([("AAPL", method) for method in newest])
    assert len(online) > 3
    for (_, method), row in online.items():
        assert dict(row.values) == {name: newest[method][name] for name in COST_FEATURES}
    assert full.online_costs([("AAPL", "NO SUCH")]) == {}


def test_a_session_is_the_newest_that_is_over_or_the_one_named():
    friday = session_of(date(2013, 2, 22), CALENDAR, 2**62)
    assert session_of(None, CALENDAR, friday.close_ns) == friday
    assert session_of(None, CALENDAR, friday.close_ns - 1).date == date(2013, 2, 21)
    for day, now_ns, text in [
        (date(2013, 2, 23), 2**62, "no session"),
        (friday.date, friday.close_ns - 1, "isn't over"),
    ]:
        with pytest.raises(Rejected, match=text):
            session_of(day, CALENDAR, now_ns)


def test_the_commands_lead_from_bars_to_the_snapshot_and_tell_what_is_missing(tmp_path, monkeypatch, capsys):
    from core.exit_codes import ExitCode
    from core.locks import InstanceLock
    from feature_repo.__main__ import main

    monkeypatch.setenv("BACKSTOP__PATHS__CONTROL", str(tmp_path))
    monkeypatch.setenv("BACKSTOP__PATHS__RESULTS", str(tmp_path / "results"))
    day = ["--session", "2013-02-28"]

    def run(*arguments):
        code = main(arguments)
        return code, "".join(capsys.readouterr())

    assert run("show")[0] == ExitCode.INTERNAL_ERROR
    code, text = run("publish", *day)
    assert (code, "no online store" in text or "isn't registered" in text or "does not exist" in text) == (
        1,
        True,
    )
    assert run("compute", *day) == (
        ExitCode.CLEAN,
        f"{tmp_path}/features/daily.parquet: features up to 2013-02-28, 5 symbols on that day\n",
    )
    assert run("costs", *day)[0] == ExitCode.CLEAN
    assert "costs of 0 symbols" in run("materialise", *day)[1]
    code, text = run("publish", *day)
    assert "published, features of 5 symbols up to 2013-02-28" in text
    assert "stands already" in run("publish", *day)[1]
    code, text = run("show")
    assert (code, "sma_200 v1" in text, "as of 2013-03-01 14:30:00 UTC" in text) == (0, True, True)
    code, text = run("parity", *day, "--days", "2")
    assert (code, "equal bit for bit" in text) == (ExitCode.CLEAN, True)
    assert run("publish", "--session", "2013-02-24")[0] == ExitCode.USAGE
    assert run("compute", *day, "--data", "nowhere")[0] == ExitCode.USAGE
    with InstanceLock(tmp_path / "nightly.lock"):
        assert run("publish", *day)[0] == ExitCode.ALREADY_RUNNING
    code, text = run("catalogue")
    assert all(f"`{name}`" in text for name in (*FEATURES, *COST_FEATURES))
