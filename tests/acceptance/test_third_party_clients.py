"""ib_async 2.1 and ib_insync 0.9.86, unmodified, against ``python -m paper_gateway``."""

import asyncio
import logging

import ib_async
import ib_insync
import pytest

from tests.gateway import running_gateway
from tests.log_records import Collected
from tests.waiting import DEADLINE_S


@pytest.fixture(scope="module")
def port():
    with running_gateway("--speed", 25, "--cash", 100_000_000, "--start", "2010-01-04") as gateway:
        yield gateway.port


@pytest.fixture
def loop():
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield made
    made.close()
    asyncio.set_event_loop(None)


@pytest.fixture(params=[ib_async, ib_insync], ids=["ib_async", "ib_insync"])
def library(request):
    return request.param


@pytest.fixture
def problems(library):
    """What the library's decoder could not read: it logs that and goes on."""
    handler = Collected()
    loggers = [logging.getLogger(f"{library.__name__}.{part}") for part in ("Decoder", "client", "wrapper")]
    loggers.append(logging.getLogger("eventkit"))
    for logger in loggers:
        logger.addHandler(handler)
    yield lambda: [one.getMessage() for one in handler.records if one.exc_info]
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.fixture
def ib(library, loop, port, problems):
    client = library.IB()
    client.connect("127.0.0.1", port, clientId=11 if library is ib_async else 12, timeout=DEADLINE_S)
    try:
        yield client
        client.reqGlobalCancel()
        wait(client, lambda: not client.openTrades(), "no order open")
    finally:
        client.disconnect()
        loop.run_until_complete(asyncio.sleep(0))  # lets the transport close before the loop does
    assert not problems()


def wait(ib, condition, what):
    end = asyncio.get_event_loop_policy().get_event_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_event_loop_policy().get_event_loop().time() < end, f"waited in vain for {what}"
        ib.sleep(0.01)


def apple(library, ib):
    contract = library.Stock("AAPL", "SMART", "USD")
    assert ib.qualifyContracts(contract)
    return contract


def test_it_connects_and_knows_the_account(library, ib):
    assert ib.isConnected()
    assert ib.managedAccounts() == ["DU1234567"]
    assert {one.tag for one in ib.accountValues()} >= {"NetLiquidation", "TotalCashValue", "BuyingPower"}
    assert {one.tag for one in ib.accountSummary()} >= {"NetLiquidation", "AvailableFunds"}
    assert ib.reqCurrentTime().year == 2010


def test_it_reads_contract_details(library, ib):
    (details,) = ib.reqContractDetails(library.Stock("AAPL", "SMART", "USD"))
    assert details.contract.primaryExchange == "NASDAQ"
    assert (details.minTick, details.timeZoneId) == (0.01, "US/Eastern")
    assert ib.reqContractDetails(library.Stock("NOPE", "SMART", "USD")) == []
    assert [one.contract.symbol for one in ib.reqMatchingSymbols("AA")] == ["AAPL"]
    assert ib.reqMarketRule(26)[0].increment == 0.01


def test_it_reads_history_and_keeps_it_up_to_date(library, ib):
    contract = apple(library, ib)
    days = ib.reqHistoricalData(contract, "", "10 D", "1 day", "TRADES", True)
    assert len(days) == 10
    assert str(days[-1].date) in {"2009-12-31", "2010-01-04"}
    assert ib.reqHeadTimeStamp(contract, "TRADES", True, 1).year == 2000
    minutes = ib.reqHistoricalData(contract, "", "1 D", "5 mins", "TRADES", True, 2, True)
    updates = []
    minutes.updateEvent += lambda bars, new: updates.append(bars[-1].close)
    wait(ib, lambda: len(updates) >= 2, "two updates")
    ib.cancelHistoricalData(minutes)


def test_it_reads_ticks_and_bars(library, ib):
    contract = apple(library, ib)
    ticker = ib.reqMktData(contract)
    bars = ib.reqRealTimeBars(contract, 5, "TRADES", True)
    wait(ib, lambda: ticker.bid > 0 and ticker.ask > ticker.bid and ticker.last > 0, "a quote")
    wait(ib, lambda: len(bars) >= 3, "three bars")
    assert (bars[1].time - bars[0].time).total_seconds() == 5
    ticks = ib.reqTickByTickData(contract, "BidAsk")
    wait(ib, lambda: ticks.tickByTicks, "a tick")
    ib.cancelTickByTickData(contract, "BidAsk")
    ib.cancelRealTimeBars(bars)
    ib.cancelMktData(contract)


def test_a_large_limit_order_fills_in_parts_each_with_its_commission(library, ib):
    contract = apple(library, ib)
    (ticker,) = ib.reqTickers(contract)
    trade = ib.placeOrder(contract, library.LimitOrder("BUY", 15_000, round(ticker.ask * 1.02, 2)))
    wait(ib, trade.isDone, "the order to fill")
    assert trade.orderStatus.status == "Filled"
    assert len(trade.fills) > 1
    assert sum(fill.execution.shares for fill in trade.fills) == 15_000
    wait(ib, lambda: all(fill.commissionReport.commission > 0 for fill in trade.fills), "every commission")
    assert len({fill.execution.execId for fill in trade.fills}) == len(trade.fills)
    assert [one.position for one in ib.positions() if one.contract.symbol == "AAPL"]


def test_orders_of_every_type_rest_and_are_cancelled(library, ib):
    contract = apple(library, ib)
    orders = [
        library.LimitOrder("BUY", 10, 1.0),
        library.StopOrder("SELL", 10, 1.0),
        library.StopLimitOrder("SELL", 10, 1.0, 1.5),
        library.Order(action="SELL", totalQuantity=10, orderType="TRAIL", auxPrice=50.0),
        library.Order(action="BUY", totalQuantity=10, orderType="MOC", tif="DAY"),
        library.Order(action="BUY", totalQuantity=10, orderType="LOC", lmtPrice=1.0, tif="DAY"),
        library.LimitOrder("BUY", 10, 1.0, tif="GTC"),
    ]
    trades = [ib.placeOrder(contract, one) for one in orders]
    wait(
        ib,
        lambda: all(one.orderStatus.status in {"PreSubmitted", "Submitted"} for one in trades),
        "all to rest",
    )
    for trade in trades:
        ib.cancelOrder(trade.order)
    wait(ib, lambda: all(one.orderStatus.status == "Cancelled" for one in trades), "all to be cancelled")


def test_a_what_if_order_tells_its_margin(library, ib):
    state = ib.whatIfOrder(apple(library, ib), library.MarketOrder("BUY", 100))
    assert float(state.initMarginChange) > 0
    assert state.commission > 0


def test_it_finds_its_orders_and_fills_again_after_reconnecting(library, ib, port):
    contract = apple(library, ib)
    filled = ib.placeOrder(contract, library.MarketOrder("BUY", 5, orderRef="before"))
    wait(ib, filled.isDone, "the order to fill")
    resting = ib.placeOrder(contract, library.LimitOrder("BUY", 5, 1.0, orderRef="resting"))
    wait(ib, lambda: resting.orderStatus.status == "Submitted", "the order to rest")
    client_id = ib.client.clientId
    ib.disconnect()
    ib.connect("127.0.0.1", port, clientId=client_id, timeout=DEADLINE_S)
    assert "resting" in {one.order.orderRef for one in ib.openTrades()}
    assert "before" in {one.execution.orderRef for one in ib.fills()}
    again = ib.placeOrder(contract, library.MarketOrder("SELL", 5))
    wait(ib, again.isDone, "the next order to fill")
