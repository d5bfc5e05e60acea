"""What a real TWS does that is easily got wrong, played by a scripted one."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi.contract import Contract

from core.events import BrokerError, FeedChanged, Order, OrderStatusReport, PositionReport, RealtimeBar
from core.ib_wrapper import translate
from core.ib_wrapper.error_codes import Response, classify
from core.ib_wrapper.oca import REDUCE_WITH_BLOCK, OcaGroup, OcaGroups
from core.ib_wrapper.session import IBSession
from core.ib_wrapper.times import parse_execution_time
from core.vocabulary import FeedStatus, OrderType, Purpose, Side, Unknown
from tests.core.ib_wrapper.scripted import Events, Peer, ScriptedTws, session_at
from tests.waiting import DEADLINE_S, wait_for

_PLACE, _QUOTES, _BARS, _CANCEL_BARS, _CANCEL_QUOTES = 3, 1, 50, 51, 2
_TAIL = ("STK", "", 0, "", "", "NASDAQ", "USD", "AAPL", "NMS")


def ready(tws: ScriptedTws, session: IBSession, *, next_id: int = 1) -> Peer:
    peer = tws.accept()
    peer.accept_session(next_id=next_id)
    assert session.wait_ready(DEADLINE_S)
    peer.expect(59)
    return peer


def market_order(symbol: str = "AAPL") -> Order:
    return Order(
        order_ref="BS-1",
        strategy="momentum",
        symbol=symbol,
        side=Side.SELL,
        quantity=Decimal(100),
        order_type=OrderType.MARKET,
        purpose=Purpose.FLATTEN,
        reason="test",
        created_ns=0,
    )


def test_new_order_ids_exceed_those_that_other_clients_used(tws: ScriptedTws, events: Events) -> None:
    """IB: ids must exceed all that openOrder and orderStatus have shown, reqAllOpenOrders' included."""
    with session_at(tws.port, events, client_id=2) as session:
        peer = ready(tws, session, next_id=3)
        peer.send(3, 700, "Submitted", 0, 10, 0, 555, 0, 0, 1, "", 0)
        peer.send(3, 0, "Submitted", 0, 10, 0, 556, 0, 0, 0, "", 0)  # placed by hand: TWS gives it no id
        wait_for(lambda: len(events.of(OrderStatusReport)) == 2, "the statuses")
        assert session.next_order_id() == 701


def test_a_size_that_was_cut_to_whole_shares_refuses_nothing(tws: ScriptedTws, events: Events) -> None:
    """TWS says 10285 to every client older than version 163 when a volume has a fraction, and sends the data."""
    text = "Warning: Your API version does not support fractional share size rules. Trimmed value 9390.73 to 9390"
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        answer = session.historical_bars("AAPL", bar_size_s=300, duration="1 D", end_ns=None)
        number = peer.expect(20)[1]
        session.subscribe_realtime_bars(["AAPL"])
        stream = peer.expect(_BARS)[2]
        peer.send(4, 2, number, 10285, text)
        peer.send(4, 2, stream, 10285, text)
        peer.send(17, number, "", "", 1, 1_352_730_600, 10, 11, 9, 10, 9390, 10, 50)
        peer.send(50, 3, stream, 1_352_730_600, 10, 11, 9, 10, 9390, 10, 50)
        found = answer.result(DEADLINE_S)
        wait_for(lambda: events.of(RealtimeBar), "the bar")
    assert not isinstance(found, Unknown)
    assert [bar.volume for bar in found] == [9390]
    assert events.of(FeedChanged) == []


def test_bars_that_a_bust_ended_are_subscribed_again_and_not_in_a_storm(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        session.subscribe_realtime_bars(["AAPL"])
        session.subscribe_quotes(["AAPL"])
        old, _ = peer.expect(_BARS)[2], peer.expect(_QUOTES)
        peer.send(4, 2, old, 10225, "Bust event occurred, current subscription is deactivated.")
        assert peer.expect(_CANCEL_BARS)[2] == old
        new = peer.expect(_BARS)[2]
        peer.expect(_CANCEL_QUOTES)
        peer.expect(_QUOTES)
        peer.send(4, 2, new, 10225, "Bust event occurred, current subscription is deactivated.")
        assert peer.hears_nothing_of(_BARS, 1.0)
    assert {(change.symbol, change.status) for change in events.of(FeedChanged)} == {
        ("AAPL", FeedStatus.STALE)
    }


@pytest.mark.parametrize("code", [10_990, 478, 2102])
def test_a_code_that_may_be_a_mere_notice_never_ends_an_order(code: int) -> None:
    assert classify(code).response is Response.QUERY


def test_a_code_that_is_not_listed_still_ends_the_question_that_it_names(
    tws: ScriptedTws, events: Events
) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        answer = session.contract_details("NOPE")
        peer.send(4, 2, peer.expect(9)[2], 10_990, "something new")
        assert answer.result(DEADLINE_S) is Unknown.REFUSED


def test_a_refusal_in_read_only_mode_reaches_the_order(tws: ScriptedTws, events: Events) -> None:
    text = "Error validating request.-'bh' : cause - The API interface is currently in Read-Only mode."
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        session.place(7, market_order())
        peer.expect(_PLACE)
        peer.send(4, 2, 7, 321, text)
        wait_for(lambda: events.of(BrokerError), "the refusal")
    (error,) = events.of(BrokerError)
    assert (error.order_ref, error.code) == ("BS-1", 321)
    assert classify(321).response is Response.FAIL


def test_what_closes_a_position_names_its_contract(tws: ScriptedTws, events: Events) -> None:
    """A bare symbol may be ambiguous, and then TWS refuses the very order that a kill depends on."""
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        peer.send(61, 3, "DU1234567", 265598, "AAPL", *_TAIL, 100, 10.5)
        wait_for(lambda: events.of(PositionReport), "the position")
        session.place(7, market_order())
        assert peer.expect(_PLACE)[2] == "265598"


def test_a_stock_of_another_currency_is_not_taken_for_ours(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        answer = session.positions()
        peer.expect(61)
        peer.send(
            61, 3, "DU1234567", 14204, "SAP", "STK", "", 0, "", "", "IBIS", "EUR", "SAP", "XETRA", 10, 99.5
        )
        peer.send(62, 1)
        found = answer.result(DEADLINE_S)
        assert not isinstance(found, Unknown)
        assert [p.symbol for p in found] == ["SAP (STK EUR)"]


def test_amounts_in_another_currency_are_no_values_of_ours(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        answer = session.account_values()
        number = peer.expect(62)[2]
        peer.send(63, 1, number, "DU1234567", "NetLiquidation", "100000.00", "EUR")
        peer.send(63, 1, number, "DU1234567", "TotalCashValue", "5000.00", "USD")
        peer.send(63, 1, number, "DU1234567", "Cushion", "0.9", "")
        peer.send(64, 1, number)
        assert answer.result(DEADLINE_S) == {"TotalCashValue": Decimal("5000.00"), "Cushion": Decimal("0.9")}


@pytest.mark.parametrize("zone", ["US/Eastern", "EST", "EDT", "America/New_York"])
def test_eastern_time_is_new_york_time_whatever_tws_calls_it(zone: str) -> None:
    """In July: EST read as a fixed offset would be an hour late."""
    berlin = ZoneInfo("Europe/Berlin")
    assert parse_execution_time(f"20230712 10:37:01 {zone}", berlin) == 1_689_172_621 * 10**9


def test_a_feed_that_stays_silent_after_a_reset_is_subscribed_again(tws: ScriptedTws, events: Events) -> None:
    with session_at(tws.port, events) as session:
        peer = ready(tws, session)
        session.subscribe_realtime_bars(["AAPL"])
        old = peer.expect(_BARS)[2]
        peer.send(4, 2, -1, 1100, "Connectivity between IB and Trader Workstation has been lost.")
        peer.send(4, 2, -1, 1102, "Connectivity has been restored - data maintained.")
        assert peer.expect(_CANCEL_BARS)[2] == old
        assert peer.expect(_BARS)[2] != old


# --- OCA groups ------------------------------------------------------------------------------------------


def test_an_amendment_names_the_group_that_the_broker_shows() -> None:
    """TWS answers 10326 to an amendment with another group, and it may have put the order into one of its own."""
    groups = OcaGroups()
    assert groups.for_order(8, "OCA-S") == OcaGroup("OCA-S", REDUCE_WITH_BLOCK)
    groups.reported(8, OcaGroup("1234567", 3))
    assert groups.for_order(8, "OCA-S") == OcaGroup("1234567", 3)
    assert groups.for_order(9, "OCA-S") == OcaGroup(
        "1234567", 3
    )  # the exit joins its stop where it really is
    assert groups.for_order(10, "OCA-T") == OcaGroup("OCA-T", REDUCE_WITH_BLOCK)
    assert groups.for_order(11, None) is None


def test_an_exit_after_a_restart_joins_the_stop_in_the_group_that_the_broker_gave_it() -> None:
    """The journal knows what the stop asked for; the broker shows where it is; the exit is new."""
    groups = OcaGroups({8: "OCA-S"})
    groups.reported(8, OcaGroup("1234567", 3))
    assert groups.for_order(9, "OCA-S") == OcaGroup("1234567", 3)


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["A", "B", "", "77"]), st.integers(0, 3))))
def test_an_amendment_never_changes_the_group_that_was_reported_last(
    story: list[tuple[int, str, int]],
) -> None:
    groups = OcaGroups()
    for order_id, name, kind in story:
        groups.for_order(order_id, "A")
        groups.reported(order_id, OcaGroup(name, kind))
        sent = groups.for_order(order_id, "A")
        assert (sent.name if sent else "") == name


def test_only_stocks_in_dollars_keep_their_plain_symbol() -> None:
    contract = Contract()
    contract.symbol, contract.secType, contract.currency = "BRK B", "STK", "USD"
    assert translate.symbol_of(contract) == "BRK B"
    contract.currency = "CAD"
    assert translate.symbol_of(contract) == "BRK B (STK CAD)"
