"""Execution methods through unmodified clients: the official ibapi and ib_async, over a real socket."""

import asyncio
import contextlib
import json
import socket

import ib_async
import pytest
from ibapi.execution import ExecutionFilter
from ibapi.tag_value import TagValue

from tests.acceptance.official_client import official_client, order, stock
from tests.gateway import ROOT, running_gateway
from tests.waiting import DEADLINE_S, wait_for

REPLAY = ("--speed", 1000, "--cash", 100_000_000, "--start", "2010-01-04", "--wait-for-client")


@pytest.fixture(scope="module")
def port():
    with running_gateway(*REPLAY) as gateway:
        yield gateway.port


def next_id(client):
    return client.named("nextValidId")[0][0]


def start_clock(client):
    client.reqRealTimeBars(900, stock(), 5, "TRADES", True, [])
    client.wait_for("realtimeBar")


def done(client, number, status="Filled"):
    client.wait_for("orderStatus", lambda given, state, *_: (given, state) == (number, status))


def test_the_official_client_works_an_order_by_twap_and_reads_it_back():
    with running_gateway(*REPLAY) as gateway, official_client(gateway.port, 1) as client:
        start_clock(client)
        number = next_id(client)
        params = [
            TagValue("strategyType", "Marketable"),
            TagValue("startTime", "09:30:00 US/Eastern"),
            TagValue("endTime", "12:00:00 US/Eastern"),
            TagValue("allowPastEndTime", "1"),
        ]
        sent = order("BUY", 3000, algoStrategy="Twap", algoParams=params, orderRef="sliced")
        client.placeOrder(number, stock(), sent)
        _, _, told, _ = client.wait_for("openOrder", lambda given, *_: given == number)
        assert told.algoStrategy == "Twap"
        assert [(one.tag, one.value) for one in told.algoParams] == [(one.tag, one.value) for one in params]
        done(client, number)
        fills = [one for _, _, one in client.named("execDetails") if one.orderId == number]
        assert sum(one.shares for one in fills) == 3000
        assert len({one.execId for one in fills}) == len(fills) > 5
        filled = [given[2] for given in client.named("orderStatus") if given[0] == number]
        assert filled == sorted(filled)
        client.reqCompletedOrders(False)
        client.wait_for("completedOrdersEnd")
        (ended,) = [one for _, one, _ in client.named("completedOrder") if one.orderRef == "sliced"]
        assert (ended.algoStrategy, ended.algoParams[2].value) == ("Twap", "12:00:00 US/Eastern")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"algoStrategy": "Twap", "algoParams": [TagValue("bogus", "1")]}, 443),
        ({"algoStrategy": "Adaptive", "algoParams": [TagValue("adaptivePriority", "Lazy")]}, 145),
        ({"algoStrategy": "Vwap", "algoParams": [TagValue("maxPctVol", "0.9")]}, 441),
        ({"algoStrategy": "Vwap", "algoParams": [TagValue("endTime", "soon")]}, 10314),
        ({"algoStrategy": "Vwap", "quantity": 10}, 441),
        ({"algoStrategy": "Twap", "kind": "MOC"}, 442),
    ],
)
def test_the_official_client_is_told_what_is_wrong_with_an_algorithm(port, fields, code):
    with official_client(port, 1) as client:
        number = next_id(client)
        client.placeOrder(number, stock(), order(**fields))
        assert client.wait_for_error(code)[0] == number


def test_a_global_cancel_of_the_official_client_ends_algorithms_and_pegs(port):
    with official_client(port, 1) as client:
        first = next_id(client)
        client.placeOrder(first, stock(), order("BUY", 500_000, algoStrategy="Vwap", algoParams=[]))
        client.placeOrder(first + 1, stock(), order("BUY", 10_000, "PEG MID", lmtPrice=1.0))
        client.placeOrder(first + 2, stock(), order("BUY", 10_000, "REL", lmtPrice=1.0, auxPrice=0.01))
        for number in range(first, first + 3):
            client.wait_for("openOrder", lambda given, *_, number=number: given == number)
        client.reqGlobalCancel()
        for number in range(first, first + 3):
            done(client, number, "Cancelled")


def wait(ib, condition, what):
    loop = asyncio.get_event_loop_policy().get_event_loop()
    end = loop.time() + DEADLINE_S
    while not condition():
        assert loop.time() < end, f"waited in vain for {what}"
        ib.sleep(0.01)


@pytest.fixture
def own_port():
    """A gateway of one test, whose clock starts with it."""
    with running_gateway(*REPLAY) as gateway:
        yield gateway.port


def test_ib_async_works_orders_by_every_method(own_port):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    ib = ib_async.IB()
    ib.connect("127.0.0.1", own_port, clientId=21, timeout=DEADLINE_S)
    try:
        contract = ib_async.Stock("AAPL", "SMART", "USD")
        ib.qualifyContracts(contract)
        bars = ib.reqRealTimeBars(contract, 5, "TRADES", True)  # the clock starts with it
        wait(ib, lambda: bars, "the first bar")
        tag = ib_async.TagValue
        wanted = {
            "Adaptive": [tag("adaptivePriority", "Urgent")],
            "Twap": [tag("allowPastEndTime", "1")],
            "Vwap": [tag("maxPctVol", "0.2"), tag("noTakeLiq", "0")],
        }
        trades = {
            name: ib.placeOrder(
                contract, ib_async.MarketOrder("BUY", 200, algoStrategy=name, algoParams=params, tif="DAY")
            )
            for name, params in wanted.items()
        }
        middle = ib.placeOrder(
            contract, ib_async.Order(action="BUY", totalQuantity=100, orderType="MIDPRICE")
        )
        closing = ib.placeOrder(
            contract, ib_async.Order(action="SELL", totalQuantity=100, orderType="MOC", tif="DAY")
        )
        wait(ib, lambda: trades["Adaptive"].orderStatus.status == "Filled", "the adaptive order")
        wait(
            ib,
            lambda: middle.fills and closing.isDone() and all(t.isDone() for t in trades.values()),
            "the close",
        )
        assert closing.orderStatus.status == "Filled"
        assert closing.fills[0].execution.shares == 100
        for name, trade in trades.items():
            assert trade.orderStatus.status == "Filled", (name, trade.log)
            assert sum(fill.execution.shares for fill in trade.fills) == 200
        completed = {one.order.algoStrategy: one.order.algoParams for one in ib.reqCompletedOrders(False)}
        assert completed["Vwap"] == wanted["Vwap"]
    finally:
        ib.disconnect()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        asyncio.set_event_loop(None)


def worked_orders(client):
    """Orders by several methods, placed before the clock starts."""
    first = next_id(client)
    tags = [TagValue("endTime", "11:00:00")]
    methods = [
        ("Twap", "BUY", tags),
        ("Vwap", "SELL", [*tags, TagValue("maxPctVol", "0.1")]),
        ("Adaptive", "BUY", [TagValue("adaptivePriority", "Patient")]),
    ]
    for number, (strategy, action, params) in enumerate(methods, start=first):
        client.placeOrder(number, stock(), order(action, 3000, algoStrategy=strategy, algoParams=params))
    client.placeOrder(first + 3, stock(), order("SELL", 900, "PEG MID"))
    client.placeOrder(first + 4, stock(), order("BUY", 700, "MOC"))
    return range(first, first + 5)


def fills_of_a_day(speed):
    replay = ("--speed", speed, "--barrier", "--sessions", 1, "--start", "2010-01-04", "--wait-for-client")
    with (
        running_gateway(*replay, "--cash", 10_000_000) as gateway,
        official_client(gateway.port, 1) as client,
    ):
        numbers = worked_orders(client)
        client.reqRealTimeBars(900, stock(), 5, "TRADES", True, [])
        for number in (numbers[0], numbers[-1]):
            done(client, number)
        client.reqExecutions(5, ExecutionFilter())
        client.wait_for("execDetailsEnd")
        found = [one for given, _, one in client.named("execDetails") if given == 5]
        return [(one.orderId, one.execId, one.time, one.shares, one.price) for one in found]


def test_a_day_at_full_speed_fills_as_the_same_day_at_a_thousandfold():
    fast, slow = fills_of_a_day("max"), fills_of_a_day(1000)
    assert fast == slow
    assert {number for number, *_ in fast} == {1, 2, 3, 4, 5}


def test_what_is_worked_survives_a_restart_of_the_gateway_and_the_audit_knows_every_fill(tmp_path):
    (tmp_path / "scenario.yaml").write_text(
        "description: one restart\nfaults:\n  - {kind: restart, control: now, down_s: 0.3}\n"
    )
    control, audit = tmp_path / "control", tmp_path / "audit.jsonl"
    control.mkdir()
    options = ("--faults", tmp_path / "scenario.yaml", "--fault-control", control, "--audit", audit)
    with running_gateway(*REPLAY, *options) as gateway:
        with official_client(gateway.port, 1) as client:
            start_clock(client)
            number = next_id(client)
            client.placeOrder(number, stock(), order("BUY", 3000, algoStrategy="Vwap", algoParams=[]))
            client.wait_for("execDetails")
            (control / "now").touch()
            client.wait_for("connectionClosed")
        wait_for(lambda: listens(gateway.port), "a gateway that is back")
        with official_client(gateway.port, 1) as client:
            client.reqOpenOrders()
            _, _, told, _ = client.wait_for("openOrder", lambda given, *_: given == number)
            assert told.algoStrategy == "Vwap"
            done(client, number)
            client.reqExecutions(5, ExecutionFilter())
            client.wait_for("execDetailsEnd")
            told_of = {one.execId: one.shares for given, _, one in client.named("execDetails") if given == 5}
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    booked = {line["exec_id"]: float(line["quantity"]) for line in lines if line["what"] == "execution"}
    assert booked == told_of
    assert sum(booked.values()) == 3000


def test_a_halted_symbol_is_refused_and_a_stock_that_can_not_be_borrowed_is_not_sold_short(tmp_path):
    scenario = ROOT / "paper_gateway" / "faults" / "scenarios" / "halted_symbol.yaml"
    (tmp_path / "halted").touch()
    options = ("--faults", scenario, "--fault-control", tmp_path, "--not-shortable", "MSFT")
    with running_gateway(*REPLAY, *options) as gateway, official_client(gateway.port, 1) as client:
        start_clock(client)
        number = next_id(client)
        wait_for(lambda: halted(client, number), "the halt")
        short = number + 1000
        client.placeOrder(short, stock("MSFT"), order("SELL", 100))
        _, _, text = client.wait_for("error", lambda given, code, _: (given, code) == (short, 201))
        assert text == "Order rejected - reason:The contract is not available for short sale."
        done(client, short, "Inactive")


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def halted(client, first):
    """Whether an order for IBM is refused; the halt begins when the gateway looks into the folder."""
    number = first + len(client.named("openOrder"))
    client.placeOrder(number, stock("IBM"), order("BUY", 1))
    client.wait_for("openOrder", lambda given, *_: given == number)
    return any(given == number and code == 154 for given, code, _ in client.named("error"))
