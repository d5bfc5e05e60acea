"""The official ibapi 9.81, unmodified, against ``python -m paper_gateway``."""

import pytest
from ibapi.common import UNSET_DOUBLE
from ibapi.execution import ExecutionFilter

from tests.acceptance.official_client import OfficialClient, official_client, order, stock
from tests.gateway import running_gateway
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def port():
    with running_gateway("--speed", 25, "--start", "2010-01-04") as gateway:
        yield gateway.port


@pytest.fixture
def client(port):
    with official_client(port) as found:
        yield found
        found.reqGlobalCancel()
        found.reqCurrentTime()
        found.wait_for("currentTime")


def next_id(client):
    client.calls[:] = [call for call in client.calls if call[0] != "nextValidId"]
    client.reqIds(1)
    return client.wait_for("nextValidId")[0]


def test_it_learns_account_id_and_next_order_id(client):
    assert client.serverVersion() == 157
    assert client.wait_for("managedAccounts") == ("DU1234567",)
    client.wait_for_error(2104)
    client.wait_for_error(2106)


def test_it_reads_contract_details(client):
    client.reqContractDetails(10, stock())
    _, details = client.wait_for("contractDetails")
    client.wait_for("contractDetailsEnd")
    assert (details.contract.symbol, details.minTick) == ("AAPL", 0.01)
    assert "20100104:0930-20100104:1600" in details.liquidHours
    client.reqContractDetails(11, stock("NOPE"))
    assert client.wait_for_error(200)[0] == 11


def test_it_reads_ticks_and_five_second_bars(client):
    client.reqMarketDataType(3)
    client.reqMktData(20, stock(), "", False, False, [])
    client.reqRealTimeBars(21, stock(), 5, "TRADES", True, [])
    assert client.wait_for("marketDataType") == (20, 1)
    bid = client.wait_for("tickPrice", lambda _, kind, *__: kind == 1)[2]
    ask = client.wait_for("tickPrice", lambda _, kind, *__: kind == 2)[2]
    assert 0 < bid < ask
    wait_for(lambda: len(client.named("realtimeBar")) >= 3, "three bars")
    bars = client.named("realtimeBar")
    assert [one[1] - bars[0][1] for one in bars[:3]] == [0, 5, 10]
    assert all(low <= open_ <= high and low <= close <= high for _, _, open_, high, low, close, *_ in bars)
    client.cancelMktData(20)
    client.cancelRealTimeBars(21)
    client.cancelRealTimeBars(21)
    assert client.wait_for_error(300)[0] == 21


def test_it_reads_a_snapshot_of_ticks(client):
    client.reqMktData(25, stock(), "", True, False, [])
    assert client.wait_for("tickSnapshotEnd") == (25,)
    assert client.named("tickPrice")


def test_it_reads_historical_bars_and_keeps_them_up_to_date(client):
    client.reqHistoricalData(30, stock(), "", "5 D", "1 day", "TRADES", 1, 1, False, [])
    client.wait_for("historicalDataEnd", lambda number, *_: number == 30)
    days = client.named("historicalData")
    assert len(days) == 5
    assert days[-1][1].date in {"20091231", "20100104"}
    client.reqHistoricalData(31, stock(), "", "1 D", "1 min", "TRADES", 1, 2, True, [])
    client.wait_for("historicalDataEnd", lambda number, *_: number == 31)
    client.wait_for("historicalDataUpdate")
    client.cancelHistoricalData(31)
    client.wait_for_error(162)


def test_a_market_order_fills_and_its_commission_follows(client):
    client.reqPositions()
    client.wait_for("positionEnd")
    number = next_id(client)
    client.placeOrder(number, stock(), order(orderRef="mine"))
    client.wait_for("orderStatus", lambda given, status, *_: (given, status) == (number, "Filled"))
    _, contract, execution = client.wait_for("execDetails", lambda _, __, one: one.orderId == number)
    assert (contract.symbol, execution.orderRef, execution.side) == ("AAPL", "mine", "BOT")
    wait_for(
        lambda: [one for one in client.named("commissionReport") if one[0].execId == execution.execId],
        "the commission",
    )
    names = [name for name, _ in client.calls]
    assert names.index("execDetails") < names.index("commissionReport")
    client.wait_for("position", lambda _, given, quantity, __: given.symbol == "AAPL" and quantity >= 100)


def test_a_limit_order_rests_is_changed_is_listed_and_cancelled(client):
    number = next_id(client)
    client.placeOrder(number, stock(), order(kind="LMT", lmtPrice=1.0, orderRef="rest"))
    client.wait_for("orderStatus", lambda given, status, *_: (given, status) == (number, "Submitted"))
    client.placeOrder(number, stock(), order(kind="LMT", lmtPrice=2.0, orderRef="rest"))
    client.wait_for("openOrder", lambda given, _, one, __: (given, one.lmtPrice) == (number, 2.0))
    client.reqOpenOrders()
    client.wait_for("openOrderEnd")
    client.cancelOrder(number)
    client.wait_for("orderStatus", lambda given, status, *_: (given, status) == (number, "Cancelled"))
    assert client.wait_for_error(202)[0] == number
    client.cancelOrder(number)
    assert client.wait_for_error(10148)[0] == number
    client.cancelOrder(number + 1000)
    assert client.wait_for_error(10147)[0] == number + 1000


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("STP", {"auxPrice": 1.0}),
        ("STP LMT", {"auxPrice": 1.0, "lmtPrice": 0.5}),
        ("TRAIL", {"auxPrice": 5.0}),
        ("TRAIL", {"trailingPercent": 10.0}),
        ("MOC", {}),
        ("LOC", {"lmtPrice": 1.0}),
        ("LMT", {"lmtPrice": 900.0, "tif": "GTC"}),
    ],
)
def test_every_order_type_is_taken_and_rests(client, kind, fields):
    number = next_id(client)
    client.placeOrder(number, stock(), order("SELL", 10, kind, **fields))
    client.wait_for(
        "orderStatus", lambda given, status, *_: given == number and status in {"PreSubmitted", "Submitted"}
    )
    client.cancelOrder(number)
    client.wait_for("orderStatus", lambda given, status, *_: (given, status) == (number, "Cancelled"))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "LMT", "lmtPrice": 10.001}, 110),
        ({"kind": "PEG BENCH"}, 387),
        ({"kind": "MOC", "tif": "GTC"}, 113),
        ({"algoStrategy": "Sniper"}, 439),
        ({"account": "U999"}, 201),
        ({"quantity": 10**7}, 201),
    ],
)
def test_a_bad_order_is_refused_with_ibs_code(client, fields, code):
    number = next_id(client)
    client.placeOrder(number, stock(), order(**fields))
    assert client.wait_for_error(code)[0] == number


def test_a_filled_order_cannot_be_modified(client):
    number = next_id(client)
    client.placeOrder(number, stock(), order(quantity=1))
    client.wait_for("orderStatus", lambda given, status, *_: (given, status) == (number, "Filled"))
    client.placeOrder(number, stock(), order(quantity=1))
    assert client.wait_for_error(104)[0] == number


def test_a_what_if_order_tells_margins_and_places_nothing(client):
    number = next_id(client)
    client.placeOrder(number, stock(), order(whatIf=True))
    _, _, given, state = client.wait_for("openOrder", lambda given, *_: given == number)
    assert given.whatIf
    assert float(state.initMarginChange) != UNSET_DOUBLE
    assert not [one for one in client.named("orderStatus") if one[0] == number]


def test_account_values_summary_and_profit_and_loss(client):
    client.reqAccountUpdates(True, "")
    client.wait_for("accountDownloadEnd")
    values = {key: value for key, value, *_ in client.named("updateAccountValue")}
    assert float(values["NetLiquidation"]) > 900_000
    client.reqAccountSummary(40, "All", "NetLiquidation,BuyingPower")
    client.wait_for("accountSummaryEnd")
    assert {one[2] for one in client.named("accountSummary")} == {"NetLiquidation", "BuyingPower"}
    client.reqPnL(41, "DU1234567", "")
    wait_for(lambda: len(client.named("pnl")) >= 2, "profit and loss twice")
    client.reqPnL(42, "DU99", "")
    assert client.wait_for_error(321)[0] == 42


def test_executions_can_be_asked_for_by_another_client(client, port):
    number = next_id(client)
    client.placeOrder(number, stock(), order(quantity=3, orderRef="seen by all"))
    client.wait_for("commissionReport")
    with official_client(port, 2) as other:
        other.reqExecutions(50, ExecutionFilter())
        other.wait_for("execDetails", lambda number, _, one: number == 50 and one.orderRef == "seen by all")
        other.wait_for("execDetailsEnd")
        assert other.named("commissionReport")
        mine = ExecutionFilter()
        mine.clientId = 2
        other.calls.clear()
        other.reqExecutions(51, mine)
        other.wait_for("execDetailsEnd")
        assert not other.named("execDetails")


def test_clients_see_their_own_orders_and_a_global_cancel_ends_all(client, port):
    number = next_id(client)
    client.placeOrder(number, stock(), order(kind="LMT", lmtPrice=1.0, orderRef="of one"))
    client.wait_for("orderStatus", lambda given, status, *_: (given, status) == (number, "Submitted"))
    with official_client(port, 2) as other:
        other.reqOpenOrders()
        other.wait_for("openOrderEnd")
        assert not other.named("openOrder")
        other.reqAllOpenOrders()
        other.wait_for("openOrder", lambda _, __, one, ___: (one.orderRef, one.clientId) == ("of one", 1))
        other.cancelOrder(number)
        assert other.wait_for_error(10147)[0] == number
        other.reqGlobalCancel()
        client.wait_for("orderStatus", lambda given, status, *_: (given, status) == (number, "Cancelled"))
        assert not other.named("orderStatus")[1:]


def test_a_client_id_in_use_is_refused_and_free_after_leaving(port):
    with official_client(port, 7):
        second = OfficialClient().start(port, 7, expect_ready=False)
        second.wait_for_error(326)
        second.wait_for("connectionClosed")
        second.stop()
    with official_client(port, 7):
        pass


def test_working_orders_outlive_their_client(port):
    with official_client(port, 8) as client:
        number = next_id(client)
        client.placeOrder(number, stock(), order(kind="LMT", lmtPrice=1.0, tif="GTC"))
        client.wait_for("orderStatus", lambda given, status, *_: (given, status) == (number, "Submitted"))
    with official_client(port, 8) as again:
        assert next_id(again) > number
        again.reqOpenOrders()
        again.wait_for("openOrder", lambda given, *_: given == number)
        again.cancelOrder(number)
        again.wait_for("orderStatus", lambda given, status, *_: (given, status) == (number, "Cancelled"))
