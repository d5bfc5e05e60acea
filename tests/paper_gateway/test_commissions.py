from decimal import Decimal

import pytest

from paper_gateway.commissions import FixedSchedule, TieredSchedule, Trade

FIXED, TIERED = FixedSchedule(), TieredSchedule()


@pytest.mark.parametrize(
    ("quantity", "price", "commission"),
    [  # IB's own examples of the fixed schedule
        (100, "25", "1.00"),
        (1000, "25", "5.00"),
        (1000, "0.25", "2.50"),
    ],
)
def test_fixed_commissions_are_as_in_ibs_examples(quantity, price, commission):
    assert FIXED.commission(quantity, quantity * Decimal(price), 0) == Decimal(commission)


@pytest.mark.parametrize(
    ("quantity", "price", "month", "commission"),
    [
        (100, "25", 0, "0.35"),
        (50, "25", 0, "0.35"),  # the minimum
        (1000, "25", 0, "3.50"),
        (10, "1", 0, "0.10"),  # one per cent caps the minimum
        (1000, "25", 300_000, "2.00"),  # the second tier
        (1000, "25", 299_500, "2.75"),  # half in the first
        # IB's example of 30,000,000 shares at $5: 1,050 + 5,400 + 25,500 + 10,000
        (30_000_000, "5", 0, "41950"),
        (200_000_000, "5", 0, "161950"),
    ],
)
def test_tiered_commissions_fall_with_the_months_volume(quantity, price, month, commission):
    assert TIERED.commission(quantity, quantity * Decimal(price), month) == Decimal(commission)


def trade(*, is_sale: bool = False, adds: bool = False, quantity: int = 1000, price: str = "50") -> Trade:
    return Trade(quantity=quantity, price=Decimal(price), is_sale=is_sale, adds_liquidity=adds)


def test_sales_pay_regulatory_fees_on_top():
    assert FIXED.fees(trade(), Decimal(5)) == Decimal("0.072000")
    # 0.0000278 x 50,000 + 0.000166 x 1,000 + 0.000072 x 1,000
    assert FIXED.fees(trade(is_sale=True), Decimal(5)) == Decimal("1.628000")


def test_the_trading_activity_fee_is_capped():
    large = trade(is_sale=True, quantity=1_000_000, price="1")
    assert FIXED.fees(large, Decimal(0)) == Decimal("27.8") + Decimal("8.30") + Decimal(72)


def test_taking_liquidity_costs_and_adding_it_earns():
    takes = TIERED.fees(trade(), Decimal("3.50"))
    adds = TIERED.fees(trade(adds=True), Decimal("3.50"))
    assert takes - adds == Decimal(5)
    assert adds < 0


def test_below_one_dollar_the_exchange_fee_goes_by_value():
    # 0.3% of 500 + clearing 0.2 + audit trail 0.072
    assert TIERED.fees(trade(price="0.50"), Decimal(0)) == Decimal("1.772000")
    assert TIERED.fees(trade(price="0.50", adds=True), Decimal(0)) == Decimal("0.272000")
