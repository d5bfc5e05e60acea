"""Downloads from the real paper gateway over its socket: what arrives, a process that is killed, a broker that refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.config_schema import BrokerSettings
from core.ib_wrapper.session import IBSession
from data.bar_table import DAILY
from data.download.ib import SOURCE, IBDownload
from data.download.plan import plan
from data.history_pacing import HistoryPacer, Pace
from data.packaged import load_packaged, packaged_calendar
from data.store.reader import HistoryReader
from data.store.schema import PriceKind, Series
from data.store.writer import HistoryWriter
from tests.gateway import Gateway, running_gateway
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
CALENDAR = packaged_calendar()
UNTIL = CALENDAR.sessions(date(2012, 12, 3), date(2012, 12, 3))[0].open_ns


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running_gateway("--start", "2012-12-03", "--speed", "1") as one:
        yield one


@pytest.fixture
def session(gateway: Gateway) -> Iterator[IBSession]:
    one = IBSession(
        BrokerSettings(port=gateway.port), client_id=32, sink=lambda _event: None, clock=SystemClock()
    )
    one.start()
    assert one.wait_ready(20)
    yield one
    one.stop()


class Silent:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.advanced = 0

    def advance(self, text: str) -> None:
        self.advanced += 1

    def say(self, text: str) -> None:
        self.said.append(text)


def download(session: IBSession, writer: HistoryWriter, progress: Silent, **options: object) -> IBDownload:
    clock = SystemClock()
    pace = options.pop("pace", Pace())
    return IBDownload(
        session,
        writer,
        calendar=CALENDAR,
        pacer=HistoryPacer(clock, pace),  # type: ignore[arg-type]
        clock=clock,
        sleep=time.sleep,
        progress=progress,
        **options,  # type: ignore[arg-type]
    )


def test_daily_bars_arrive_as_they_are_stamped_with_the_close_of_their_session(session, tmp_path):
    pieces = plan(["IBM", "FB"], DAILY, date(2012, 3, 1), date(2012, 11, 30), CALENDAR, UNTIL)
    progress = Silent()
    with HistoryWriter(tmp_path / "h.duckdb") as writer:
        done = download(session, writer, progress).run(pieces)
        again = download(session, writer, progress).run(pieces)
    assert done.problems == []
    assert (done.pieces, again.pieces, again.already, progress.advanced) == (2, 0, 2, 4)
    with HistoryReader(tmp_path / "h.duckdb") as reader:
        for symbol in ("IBM", "FB"):
            ours = reader.bars(Series(symbol=symbol, size_s=DAILY, source=SOURCE, prices=PriceKind.SPLITS))
            real = load_packaged([symbol])[symbol]
            rows = real.rows_between(pieces[0].after_ns, pieces[0].end_ns)
            assert ours.end_ns.tolist() == real.end_ns[rows].tolist()
            assert abs(ours.close / real.close[rows] - 1).max() < 1e-3
            early = CALENDAR.session_on(date(2012, 11, 23))
            assert early is not None
            assert early.early_close
            assert early.close_ns in ours.end_ns


def test_a_symbol_that_the_broker_does_not_know_is_named_and_the_others_go_on(session, tmp_path):
    pieces = plan(["NOPE", "IBM"], 3600, date(2012, 10, 1), date(2012, 11, 30), CALENDAR, UNTIL)
    with HistoryWriter(tmp_path / "h.duckdb") as writer:
        done = download(session, writer, Silent()).run(pieces)
    assert done.pieces == 2
    (problem,) = done.problems
    assert problem.startswith("NOPE: 200 No security definition")
    with HistoryReader(tmp_path / "h.duckdb") as reader:
        assert {one.series.symbol for one in reader.holdings()} == {"IBM"}


def test_a_time_before_the_first_bar_is_done_without_bars(session, tmp_path):
    pieces = plan(["FB"], DAILY, date(2010, 3, 1), date(2010, 11, 30), CALENDAR, UNTIL)
    with HistoryWriter(tmp_path / "h.duckdb") as writer:
        done = download(session, writer, Silent()).run(pieces)
        assert (done.pieces, done.bars, done.problems) == (1, 0, [])
        assert download(session, writer, Silent()).run(pieces).already == 1


def test_a_pacing_violation_is_waited_out(session, tmp_path):
    (piece,) = plan(["IBM"], 300, date(2012, 11, 28), date(2012, 11, 28), CALENDAR, UNTIL)
    progress = Silent()
    # Somebody else asks for the same at the same time: the gateway refuses the second within a second.
    first = session.historical_bars("IBM", bar_size_s=300, duration=piece.duration, end_ns=piece.end_ns)
    with HistoryWriter(tmp_path / "h.duckdb") as writer:
        loose = Pace(identical_s=0, topic_s=0, window_s=0, window_most=10**6, topic_most=10**6)
        done = download(session, writer, progress, pace=loose, pacing_wait_s=1.2).run([piece])
    assert not isinstance(first.result(20), str)
    assert (done.pieces, done.bars, done.problems) == (1, 78, [])
    assert any("too fast" in text for text in progress.said)


def command(gateway: Gateway, store: Path) -> list[str]:
    return [
        sys.executable, "-m", "data", "download", "ib", "--port", str(gateway.port), "--store", str(store),
        "--symbols", "IBM,MSFT", "--size", "5m", "--start", "2012-10-01", "--end", "2012-11-30",
    ]  # fmt: skip


def test_a_download_that_is_killed_goes_on_where_it_was(gateway, tmp_path):
    store = tmp_path / "h.duckdb"
    log = tmp_path / "h.duckdb.wal"
    process = subprocess.Popen(command(gateway, store), cwd=ROOT, stdout=subprocess.DEVNULL)
    wait_for(lambda: log.is_file() and log.stat().st_size > 60_000, "pieces in the store")
    process.send_signal(signal.SIGKILL)
    process.wait()
    with HistoryWriter(store) as writer:
        before = len(writer.pieces_done(SOURCE, "IBM", 300)) + len(writer.pieces_done(SOURCE, "MSFT", 300))
    assert 0 < before < 18
    again = subprocess.run(command(gateway, store), cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{18 - before} of 18 pieces downloaded, {before} were there already" in again.stdout
    with HistoryReader(store) as reader:
        for holding in reader.holdings():
            assert holding.bars == sum(
                one.duration_s // 300 for one in CALENDAR.sessions(date(2012, 10, 1), date(2012, 11, 30))
            )
        assert len(reader.holdings()) == 2


def test_no_broker_is_told_with_its_exit_code(tmp_path):
    arguments = ["download", "ib", "--symbols", "IBM", "--start", "2012-10-01", "--port", "1", "--wait", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "data", *arguments, "--store", str(tmp_path / "h.duckdb")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 6
    assert "no broker at 127.0.0.1:1" in done.stderr
