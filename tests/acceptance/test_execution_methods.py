"""Execution methods through unmodified clients: the official ibapi and ib_async, over a real socket."""

import asyncio

import ib_async
import pytest
from ibapi.tag_value import TagValue

from tests.acceptance.official_client import official_client, order, stock
from tests.gateway import running_gateway
from tests.waiting import DEADLINE_S

REPLAY = ("--speed", 400, "--cash", 100_000_000, "--start", "2010-01-04", "--wait-for-client")


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


def test_the_official_client_works_an_order_by_twap_and_reads_it_back(port):
    with official_client(port, 1) as client:
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


def test_ib_async_works_orders_by_every_method(port):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    ib = ib_async.IB()
    ib.connect("127.0.0.1", port, clientId=21, timeout=DEADLINE_S)
    try:
        contract = ib_async.Stock("AAPL", "SMART", "USD")
        ib.qualifyContracts(contract)
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
