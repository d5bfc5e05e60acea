"""The rings that hold the last broker messages: bounded, without chatter, and there after their process is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from core.wire_ring import RING_VARIABLE, SLOTS, Direction, WireRing, make_ring, read_ring
from tests.waiting import wait_for


@pytest.fixture
def ring() -> Iterator[int]:
    descriptor = make_ring("test")
    yield descriptor
    os.close(descriptor)


def test_messages_come_back_in_order_with_time_and_direction(ring: int) -> None:
    moments = iter(range(10, 100))
    notes = WireRing(ring, lambda: next(moments))
    notes.sent(b"3\x0045\0")
    notes.received(b"5\x0045\0")
    first, second = read_ring(ring)
    assert (first.direction, first.payload, first.monotonic_ns) == (Direction.OUT, b"3\x0045\0", 10)
    assert (second.direction, second.payload, second.monotonic_ns) == (Direction.IN, b"5\x0045\0", 11)


def test_only_the_newest_are_kept_and_a_long_one_is_cut(ring: int) -> None:
    notes = WireRing(ring, lambda: 1)
    for number in range(3 * SLOTS):
        notes.sent(b"%d\0" % (1000 + number))
    notes.received(b"17\0" + b"x" * 100_000)
    found = read_ring(ring)
    assert len(found) == SLOTS
    assert [message.number for message in found] == list(range(2 * SLOTS + 2, 3 * SLOTS + 2))
    assert found[-1].length == 100_003
    assert len(found[-1].payload) < 1024
    assert found[-2].payload == b"%d\0" % (1000 + 3 * SLOTS - 1)


def test_prices_and_the_time_of_day_do_not_push_orders_out(ring: int) -> None:
    notes = WireRing(ring, lambda: 1)
    notes.received(b"5\x0045\0")
    for _ in range(2 * SLOTS):
        for chatter in (
            b"1\x006\x001\0",
            b"2\x006\0",
            b"46\x006\0",
            b"50\x003\0",
            b"94\x001\0",
            b"49\x001\0",
        ):
            notes.received(chatter)
        notes.sent(b"49\x001\0")
    assert [message.payload for message in read_ring(ring)] == [b"5\x0045\0"]


def test_a_process_that_is_killed_leaves_its_messages_and_the_next_goes_on(ring: int) -> None:
    code = (
        "import os, time\n"
        "from core.wire_ring import WireRing\n"
        "ring = WireRing.from_environ(os.environ, time.monotonic_ns)\n"
        "ring.sent(b'3\\0last words\\0')\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, RING_VARIABLE: str(ring)}, pass_fds=(ring,)
    )
    try:
        wait_for(lambda: read_ring(ring), "the message")
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        process.kill()
        process.wait()
    WireRing(ring, lambda: 7).sent(b"4\0")
    assert [message.payload for message in read_ring(ring)] == [b"3\0last words\0", b"4\0"]


@pytest.mark.parametrize("text", ["", "x", "-1", "99999", "0"])
def test_a_ring_that_cannot_be_used_is_none(text: str) -> None:
    assert WireRing.from_environ({RING_VARIABLE: text}, lambda: 1) is None
