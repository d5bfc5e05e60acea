"""Every source of bars behind one call: what it gives, what it tells, and how it refuses."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from core.config_schema import QualitySettings
from data.bar_sizes import parse_size, size_text
from data.bar_table import DAILY, BarTable, DataError
from data.closes import load_skfolio, skfolio_calendar
from data.packaged import load_packaged, packaged_file, packaged_symbols
from data.quality.findings import Check, Policy, policies_of
from data.sources import open_source
from data.store.schema import PriceKind, Series
from data.store.writer import HistoryWriter

POLICIES = policies_of(QualitySettings())
HEADER = "date,open,high,low,close,volume\n"


def test_packaged_prices_are_the_default():
    source = open_source()
    assert tuple(source.tables) == packaged_symbols()
    assert "still known today" in source.chosen_later
    assert any("2010-05-06: low is 199.25" in note for note in source.notes)


def test_skfolio_gives_closes_as_bars_and_says_what_it_made_up():
    source = open_source("skfolio", ["KO", "AAPL"])
    assert list(source.tables) == ["KO", "AAPL"]
    table = source.tables["AAPL"]
    assert len(table) == 8313
    assert (table.open == table.close).all()
    assert (table.high == table.low).all()
    assert np.allclose(table.close * table.volume, 100e6, rtol=1e-3)
    assert table.end_ns[0] == skfolio_calendar().sessions(date(1990, 1, 2), date(1990, 1, 2))[0].close_ns
    assert "volumes are made up" in source.notes[0]
    assert (load_skfolio(["AAPL"])["AAPL"].volume == 0).all()
    with pytest.raises(DataError, match="XX isn't among skfolio's symbols AAPL, AMD"):
        open_source("skfolio", ["XX"])


def test_all_of_skfolio_passes_the_checks_and_its_odd_symbol_is_named():
    report = open_source("skfolio").report
    assert report.bars["XOM"] == 8313
    odd = [one for one in report.findings if one.symbol == "RRC" and one.check is Check.UNADJUSTED_SPLITS]
    assert [one.when for one in odd] == ["1990-04-10"]  # 3.322 to 1.107 after 69 sessions at one price
    assert not any(one.check in {Check.HOLES, Check.TICKER_REUSE} for one in report.findings)


def test_the_splits_of_the_packaged_raw_prices_are_all_found(tmp_path):
    import gzip

    with gzip.open(packaged_file(), "rt") as text:
        rows = [line.split(",") for line in text.read().splitlines()[1:]]
    for symbol in ("AAPL", "MSFT"):
        lines = [",".join(row[1:7]) for row in rows if row[0] == symbol]
        (tmp_path / f"{symbol}.csv").write_text(HEADER + "\n".join(lines) + "\n")
    source = open_source(tmp_path)
    found = {(one.symbol, one.when) for one in source.report.findings if one.check is Check.UNADJUSTED_SPLITS}
    assert found == {("AAPL", "2000-06-21"), ("AAPL", "2005-02-28"), ("MSFT", "2003-02-18")}
    repaired = open_source(
        tmp_path, policies=policies_of(QualitySettings(unadjusted_splits="repair"))
    ).tables["AAPL"]
    assert np.allclose(repaired.close, load_packaged(["AAPL"])["AAPL"].close)


def test_a_single_file_is_a_source_too(tmp_path):
    path = tmp_path / "XYZ.csv"
    path.write_text(HEADER + "2012-11-12,1,2,0.5,1.5,100\n2012-11-13,1,2,0.5,1.5,90\n")
    assert list(open_source(path).tables) == ["XYZ"]
    with pytest.raises(DataError, match="holds XYZ only, not ABC"):
        open_source(path, ["ABC"])


def test_what_is_no_source_is_told_what_could_be():
    with pytest.raises(
        DataError, match="is neither a folder of bars nor packaged, skfolio or the file of a store"
    ):
        open_source("nowhere")
    with pytest.raises(DataError, match="there is no such store"):
        open_source("nowhere.duckdb")


# --- the store as a source --------------------------------------------------------------------------------


def put(path: Path, symbol: str, size_s: int, source: str, prices: PriceKind = PriceKind.RAW) -> None:
    real = load_packaged(["IBM"])["IBM"]
    table = BarTable(
        symbol=symbol, size_s=size_s, end_ns=real.end_ns, open=real.open, high=real.high, low=real.low,
        close=real.close, volume=real.volume,
    )  # fmt: skip
    with HistoryWriter(path) as writer:
        writer.put_bars(Series(symbol=symbol, size_s=size_s, source=source, prices=prices), table)


def test_a_store_with_one_kind_of_series_needs_no_choice(tmp_path):
    path = tmp_path / "h.duckdb"
    put(path, "IBM", DAILY, "ib")
    put(path, "ABC", DAILY, "ib")
    assert list(open_source(path).tables) == ["ABC", "IBM"]
    assert list(open_source(path, ["IBM"]).tables) == ["IBM"]
    with pytest.raises(DataError, match="there are no bars of XX in ib,1d,raw"):
        open_source(path, ["XX"])


def test_a_store_with_several_kinds_asks_for_a_choice(tmp_path):
    path = tmp_path / "h.duckdb"
    put(path, "IBM", DAILY, "ib", PriceKind.SPLITS)
    put(path, "IBM", DAILY, "polygon")
    put(path, "MSFT", DAILY, "polygon")
    with pytest.raises(
        DataError, match=r"several series fit; choose with h.duckdb@ and one of: ib,1d,splits polygon,1d,raw"
    ):
        open_source(path)
    assert list(open_source(f"{path}@polygon").tables) == ["IBM", "MSFT"]
    assert list(open_source(f"{path}@splits,1d").tables) == ["IBM"]
    with pytest.raises(DataError, match="nothing fits 'yahoo'"):
        open_source(f"{path}@yahoo")
    with pytest.raises(DataError, match="'1x!' is no source, bar size"):
        open_source(f"{path}@1x!")


def test_findings_stand_in_the_notes_of_their_symbol(tmp_path):
    lines = ["2012-11-12,1,2,0.5,1.5,100", "2012-11-13,1,2,0.5,1.5,90", "2012-11-20,1,2,0.5,1.5,0"]
    (tmp_path / "XYZ.csv").write_text(HEADER + "\n".join(lines) + "\n")
    notes = open_source(tmp_path).tables["XYZ"].notes
    assert notes == (
        "XYZ: zero volume: 2012-11-20: the volume is 0",
        "XYZ: holes: 2012-11-14: 4 bars are missing, the last at 2012-11-19",
    )


def test_a_symbol_that_a_policy_leaves_out_is_told_of(tmp_path):
    for symbol, day in (("ABC", "2012-11-20"), ("XYZ", "2012-11-14")):
        lines = ["2012-11-12,1,2,0.5,1.5,100", "2012-11-13,1,2,0.5,1.5,90", f"{day},1,2,0.5,1.5,80"]
        (tmp_path / f"{symbol}.csv").write_text(HEADER + "\n".join(lines) + "\n")
    source = open_source(tmp_path, policies={**POLICIES, Check.HOLES: Policy.DROP})
    assert list(source.tables) == ["XYZ"]
    assert any("ABC: holes" in note and "the symbol is left out" in note for note in source.notes)


@pytest.mark.parametrize(
    ("text", "size_s"),
    [("1d", DAILY), ("1h", 3600), ("5m", 300), ("30s", 30), ("300", 300), (" 5 Min ", 300)],
)
def test_bar_sizes_are_read_and_written(text, size_s):
    assert parse_size(text) == size_s
    assert parse_size(size_text(size_s)) == size_s


@pytest.mark.parametrize("text", ["", "0", "2d", "7s", "5x", "-5m"])
def test_what_is_no_bar_size_is_refused(text):
    with pytest.raises(ValueError, match="is no bar size"):
        parse_size(text)
