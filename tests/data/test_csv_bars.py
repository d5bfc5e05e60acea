import gzip
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.bar_table import DAILY, DataError
from data.csv_bars import load_folder

HEADER = "date,open,high,low,close,volume\n"


def write(folder, name, *rows, header=HEADER):
    path = folder / name
    text = header + "".join(f"{row}\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def problems_of(folder, **options):
    with pytest.raises(DataError) as caught:
        load_folder(folder, **options)
    return caught.value.problems


def moments(table):
    return [f"{datetime.fromtimestamp(ns / 1e9, UTC):%m-%d %H:%M}" for ns in table.end_ns.tolist()]


def test_daily_bars_end_with_their_session(tmp_path):
    write(tmp_path, "XYZ.csv", "2012-11-21,1,2,0.5,1.5,100", "2012-11-23,1.5,2,1,1.8,200")
    table = load_folder(tmp_path).tables["XYZ"]
    assert table.size_s == DAILY
    assert moments(table) == ["11-21 21:00", "11-23 18:00"]
    assert table.close.tolist() == [1.5, 1.8]


def test_times_without_an_offset_are_local_to_the_exchange_and_starts_are_recognised(tmp_path):
    write(tmp_path, "XYZ.csv", *(f"2012-11-12 09:{minute}:00,1,2,0.5,1.5,100" for minute in (30, 35, 40)))
    table = load_folder(tmp_path).tables["XYZ"]
    assert table.size_s == 300
    assert moments(table) == ["11-12 14:35", "11-12 14:40", "11-12 14:45"]


def test_ends_are_recognised_by_the_bar_at_the_close(tmp_path):
    rows = [f"2012-11-12T{clock}:00-05:00,1,2,0.5,1.5,100" for clock in ("15:50", "15:55", "16:00")]
    write(tmp_path, "XYZ.csv", *rows)
    assert moments(load_folder(tmp_path).tables["XYZ"])[-1] == "11-12 21:00"


def test_the_name_of_the_time_column_can_say_what_it_stamps(tmp_path):
    rows = [f"2012-11-12 {clock}:00,1,2,0.5,1.5,100" for clock in ("10:00", "10:05", "10:10")]
    write(tmp_path, "XYZ.csv", *rows)
    assert "call the time column 'start' or 'end'" in problems_of(tmp_path)[0]
    write(tmp_path, "XYZ.csv", *rows, header=HEADER.replace("date", "End"))
    assert moments(load_folder(tmp_path).tables["XYZ"])[0] == "11-12 15:00"
    write(tmp_path, "XYZ.csv", *rows, header=HEADER.replace("date", "Start"))
    assert moments(load_folder(tmp_path).tables["XYZ"])[0] == "11-12 15:05"


def test_rows_outside_regular_hours_are_left_out_and_counted(tmp_path):
    clocks = ("09:25", "09:30", "09:35", "15:55", "16:05")
    write(tmp_path, "XYZ.csv", *(f"2012-11-12 {clock},1,2,0.5,1.5,100" for clock in clocks))
    table = load_folder(tmp_path).tables["XYZ"]
    assert moments(table) == ["11-12 14:35", "11-12 14:40", "11-12 21:00"]
    assert table.notes == ("XYZ: 2 rows outside regular hours left out",)


def test_hourly_bars_are_cut_at_the_clock_hour_and_the_close(tmp_path):
    clocks = ("09:30", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00")
    write(tmp_path, "XYZ.csv", *(f"2012-11-12 {clock},1,2,0.5,1.5,100" for clock in clocks))
    ends = moments(load_folder(tmp_path).tables["XYZ"])
    assert ends[:2] == ["11-12 15:00", "11-12 16:00"]
    assert ends[-1] == "11-12 21:00"


def test_date_and_time_may_stand_in_two_columns(tmp_path):
    header = "Date,Time,Open,High,Low,Close,Volume\n"
    rows = ("20121112,09:30:00,1,2,0.5,1.5,100", "20121112,09:31:00,1,2,0.5,1.5,100")
    write(tmp_path, "XYZ.csv", *rows, header=header)
    assert load_folder(tmp_path).tables["XYZ"].size_s == 60


def test_times_may_be_seconds_since_the_epoch(tmp_path):
    write(tmp_path, "XYZ.csv", "1352730600,1,2,0.5,1.5,100", "1352730660,1,2,0.5,1.5,100")
    assert moments(load_folder(tmp_path).tables["XYZ"]) == ["11-12 14:31", "11-12 14:32"]


def test_parquet_and_compressed_files_are_read_too(tmp_path):
    write(tmp_path, "ABC.csv.gz", "2012-11-12,1,2,0.5,1.5,100")
    columns = {
        "timestamp": [date(2012, 11, 12), date(2012, 11, 13)],
        "open": [1.0, 1.5],
        "high": [2.0, 2.0],
        "low": [0.5, 1.0],
        "close": [1.5, 1.8],
        "volume": [100, 200],
    }
    pq.write_table(pa.table(columns), tmp_path / "xyz.parquet")
    folder = load_folder(tmp_path)
    assert set(folder.tables) == {"ABC", "XYZ"}
    assert folder.tables["XYZ"].volume.tolist() == [100.0, 200.0]
    assert folder.calendar.session_on(date(2012, 11, 13)) is not None


def test_each_bad_value_is_named_with_its_file_and_line(tmp_path):
    path = write(
        tmp_path,
        "XYZ.csv",
        "2012-11-12,1,2,0.5,1.5,100",
        "2012-11-13,1,0.9,0.5,0.8,100",
        "2012-11-14,1,2,0.5,1.5,-1",
        "2012-11-14,1,2,0.5,nan,5",
        "2012-11-17,1,2,0.5,1.5,5",
    )
    problems = problems_of(tmp_path)
    assert f"{path}: line 3: high is 0.9, below open 1, low 0.5 or close 0.8" in problems
    assert f"{path}: line 4: volume is -1, expected 0 or more" in problems
    assert f"{path}: line 5: close is nan, expected a price above 0" in problems
    assert f"{path}: line 5: the time 2012-11-14 stands twice" in problems


def test_a_date_without_a_session_is_named(tmp_path):
    write(tmp_path, "XYZ.csv", "2012-11-16,1,2,0.5,1.5,100", "2012-11-17,1,2,0.5,1.5,5")
    assert problems_of(tmp_path)[0].endswith("line 3: 2012-11-17 isn't a session of XNYS")


def test_text_in_place_of_a_number_or_time_is_named(tmp_path):
    write(tmp_path, "XYZ.csv", "2012-11-16,1,2,0.5,much,100", "yesterday,1,2,0.5,1.5,5", "2012-11-19,1,2")
    problems = " ".join(problems_of(tmp_path))
    assert "line 3: 'yesterday' isn't a date or time" in problems


def test_a_missing_column_is_named(tmp_path):
    write(tmp_path, "XYZ.csv", "2012-11-16,1,2", header="date,open,high\n")
    problems = problems_of(tmp_path)
    assert "there is no column 'low'; found: date, open, high" in problems[0]
    assert len(problems) == 3


def test_all_files_are_checked_before_the_error(tmp_path):
    write(tmp_path, "ABC.csv", "2012-11-16,1,2,0.5,x,100")
    write(tmp_path, "XYZ.csv", "2012-11-16,1,2,0.5,y,100")
    problems = problems_of(tmp_path)
    assert "ABC.csv" in problems[0]
    assert "XYZ.csv" in problems[1]


def test_a_flood_of_errors_is_cut_short(tmp_path):
    write(tmp_path, "XYZ.csv", *["2012-11-16,1,2,0.5,x,100"] * 100)
    problems = problems_of(tmp_path)
    assert len(problems) == 21
    assert problems[-1].endswith("there may be more; the first 20 are shown")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda folder: None, "there is no file that ends in .csv"),
        (lambda folder: write(folder, "not a symbol!.csv"), "the name isn't a symbol"),
        (lambda folder: (folder / "XYZ.csv").write_text(""), "the file is empty"),
        (lambda folder: write(folder, "XYZ.csv"), "there are no rows"),
        (lambda folder: (folder / "XYZ.csv.gz").write_bytes(b"nonsense"), "can't be read"),
        (lambda folder: (folder / "XYZ.parquet").write_bytes(b"nonsense"), "can't be read"),
        (lambda folder: write(folder, "XYZ.csv", "2012-11-12 09:30,1,2,0.5,1,1"), "one row doesn't tell"),
    ],
)
def test_an_unusable_folder_says_why(tmp_path, make, text):
    make(tmp_path)
    assert text in " ".join(problems_of(tmp_path))


def test_a_symbol_without_a_file_and_a_symbol_with_two_are_named(tmp_path):
    write(tmp_path, "XYZ.csv", "2012-11-16,1,2,0.5,1,100")
    assert problems_of(tmp_path, symbols=["XYZ", "ABC"]) == (f"{tmp_path}: there is no file of ABC",)
    write(tmp_path, "xyz.csv.gz", "2012-11-16,1,2,0.5,1,100")
    assert "XYZ has another file already" in problems_of(tmp_path)[0]


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    assert "can't be listed" in problems_of(tmp_path / "nowhere")[0]
