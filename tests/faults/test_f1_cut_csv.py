"""F1: the order list is cut at any byte: a torn tail waits or is set aside, and nobody is killed for it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from core.csv_log import OrderSubmissionLog, OrderSubmissionTail
from core.vocabulary import OrderType, Side
from tests.execution.orders import make_order
from tests.faults.conftest import QuietStage

LINES = 5


def _write(path: Path, count: int) -> None:
    log = OrderSubmissionLog(path, run_id="run00001")
    for number in range(count):
        order = make_order(
            order_ref=f"BS-run00001-{number:06d}-E", side=Side.BUY, order_type=OrderType.MARKET
        )
        log.append(order, wall_ns=time.time_ns(), monotonic_ns=1_000 + number)


def test_a_list_that_is_cut_anywhere_never_counts_more_than_was_sent(tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    _write(whole, LINES)
    data = whole.read_bytes()
    for cut in range(len(data) + 1):
        path = tmp_path / "cut.csv"
        path.write_bytes(data[:cut])
        tail = OrderSubmissionTail(path)
        seen = len(tail.poll())
        assert seen <= LINES
        path.write_bytes(data)  # and it is whole again
        assert seen + len(tail.poll()) <= LINES, f"cut at {cut}: lines were counted twice"
        path.unlink()


def test_the_watchdog_kills_nobody_for_a_torn_list(quiet: QuietStage) -> None:
    path = quiet.logs / "order_submissions.csv"
    _write(path, 10)
    size = path.stat().st_size
    for cut in (size - 1, size - 30, size // 2, 7, 0):
        os.truncate(path, cut)
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            quiet.assert_quiet()
            time.sleep(0.02)
    with path.open("ab") as file:
        file.write(os.urandom(5000) + b"\n" + b"x," * 3000)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        quiet.assert_quiet()
        time.sleep(0.02)
    path.unlink()
