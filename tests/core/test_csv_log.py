"""CSV files: whole rows only, whatever happens to the file (F1, F12, S3)."""

import csv
import os
import subprocess
import sys
import textwrap
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock
from core.csv_log import ORDER_SUBMISSION_HEADER, CsvLog, OrderSubmissionLog, OrderSubmissionTail, encode_row
from core.csv_tail import CsvTail
from core.events import Order
from core.vocabulary import OrderType, Purpose, Side

PROJECT = Path(__file__).resolve().parents[2]
HEADER = ("a", "b")


def order(ref="BS-1", symbol="AAPL"):
    return Order(
        order_ref=ref,
        strategy="momentum",
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal(100),
        order_type=OrderType.MARKET,
        purpose=Purpose.ENTRY,
        reason="",
        created_ns=1,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "orders.csv"


@pytest.fixture
def log(path):
    with closing(OrderSubmissionLog(path, run_id="run-1")) as opened:
        yield opened


@pytest.fixture
def tail(path):
    with closing(OrderSubmissionTail(path)) as opened:
        yield opened


def submit(log, first, count=1):
    for number in range(first, first + count):
        log.append(
            order(f"BS-{number}"), wall_ns=1_700_000_000_000_000_000 + number, monotonic_ns=1000 + number
        )


def refs(tail):
    return [submission.order_ref for submission in tail.poll()]


def names(first, count):
    return [f"BS-{number}" for number in range(first, first + count)]


def test_each_submission_is_seen_once(log, tail):
    submit(log, 0, 3)
    (first, *_) = found = tail.poll()
    assert [s.order_ref for s in found] == names(0, 3)
    assert (first.run_id, first.symbol, first.side, first.quantity) == (
        "run-1",
        "AAPL",
        Side.BUY,
        Decimal(100),
    )
    assert (first.monotonic_ns, first.wall_iso) == (1000, "2023-11-14T22:13:20.000+00:00")
    assert tail.poll() == []
    submit(log, 3, 2)
    assert refs(tail) == names(3, 2)
    assert (tail.quarantined, tail.restarts) == (0, 0)


def test_the_file_may_come_later(tail, path):
    assert tail.poll() == []
    with closing(OrderSubmissionLog(path, run_id="r")) as log:
        submit(log, 0)
    assert refs(tail) == ["BS-0"]


def test_several_submissions_of_the_same_moment_all_count(log, tail):
    for ref in "abc":
        log.append(order(ref), wall_ns=1, monotonic_ns=5)
        assert refs(tail) == [ref]


def test_f1_a_torn_tail_waits_for_its_end(log, tail, path):
    submit(log, 0, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert refs(tail) == ["BS-0"]
    with path.open("ab") as file:
        file.write(whole[-10:])
    assert refs(tail) == ["BS-1"]
    assert tail.quarantined == 0


def test_f1_a_file_cut_at_every_byte_gives_no_submission_twice_and_none_that_never_was(tmp_path, path, log):
    submit(log, 0, 4)
    whole = path.read_bytes()
    for size in range(len(whole)):
        copy = tmp_path / "copy.csv"
        copy.write_bytes(whole)
        with closing(OrderSubmissionTail(copy)) as tail:
            assert refs(tail) == names(0, 4)
            os.truncate(copy, size)
            assert refs(tail) == []
            with closing(OrderSubmissionLog(copy, run_id="run-1")) as again:
                submit(again, 4, 2)
            assert refs(tail) == names(4, 2), size
            assert tail.quarantined <= 1


def test_f1_a_file_cut_under_a_writer_that_does_not_notice_loses_one_line_at_most(tmp_path):
    for size in range(0, 300, 7):
        copy = tmp_path / f"{size}.csv"
        with (
            closing(OrderSubmissionLog(copy, run_id="run-1")) as log,
            closing(OrderSubmissionTail(copy)) as tail,
        ):
            submit(log, 0, 4)
            assert refs(tail) == names(0, 4)
            os.truncate(copy, min(size, copy.stat().st_size))
            submit(log, 4, 3)
            assert refs(tail) in (names(4, 3), names(5, 2))
            assert tail.quarantined <= 1


@given(st.binary(max_size=400))
def test_f1_garbage_is_put_aside_and_what_follows_is_seen(tmp_path_factory, garbage):
    path = tmp_path_factory.mktemp("csv") / "orders.csv"
    with closing(OrderSubmissionLog(path, run_id="run-1")) as log, closing(OrderSubmissionTail(path)) as tail:
        submit(log, 0)
        assert refs(tail) == ["BS-0"]
        with path.open("ab") as file:
            file.write(garbage + b"\n")
        submit(log, 1)
        assert refs(tail) == ["BS-1"]


@pytest.mark.parametrize(
    "line",
    [
        "not,enough,fields",
        "yesterday,1,run-1,x,AAPL,BUY,1,MKT",
        "2026-01-01T00:00:00+00:00,x,run-1,x,AAPL,BUY,1,MKT",
        "2026-01-01T00:00:00+00:00,1,run-1,x,AAPL,HOLD,1,MKT",
        "2026-01-01T00:00:00+00:00,1,run-1,x,AAPL,BUY,NaN,MKT",
        "2026-01-01T00:00:00+00:00,1,run-1,x,AAPL,BUY,Infinity,MKT",
        "2026-01-01T00:00:00+00:00,1,run-1,x,AAPL,BUY,-1,MKT",
        "2026-01-01T00:00:00+00:00,-1,run-1,x,AAPL,BUY,1,MKT",
        "2026-01-01T00:00:00+00:00,1,run-1,,AAPL,BUY,1,MKT",
        '"2026-01-01T00:00:00+00:00,1,run-1,x,AAPL,BUY,1,MKT',
    ],
)
def test_f1_a_line_with_a_field_that_makes_no_sense_is_quarantined(log, tail, path, line):
    with path.open("a") as file:
        file.write(line + "\n")
    assert tail.poll() == []
    assert tail.quarantined == 1


def test_a_file_that_was_replaced_by_a_copy_gives_nothing_twice(log, tail, path):
    submit(log, 0, 3)
    assert refs(tail) == names(0, 3)
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    assert refs(tail) == []
    with closing(OrderSubmissionLog(path, run_id="run-1")) as again:
        submit(again, 3)
    assert refs(tail) == ["BS-3"]


def test_a_file_overwritten_in_place_is_noticed(log, tail, path):
    submit(log, 0, 3)
    assert refs(tail) == names(0, 3)
    size = path.stat().st_size
    other = b"".join(
        encode_row(("2026-01-01T00:00:00+00:00", 5000 + n, "run-1", f"X-{n}", "IBM", "SELL", 1, "MKT"))
        for n in range(20)
    )
    assert len(other) > size
    path.write_bytes(other)
    assert refs(tail) == [f"X-{n}" for n in range(20)]
    assert tail.restarts == 1


def test_f12_a_flood_is_rotated_capped_and_followed_without_loss(path, tail):
    seen = []
    with closing(OrderSubmissionLog(path, run_id="run-1", max_bytes=2_000, backups=2)) as log:
        for number in range(300):
            submit(log, number)
            seen += refs(tail)
    assert seen == names(0, 300)
    files = list(path.parent.iterdir())
    assert len(files) == 3
    assert all(file.stat().st_size <= 2_000 for file in files)
    assert all(file.read_text().startswith("wall_iso,") for file in files)


def submit_at(path, run_id, *moments):
    with closing(OrderSubmissionLog(path, run_id=run_id)) as log:
        for moment in moments:
            log.append(order(f"{run_id}-{moment}"), wall_ns=1, monotonic_ns=moment)


@pytest.mark.parametrize("way", ["rotated", "cut"])
@pytest.mark.parametrize("old_run", ["before", "now"])
def test_lines_of_before_a_reboot_do_not_hide_what_comes_after_a_rotation_or_a_cut(path, old_run, way):
    """The monotonic clock began anew: the old lines lie in the future, whatever their run is called."""
    clock = ManualClock(monotonic_ns=2_000)
    submit_at(path, old_run, *range(900_000, 900_010))
    submit_at(path, "now", 1_500)
    with closing(OrderSubmissionTail(path, run_id="now", clock=clock)) as tail:
        assert refs(tail) == ["now-1500"]
        if way == "rotated":
            path.rename(path.with_name("orders.csv.1"))
        else:
            os.truncate(path, 0)
        submit_at(path, "now", *range(1_600, 1_650))
        assert refs(tail) == [f"now-{moment}" for moment in range(1_600, 1_650)]
        assert refs(tail) == []


def test_lines_of_another_run_never_count_even_when_their_times_would_fit(path):
    submit_at(path, "before", 1_000, 1_100)
    with closing(OrderSubmissionTail(path, run_id="now", clock=ManualClock(monotonic_ns=2_000))) as tail:
        assert refs(tail) == []
        submit_at(path, "now", 1_050)
        submit_at(path, "before", 1_200)
        assert refs(tail) == ["now-1050"]
        assert tail.quarantined == 0


def test_a_line_that_is_written_while_the_file_is_read_is_not_of_the_future(path):
    class Busy(ManualClock):
        """A line is written just after each look at the time."""

        def monotonic_ns(self):
            now = super().monotonic_ns()
            submit_at(path, "now", now + 1)
            self.advance(1e-6)
            return now

    with closing(OrderSubmissionTail(path, run_id="now", clock=Busy(monotonic_ns=2_000))) as tail:
        assert [refs(tail) for _ in range(4)] == [[], ["now-2001"], ["now-3001"], ["now-4001"]]


def test_a_long_file_is_read_from_near_its_end_at_the_start(path):
    row = encode_row(("2026-01-01T00:00:00+00:00", 1, "run-1", "x" * 400, "IBM", "SELL", 1, "MKT"))
    path.parent.mkdir()
    path.write_bytes(row * 10_000)
    with closing(OrderSubmissionTail(path)) as tail:
        assert 4_000 < len(tail.poll()) < 6_000
        assert tail.quarantined == 0


def test_a_line_without_end_does_not_eat_memory(path):
    path.parent.mkdir()
    path.write_bytes(b"x" * 1_000_000)
    with closing(CsvTail(path, HEADER)) as tail:
        assert tail.poll() == []
        assert tail.quarantined == 1
        with path.open("ab") as file:
            file.write(b"still the same line\n1,2\n")
        assert tail.poll() == [("1", "2")]
        assert tail.quarantined == 1


@pytest.mark.parametrize("kind", ["fifo", "folder", "symlink"])
def test_what_is_no_regular_file_gives_no_rows_and_nobody_waits(tmp_path, kind):
    path = tmp_path / "x.csv"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with closing(CsvTail(path, HEADER)) as tail:
        assert tail.poll() == []


def test_s3_text_can_begin_neither_a_line_nor_a_formula(path):
    with closing(CsvLog(path, HEADER)) as log:
        log.append(("=cmd|' /C calc'!A0", 'a\nb,"c"\r\x1b[2J'))
        log.append((Decimal("-1.5"), -2))
        log.append(("@x", None))
        log.append((True, "-3"))
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["a", "b"],
        ["'=cmd|' /C calc'!A0", 'a\\nb,"c"\\r\\x1b[2J'],
        ["-1.5", "-2"],
        ["'@x", ""],
        ["True", "'-3"],
    ]
    assert len(path.read_bytes().splitlines()) == 5


def test_s3_no_path_outside_is_written_through_a_symlink(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.parent.mkdir()
    path.symlink_to(victim)
    with pytest.raises(OSError, match=r"symbolic|Too many"):
        CsvLog(path, HEADER)
    assert victim.read_text() == "precious"


def test_a_row_of_another_length_is_a_mistake_of_the_caller(path):
    with closing(CsvLog(path, HEADER)) as log, pytest.raises(ValueError, match="2 columns"):
        log.append((1, 2, 3))


def test_the_header_stands_once_after_several_starts(path):
    for number in range(3):
        with closing(CsvLog(path, HEADER)) as log:
            log.append((number, number))
    assert path.read_text() == "a,b\n0,0\n1,1\n2,2\n"


def test_a_line_torn_by_a_crash_is_closed_before_the_next(path):
    path.parent.mkdir()
    path.write_text("a,b\n1,")
    with closing(CsvLog(path, HEADER)) as log:
        log.append((2, 2))
    assert path.read_text() == "a,b\n1,\n2,2\n"


def test_f2_a_full_disk_is_an_error_and_the_next_row_stands_alone(path):
    # The limit on the size of files stands for the full disk.
    code = """
        import resource, signal, sys
        from pathlib import Path
        from core.csv_log import CsvLog
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        log = CsvLog(Path(sys.argv[1]), ("a", "b", "c"))
        log.append((1, 1, 1))
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (14, hard))
        for number in (2, 3):
            try:
                log.append((number, "x" * 50, 0))
            except OSError:
                print("failed")
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        log.append((4, 4, 4))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=PROJECT,
    )
    assert done.stdout == "failed\nfailed\n"
    with closing(CsvTail(path, ("a", "b", "c"))) as tail:
        assert tail.poll() == [("1", "1", "1"), ("4", "4", "4")]


def test_two_threads_of_rows_from_two_processes_never_mix_their_lines(path):
    code = """
        import sys
        from pathlib import Path
        from core.csv_log import CsvLog
        log = CsvLog(Path(sys.argv[1]), ("a", "b"))
        for number in range(500):
            log.append((sys.argv[2], "x" * 300))
    """
    processes = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(path), name], cwd=PROJECT)
        for name in "12"
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    with closing(CsvTail(path, HEADER)) as tail:
        rows = tail.poll()
        assert tail.quarantined == 0
    assert sorted(row[0] for row in rows) == ["1"] * 500 + ["2"] * 500


def test_the_header_is_the_documented_one():
    assert ORDER_SUBMISSION_HEADER[0] == "wall_iso"
    assert len(ORDER_SUBMISSION_HEADER) == 8
