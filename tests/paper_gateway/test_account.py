from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from paper_gateway.account import Account, AccountType, account_values, requirement

DAY, LATER = date(2012, 11, 12), date(2012, 11, 13)
ZERO = Decimal(0)


def account(**options: Any) -> Account:
    return Account(account_id="DU1234567", cash=Decimal(100_000), **options)


def fill(
    book: Account, quantity: int, price: str, commission: str = "1", settles: date = LATER
) -> Decimal | None:
    return book.fill("AAA", quantity, Decimal(price), Decimal(commission), settles)


def test_the_average_cost_holds_commissions_and_realised_profit_is_net_of_them():
    book = account()
    assert fill(book, 100, "10") is None
    assert book.holdings["AAA"].average_cost == Decimal("10.01")
    assert fill(book, -40, "12") == Decimal(40) * Decimal("1.99") - 1
    assert book.holdings["AAA"].average_cost == Decimal("10.01")
    assert book.cash == Decimal(100_000) - 1000 - 1 + 480 - 1


def test_a_short_position_has_the_proceeds_less_commission_as_its_cost():
    book = account()
    assert fill(book, -100, "10") is None
    assert book.holdings["AAA"].average_cost == Decimal("9.99")
    assert fill(book, 100, "9") == 99 - 1
    assert book.holdings["AAA"].quantity == 0
    assert book.holdings["AAA"].cost == 0


def test_a_fill_through_zero_closes_one_side_and_opens_the_other():
    book = account()
    fill(book, 100, "10", "0")
    realized = fill(book, -150, "12", "3")
    assert realized == Decimal(200) - 2
    assert book.holdings["AAA"].quantity == -50
    assert book.holdings["AAA"].average_cost == Decimal("11.98")


fills = st.lists(
    st.tuples(
        st.integers(-1000, 1000).filter(bool),
        st.decimals("0.01", "900", places=2),
        st.decimals("-1", "20", places=6),
    ),
    max_size=40,
)


@given(fills=fills, last=st.decimals("0.01", "900", places=2))
def test_cash_and_positions_conserve(fills, last):
    book = account()
    cash, shares, realized = Decimal(100_000), 0, ZERO
    for quantity, price, commission in fills:
        realized += book.fill("AAA", quantity, price, commission, LATER) or ZERO
        cash -= quantity * price + commission
        shares += quantity
    assert book.cash == cash
    assert book.position("AAA") == shares
    balances = book.balances(lambda _: last)
    assert balances.net_liquidation == cash + shares * last
    # Whatever was gained is realised or not yet.
    gain = balances.net_liquidation - 100_000
    assert abs(realized + balances.unrealized - gain) < Decimal("1e-12")
    assert balances.realized == realized


def test_proceeds_of_sales_are_not_settled_before_their_day():
    book = account()
    fill(book, 100, "10", "0", settles=DAY)
    fill(book, -100, "12", "0", settles=LATER)
    assert book.cash == Decimal(100_200)
    assert book.settled_cash == Decimal(99_000)
    book.start_day(LATER)
    assert book.settled_cash == Decimal(100_200)


def test_a_new_day_forgets_flat_positions_and_realised_profit():
    book = account()
    fill(book, 100, "10")
    fill(book, -100, "12")
    assert book.balances(lambda _: Decimal(12)).realized > 0
    book.start_day(LATER)
    assert not book.holdings


def test_margin_of_long_and_short_positions_is_regulation_t():
    needed = requirement(Decimal(10_000), Decimal(1000), AccountType.MARGIN)
    assert (needed.initial, needed.maintenance) == (Decimal(5500), Decimal(2800))
    assert requirement(Decimal(10_000), ZERO, AccountType.CASH).initial == 10_000


def test_account_values_have_ibs_names_and_add_up():
    book = account()
    fill(book, 1000, "50", "5")
    values = account_values(book, book.balances(lambda _: Decimal(51)))
    assert values["NetLiquidation"] == "100995.00"
    assert values["TotalCashValue"] == "49995.00"
    assert values["GrossPositionValue"] == "51000.00"
    assert values["InitMarginReq"] == "25500.00"
    assert values["AvailableFunds"] == "75495.00"
    assert values["BuyingPower"] == "150990.00"
    assert values["MaintMarginReq"] == "12750.00"
    assert values["UnrealizedPnL"] == "995.00"


def test_an_account_in_debt_has_no_buying_power():
    book = account()
    fill(book, 10_000, "100", "0")
    values = account_values(book, book.balances(lambda _: Decimal(50)))
    assert values["NetLiquidation"] == "-400000.00"
    assert values["BuyingPower"] == "0.00"
    assert values["Cushion"] == "0.000000"
