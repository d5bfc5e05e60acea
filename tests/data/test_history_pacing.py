"""The pacer against the gateway's own rules: what it lets through is never refused, and it never waits for ever."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import ManualClock
from data.history_pacing import RELAXED, STRICT, HistoryPacer
from paper_gateway.history_requests import Pacing
from paper_gateway.requests import ContractSpec, HistoricalDataRequest
from tests.paper_gateway.test_history_requests import asking

SYMBOLS = ("AAPL", "IBM", "MSFT")
Asked = tuple[str, int]


def for_gateway(asked: Asked) -> HistoricalDataRequest:
    symbol, seconds = asked
    request: HistoricalDataRequest = asking(1, contract=ContractSpec(symbol=symbol), duration=f"{seconds} S")
    return request


def wait_out(pacer: HistoryPacer, clock: ManualClock, asked: Asked) -> float:
    """Let time pass until the pacer lets the request leave; return how much."""
    waited = 0.0
    for _ in range(100):
        wait_s = pacer.wait_s(asked[0], asked)
        if wait_s == 0:
            return waited
        clock.advance(wait_s)
        waited += wait_s
    raise AssertionError("the pacer waits for ever")


@given(
    st.lists(
        st.tuples(st.tuples(st.sampled_from(SYMBOLS), st.integers(1, 40)), st.floats(0, 20)),
        min_size=1,
        max_size=150,
    )
)
@settings(max_examples=60)
def test_what_the_pacer_lets_through_the_gateway_never_refuses(requests):
    clock = ManualClock(monotonic_ns=10**12)
    pacer, gateway = HistoryPacer(clock), Pacing()
    for asked, pause in requests:
        clock.advance(pause)
        wait_out(pacer, clock, asked)
        pacer.record(asked[0], asked)
        assert gateway.allows(for_gateway(asked), clock.monotonic_ns() / 1e9)


@given(
    st.lists(st.tuples(st.sampled_from(SYMBOLS), st.integers(1, 40)), min_size=1, max_size=90),
    st.integers(1, 80),
)
@settings(max_examples=30)
def test_a_process_that_knows_the_requests_of_the_one_before_keeps_the_pace_too(requests, killed_at):
    clock = ManualClock(monotonic_ns=10**12)
    pacer, gateway = HistoryPacer(clock), Pacing()
    sent: list[tuple[int, Asked]] = []
    for number, asked in enumerate(requests):
        if number == killed_at:
            pacer = HistoryPacer(clock)
            for at, before in sent:
                pacer.record(before[0], before, age_s=(clock.monotonic_ns() - at) / 1e9)
        wait_out(pacer, clock, asked)
        pacer.record(asked[0], asked)
        sent.append((clock.monotonic_ns(), asked))
        assert gateway.allows(for_gateway(asked), clock.monotonic_ns() / 1e9)


def test_a_long_download_is_not_slower_than_the_rules_ask_for():
    clock = ManualClock(monotonic_ns=10**12)
    pacer = HistoryPacer(clock)
    began = clock.monotonic_ns()
    for number, symbol in zip(range(180), itertools.cycle(SYMBOLS), strict=False):
        wait_out(pacer, clock, (symbol, number))
        pacer.record(symbol, (symbol, number))
    # Three full windows: the third begins two windows after the first.
    assert (clock.monotonic_ns() - began) / 1e9 < 2 * STRICT.window_s + 30


def test_relaxed_pacing_has_no_ten_minute_window_but_the_other_rules():
    clock = ManualClock(monotonic_ns=10**12)
    pacer = HistoryPacer(clock, RELAXED)
    waited = sum(_record(pacer, clock, (SYMBOLS[number % 3], number)) for number in range(200))
    assert waited < 60
    assert pacer.wait_s(SYMBOLS[0], (SYMBOLS[198 % 3], 198)) > 10


def _record(pacer: HistoryPacer, clock: ManualClock, asked: Asked) -> float:
    waited = wait_out(pacer, clock, asked)
    pacer.record(asked[0], asked)
    return waited


def test_nothing_leaves_after_the_broker_said_that_we_are_too_fast():
    clock = ManualClock(monotonic_ns=10**12)
    pacer = HistoryPacer(clock)
    pacer.close_for(60)
    assert pacer.wait_s("AAPL", "one") == 60
    clock.advance(59)
    assert pacer.wait_s("IBM", "two") == 1
    clock.advance(1)
    assert pacer.wait_s("IBM", "two") == 0
