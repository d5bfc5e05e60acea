"""The parts without sockets: framing, pacing, liveness, times, ids, states, codes, the self-test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.order import Order as IbOrder
from ibapi.order_state import OrderState as IbOrderState
from ibapi.tag_value import TagValue

from core.errors import IncompatibleIbapi
from core.ib_wrapper import selftest, translate
from core.ib_wrapper.backoff import Backoff
from core.ib_wrapper.error_codes import TABLE, Category, Response, classify
from core.ib_wrapper.liveness import Figures, Liveness
from core.ib_wrapper.order_ids import FIRST_REQUEST_ID, OrderIds
from core.ib_wrapper.pacing import BROKER_LIMIT, WINDOW_NS, PacingWindow
from core.ib_wrapper.state import TRANSITIONS, Change, IllegalTransition, next_state
from core.ib_wrapper.times import format_end, parse_bar_end, parse_execution_time, to_ns
from core.ib_wrapper.wire import FrameBuffer, StreamOutOfStep, fields_of, frame, parse_server_hello
from core.vocabulary import ConnectionState

NEW_YORK = ZoneInfo("America/New_York")


# --- framing ---------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=200), max_size=20), st.data())
def test_payloads_come_out_whole_and_in_order_however_the_bytes_are_cut(
    payloads: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(len(p).to_bytes(4, "big") + p for p in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    buffer = FrameBuffer()
    found: list[bytes] = []
    for start, stop in itertools.pairwise([0, *cuts, len(stream)]):
        found += buffer.feed(stream[start:stop])
    assert found == payloads
    assert len(buffer) == 0


def test_an_absurd_length_is_noticed_before_any_memory_is_spent() -> None:
    with pytest.raises(StreamOutOfStep):
        FrameBuffer().feed(b"\xff\xff\xff\xff")


def test_the_greeting_is_told_from_other_messages() -> None:
    hello = parse_server_hello(frame("157\0" + "20121112 09:30:00 EST\0")[4:])
    assert hello is not None
    assert hello.version == 157
    assert parse_server_hello(frame("4\0" + "2\0" + "-1\0")[4:]) is None
    assert fields_of(b"a\0b\0left over") == [b"a", b"b"]


# --- pacing ----------------------------------------------------------------------------------------------


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 200_000_000), st.booleans()), min_size=1, max_size=300),
)
def test_no_window_of_a_second_ever_holds_more_than_the_brokers_limit(
    budget: int, wishes: list[tuple[int, bool]]
) -> None:
    pacing = PacingWindow(budget)
    now = 0
    sent: list[int] = []
    for pause_ns, urgent in wishes:
        now += pause_ns
        wait_ns = pacing.wait_ns(now, urgent=urgent)
        assert (wait_ns == 0) == (pacing.available(now, urgent=urgent) > 0)
        now += wait_ns
        assert pacing.available(now, urgent=urgent) > 0
        pacing.record(now)
        sent.append(now)
    for index, moment in enumerate(sent):
        assert sum(moment <= later < moment + WINDOW_NS for later in sent[index:]) <= BROKER_LIMIT


def test_the_urgent_lane_can_send_when_the_normal_one_is_used_up() -> None:
    pacing = PacingWindow(50)
    while pacing.available(0, urgent=False):
        pacing.record(0)
    assert pacing.available(0, urgent=True) == 5


# --- liveness --------------------------------------------------------------------------------------------


def figures(now_s: float, heard_s: float, **changes: int) -> Figures:
    base = {"stalled_ns": 0, "acknowledged": 0, "unacknowledged": 0, **changes}
    return Figures(now_ns=round(now_s * 1e9), last_received_ns=round(heard_s * 1e9), **base)


def ticks(start: float, stop: float) -> Iterator[float]:
    moment = start
    while moment <= stop:
        yield moment
        moment += 0.1


def test_silence_is_probed_and_then_given_up_within_the_sum_of_both_times() -> None:
    liveness = Liveness(2.0, 5.0)
    verdicts = [(t, liveness.check(figures(t, 0.0))) for t in ticks(0.0, 8.0)]
    assert sum(v.probe for _, v in verdicts) == 1
    lost_at = next(t for t, v in verdicts if v.lost)
    assert 6.9 < lost_at < 7.3


def test_an_answer_to_the_probe_keeps_the_connection() -> None:
    liveness = Liveness(2.0, 5.0)
    heard = 0.0
    for moment in ticks(0.0, 60.0):
        verdict = liveness.check(figures(moment, heard))
        assert verdict.lost is None
        if verdict.probe:
            heard = moment + 0.05


def test_our_own_sleep_is_not_taken_for_the_brokers_silence() -> None:
    liveness = Liveness(2.0, 5.0)
    assert not liveness.check(figures(0.0, 0.0)).probe
    assert liveness.check(figures(0.1, 0.0)) == liveness.check(figures(0.2, 0.0))
    after = liveness.check(figures(3600.0, 0.2))
    assert after.lost is None
    assert not after.probe


def test_bytes_that_are_never_acknowledged_end_the_connection_although_data_flow() -> None:
    liveness = Liveness(2.0, 5.0)
    verdicts = [
        (t, liveness.check(figures(t, t, acknowledged=100, unacknowledged=50))) for t in ticks(0.0, 8.0)
    ]
    lost_at = next(t for t, v in verdicts if v.lost)
    assert 4.9 < lost_at < 5.5


def test_bytes_that_have_just_left_are_not_held_against_the_peer() -> None:
    assert Liveness(2.0, 5.0).check(figures(1000.0, 1000.0, acknowledged=0, unacknowledged=23)).lost is None


def test_slow_progress_is_progress() -> None:
    liveness = Liveness(2.0, 5.0)
    for number, moment in enumerate(ticks(0.0, 60.0)):
        assert (
            liveness.check(figures(moment, moment, acknowledged=number // 40, unacknowledged=9)).lost is None
        )


def test_backoff_doubles_up_to_its_cap_and_never_falls_below_half() -> None:
    backoff = Backoff(0.5, 30.0)
    waits = [backoff.next_s() for _ in range(12)]
    for wait, base in zip(waits, [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30], strict=True):
        assert base / 2 <= wait <= base
    backoff.reset()
    assert backoff.next_s() <= 0.5


# --- times -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "20121112  09:35:00",
        "20121112 09:35:00",
        "20121112 09:35:00 US/Eastern",
        "20121112-14:35:00",
        "20121112 14:35:00 UTC",
        "1352730900",
    ],
)
def test_every_way_in_which_tws_writes_a_time_is_read(text: str) -> None:
    assert parse_execution_time(text, NEW_YORK) == 1_352_730_900 * 10**9


@pytest.mark.parametrize(
    "text", ["", "noon", "20121112", "20121112 09:35:00 Mars/Phobos", "20121399 09:35:00"]
)
def test_a_time_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_execution_time(text, NEW_YORK)


def test_bars_are_stamped_with_their_end() -> None:
    assert parse_bar_end("1352730600", 300, NEW_YORK) == 1_352_730_900 * 10**9
    opening, ten = (datetime(2012, 11, 12, *clock, tzinfo=NEW_YORK) for clock in ((9, 30), (10, 0)))
    assert parse_bar_end(str(int(opening.timestamp())), 3600, NEW_YORK) == to_ns(ten)
    assert parse_bar_end(str(int(ten.timestamp())), 3600, NEW_YORK) == to_ns(ten) + 3600 * 10**9
    closing = datetime(2012, 11, 12, 21, 0, tzinfo=UTC)
    assert parse_bar_end("20121112", 86_400, NEW_YORK) == to_ns(closing)
    assert format_end(to_ns(closing)) == "20121112 21:00:00 UTC"
    assert format_end(None) == ""


# --- ids, states, codes ----------------------------------------------------------------------------------


@given(st.integers(0, 10**6), st.lists(st.one_of(st.none(), st.integers(-(10**10), 10**10)), max_size=50))
def test_order_ids_only_rise(floor: int, story: list[int | None]) -> None:
    ids = OrderIds(floor)
    last = floor
    for offered in story:
        if offered is None:
            taken = ids.take()
            assert last < taken < FIRST_REQUEST_ID
            last = taken
        else:
            ids.offered(offered)


def test_every_state_can_be_stopped_and_every_loss_leads_back_to_connecting() -> None:
    for state in ConnectionState:
        if state is not ConnectionState.DISCONNECTED:
            assert TRANSITIONS[state, Change.STOP] is ConnectionState.DISCONNECTED
    assert next_state(ConnectionState.LOST, Change.RETRY) is ConnectionState.CONNECTING
    with pytest.raises(IllegalTransition):
        next_state(ConnectionState.DISCONNECTED, Change.LINK_LOST)


def test_every_code_worth_a_name_stands_in_the_table() -> None:
    wanted = {1100, 1101, 1102, *range(2103, 2109), 2110, 2158, 103, 104, 105, 110, 111, 113, 161, 202, 162}
    wanted |= {200, 201, 326, 354, 399, 502, 504, 10147, 10148, 10197, 10349}
    assert wanted <= set(TABLE)
    assert classify(2177).response is Response.WARN
    assert classify(99_999).response is Response.QUERY
    assert classify(161).category is Category.ORDER


# --- translation -----------------------------------------------------------------------------------------


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_a_float_becomes_the_decimal_that_it_prints_as(value: float) -> None:
    assert float(translate.to_decimal(value)) == value


def test_sentinels_are_no_numbers() -> None:
    assert translate.price_or_none(1.7976931348623157e308) is None
    assert translate.price_or_none(0.0) is None
    assert translate.parse_decimal("1.7976931348623157E308") is None
    assert translate.parse_decimal("DU1") is None
    assert translate.parse_decimal("1000000.50") == Decimal("1000000.50")
    with pytest.raises(ValueError, match="not a number"):
        translate.to_decimal(float("nan"))


# --- self-test -------------------------------------------------------------------------------------------


def test_the_installed_ibapi_passes_the_self_test() -> None:
    assert selftest.check_ibapi() == "9.81.1.post1"


def test_another_version_or_signature_of_ibapi_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def cancel_order_of_10_x(self: object, orderId: int, manualCancelOrderTime: str) -> None: ...

    monkeypatch.setattr(EClient, "cancelOrder", cancel_order_of_10_x)
    problems = selftest.find_problems("10.19.4")
    assert any("10.19.4" in problem for problem in problems)
    assert any("cancelOrder" in problem for problem in problems)
    with pytest.raises(IncompatibleIbapi, match=r"requirements\.lock"):
        selftest.check_ibapi.__wrapped__()


# --- orders as the broker shows them -----------------------------------------------------------------------


def shown(**fields: object) -> tuple[Contract, IbOrder, IbOrderState]:
    contract, order, state = Contract(), IbOrder(), IbOrderState()
    contract.symbol, contract.secType, contract.currency = "IBM", "STK", "USD"
    order.action, order.totalQuantity, order.orderType = "BUY", 300, "MKT"
    for name, value in fields.items():
        setattr(order, name, value)
    return contract, order, state


def test_an_open_order_tells_its_algorithm() -> None:
    params = [TagValue("adaptivePriority", "Patient")]
    report = translate.open_order(7, *shown(algoStrategy="Adaptive", algoParams=params))
    assert (report.algo, report.algo_params) == ("Adaptive", (("adaptivePriority", "Patient"),))


@pytest.mark.parametrize(
    ("kind", "stop", "offset"), [("STP", "0.05", None), ("REL", None, "0.05"), ("PEG MID", None, "0.05")]
)
def test_the_auxiliary_price_is_a_stop_or_the_offset_of_a_peg(
    kind: str, stop: str | None, offset: str | None
) -> None:
    report = translate.open_order(7, *shown(orderType=kind, auxPrice=0.05))
    assert report.stop_price == (None if stop is None else Decimal(stop))
    assert report.peg_offset == (None if offset is None else Decimal(offset))
    assert report.algo == ""
