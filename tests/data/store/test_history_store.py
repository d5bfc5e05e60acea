"""The store: writing twice is writing once, readers beside a writer, a writer that is killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.bar_table import DAILY, BarTable, DataError
from data.corporate_actions import ActionKind, CorporateAction
from data.packaged import load_packaged
from data.sources import open_source
from data.store.reader import HistoryReader
from data.store.schema import TABLES, PriceKind, Series, reading_copy
from data.store.writer import HistoryWriter, StoreBusy

ROOT = Path(__file__).resolve().parents[3]
SERIES = Series(symbol="XYZ", size_s=DAILY, source="test", prices=PriceKind.RAW)
DAY_NS = 86_400 * 10**9


def table_of(days: dict[int, float], symbol: str = "XYZ") -> BarTable:
    close = np.array(list(days.values()), dtype=np.float64)
    ends = np.array(list(days), dtype=np.int64) * DAY_NS
    return BarTable(
        symbol=symbol, size_s=DAILY, end_ns=ends, open=close, high=close + 1, low=close - 1, close=close.copy(),
        volume=close * 100,
    )  # fmt: skip


@given(
    st.lists(
        st.dictionaries(st.integers(10_000, 10_060), st.floats(2, 1000, width=32), min_size=1, max_size=30),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=15)
def test_bars_are_kept_once_and_the_newest_of_a_time_counts(tmp_path_factory, batches):
    path = tmp_path_factory.mktemp("store") / "history.duckdb"
    model: dict[int, float] = {}
    with HistoryWriter(path) as writer:
        for batch in batches:
            ordered = dict(sorted(batch.items()))
            for _ in range(2):
                with writer.transaction():
                    writer.put_bars(SERIES, table_of(ordered))
            model |= ordered
    with HistoryReader(path) as reader:
        table = reader.bars(SERIES)
        (holding,) = reader.holdings()
    assert dict(zip((table.end_ns // DAY_NS).tolist(), table.close.tolist(), strict=True)) == model
    assert (np.diff(table.end_ns) > 0).all()
    assert holding.bars == len(model)


def test_what_is_read_is_bit_for_bit_what_was_written(tmp_path):
    path = tmp_path / "history.duckdb"
    ours = load_packaged(["AAPL", "IBM"])
    with HistoryWriter(path) as writer:
        for symbol, table in ours.items():
            writer.put_bars(
                Series(symbol=symbol, size_s=DAILY, source="wiki", prices=PriceKind.SPLITS), table
            )
    with HistoryReader(path) as reader:
        for holding in reader.holdings():
            theirs = reader.bars(holding.series)
            for name in ("end_ns", "open", "high", "low", "close", "volume"):
                mine = getattr(ours[holding.series.symbol], name)
                assert getattr(theirs, name).tobytes() == mine.tobytes()
        some = reader.bars(reader.holdings()[0].series, date(2010, 1, 1), date(2010, 12, 31))
        assert len(some) == 252


def test_series_of_other_sources_sizes_and_prices_stay_apart(tmp_path):
    path = tmp_path / "history.duckdb"
    others = [
        SERIES,
        Series(symbol="XYZ", size_s=300, source="test", prices=PriceKind.RAW),
        Series(symbol="XYZ", size_s=DAILY, source="other", prices=PriceKind.RAW),
        Series(symbol="XYZ", size_s=DAILY, source="test", prices=PriceKind.SPLITS),
    ]
    with HistoryWriter(path) as writer:
        for number, series in enumerate(others):
            writer.put_bars(series, table_of({10_000: 10.0 + number}))
    with HistoryReader(path) as reader:
        assert {one.series for one in reader.holdings()} == set(others)
        assert [reader.bars(one).close[0] for one in others] == [10.0, 11.0, 12.0, 13.0]


def test_a_failed_transaction_leaves_nothing(tmp_path):
    path = tmp_path / "history.duckdb"
    with HistoryWriter(path) as writer:
        with contextlib.suppress(ZeroDivisionError), writer.transaction():
            writer.put_bars(SERIES, table_of({10_000: 10.0}))
            writer.put_piece("test", "XYZ", DAILY, (date(2000, 1, 3), date(2000, 1, 3), 0, 1, ""))
            raise ZeroDivisionError
        assert writer.pieces_done("test", "XYZ", DAILY) == set()
    with HistoryReader(path) as reader:
        assert reader.holdings() == []


def test_actions_of_a_span_are_replaced(tmp_path):
    path = tmp_path / "history.duckdb"
    split, dividend = (
        CorporateAction(symbol="XYZ", day=date(2020, 8, 31), kind=ActionKind.SPLIT, value=4.0),
        CorporateAction(symbol="XYZ", day=date(2021, 2, 5), kind=ActionKind.DIVIDEND, value=0.205),
    )
    with HistoryWriter(path) as writer:
        for _ in range(2):
            writer.put_actions("test", "XYZ", date(2020, 1, 1), date(2021, 12, 31), [split, dividend])
        writer.put_actions("test", "XYZ", date(2021, 1, 1), date(2021, 12, 31), [])
    with HistoryReader(path) as reader:
        assert reader.actions(["XYZ"], "test") == (split,)
        assert reader.actions(["ABC"], "test") == ()


def test_an_action_behind_the_span_replaces_its_own_only(tmp_path):
    path = tmp_path / "history.duckdb"
    dividend, split, payout = (
        CorporateAction(symbol="XYZ", day=date(2012, 5, 4), kind=ActionKind.DIVIDEND, value=2.65),
        CorporateAction(symbol="XYZ", day=date(2020, 8, 31), kind=ActionKind.SPLIT, value=4.0),
        CorporateAction(symbol="XYZ", day=date(2020, 8, 31), kind=ActionKind.DIVIDEND, value=0.2),
    )
    with HistoryWriter(path) as writer:
        writer.put_actions("test", "XYZ", date(2020, 1, 1), date(2020, 12, 31), [split, payout])
        for _ in range(2):
            writer.put_actions("test", "XYZ", date(2012, 1, 1), date(2012, 12, 31), [dividend, split])
    with HistoryReader(path) as reader:
        assert set(reader.actions(["XYZ"], "test")) == {dividend, split, payout}
        assert len(reader.actions(["XYZ"], "test")) == 3


def test_a_split_behind_the_last_raw_bar_divides_no_dividend(tmp_path):
    path = tmp_path / "history.duckdb"
    dividend, split, later = (
        CorporateAction(symbol="XYZ", day=date(1997, 5, 20), kind=ActionKind.DIVIDEND, value=1.0),
        CorporateAction(symbol="XYZ", day=date(1997, 5, 22), kind=ActionKind.SPLIT, value=2.0),
        CorporateAction(symbol="XYZ", day=date(1997, 6, 2), kind=ActionKind.SPLIT, value=5.0),
    )
    with HistoryWriter(path) as writer:
        writer.put_bars(SERIES, table_of({10_001: 10.0, 10_002: 10.0, 10_003: 10.0}))  # to 1997-05-22
        writer.put_actions("test", "XYZ", date(1997, 1, 1), date(1997, 12, 31), [dividend, split, later])
    source = open_source(str(path))
    assert source.tables["XYZ"].close.tolist() == [5.0, 5.0, 10.0]
    assert [one.value for one in source.actions] == [0.5]


KILLED_MAKERS = """
import os, signal, sys
from pathlib import Path
from data.store import writer
for statements in range(1, 8):
    child = os.fork()
    if child:
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        continue
    plain, left = writer.fetch, [statements]
    def until_killed(connection, sql, parameters=()):
        rows = plain(connection, sql, parameters)
        if sql.startswith(("CREATE", "INSERT")):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
        return rows
    writer.fetch = until_killed
    writer.HistoryWriter(Path(sys.argv[1]) / f"{statements}.duckdb")
    os._exit(0)
"""


def test_a_store_is_usable_after_a_kill_at_each_statement_of_its_making(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED_MAKERS, str(tmp_path)], cwd=ROOT, check=True)
    made = sorted(tmp_path.glob("*.duckdb"))
    assert len(made) == len(TABLES) + 1
    for path in made:
        with HistoryWriter(path) as writer:
            writer.put_bars(SERIES, table_of({10_000: 10.0}))
        with HistoryReader(path) as reader:
            assert reader.bars(SERIES).close.tolist() == [10.0]


@pytest.mark.parametrize("tables", range(len(TABLES) + 1))
def test_a_store_whose_making_was_cut_off_between_two_tables_is_finished(tmp_path, tables):
    path = tmp_path / "history.duckdb"
    with duckdb.connect(str(path)) as connection:
        for statement in TABLES[:tables]:
            connection.execute(statement)
    with HistoryReader(path) as reader:
        assert reader.holdings() == []


WRITER = """
import sys
from pathlib import Path
from tests.data.store.test_history_store import SERIES, table_of
from data.store.writer import HistoryWriter
writer = HistoryWriter(Path(sys.argv[1]))
with writer.transaction():
    writer.put_bars(SERIES, table_of({10_001: 11.0}))
print("committed", flush=True)
with writer.transaction():
    writer.put_bars(SERIES, table_of({10_002: 12.0}))
    print("inside", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_writer(tmp_path):
    """Another process inside a transaction, after one that it committed."""
    path = tmp_path / "history.duckdb"
    with HistoryWriter(path) as writer:
        writer.put_bars(SERIES, table_of({10_000: 10.0}))
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"committed\n"
    assert process.stdout.readline() == b"inside\n"
    yield path, process
    process.kill()
    process.communicate()


def test_readers_see_what_was_published_while_another_process_writes(other_writer):
    path, process = other_writer
    with HistoryReader(path) as reader:
        assert reader.bars(SERIES).close.tolist() == [10.0]
        assert f"process {process.pid} is writing" in reader.note
    with pytest.raises(StoreBusy, match=f"process {process.pid} is writing"):
        HistoryWriter(path, wait_s=0)


def test_a_writer_that_is_killed_loses_nothing_that_it_had_committed(other_writer):
    path, process = other_writer
    process.kill()
    process.wait()
    with HistoryReader(path) as reader:
        assert reader.bars(SERIES).close.tolist() == [10.0, 11.0]
        assert reader.note == ""


def test_a_store_without_its_reading_copy_is_read_all_the_same(tmp_path):
    path = tmp_path / "history.duckdb"
    with HistoryWriter(path) as writer:
        writer.put_bars(SERIES, table_of({10_000: 10.0}))
    reading_copy(path).unlink()
    with HistoryReader(path) as reader:
        assert len(reader.bars(SERIES)) == 1


def test_what_is_no_store_is_refused(tmp_path):
    nonsense, foreign = tmp_path / "nonsense.duckdb", tmp_path / "foreign.duckdb"
    nonsense.write_bytes(b"nonsense" * 1000)
    duckdb.connect(str(foreign)).execute("CREATE TABLE t (x INTEGER)").close()
    for path, text in (
        (tmp_path / "none.duckdb", "no such store"),
        (nonsense, "can't be opened"),
        (foreign, "no history store"),
    ):
        with pytest.raises(DataError, match=text):
            HistoryReader(path)
