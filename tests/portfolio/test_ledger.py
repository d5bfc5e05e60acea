"""The ledger: examples worked by hand, and that nothing is ever lost in it."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import Execution
from core.payloads import execution_of
from core.records import RecordKind
from core.vocabulary import Side
from portfolio.ledger import WATCHDOG, Applied, Ledger
from tests.portfolio.executions import commission, execution

BUY, SELL = Side.BUY, Side.SELL
D = Decimal


def ledger_of(*executions: Execution, strategy: str = "momentum", cash: str = "0") -> Ledger:
    ledger = Ledger()
    ledger.adjust_cash(D(cash))
    for one in executions:
        ledger.apply(one, strategy)
    return ledger


# --- average cost and realised profit ---


def test_buying_more_averages_the_cost():
    holding = ledger_of(execution(1, BUY, 100, 10), execution(2, BUY, 300, 12)).holding("momentum", "AAPL")
    assert (holding.quantity, holding.average_cost, holding.realised) == (D(400), D("11.5"), D(0))


def test_selling_part_realises_against_the_average_and_leaves_the_average():
    ledger = ledger_of(execution(1, BUY, 100, 10), execution(2, SELL, 40, 13), cash="5000")
    holding = ledger.holding("momentum", "AAPL")
    assert (holding.quantity, holding.average_cost, holding.realised) == (D(60), D(10), D(120))
    assert ledger.cash == D(5000 - 1000 + 520)


def test_a_short_earns_when_the_price_falls():
    holding = ledger_of(execution(1, SELL, 100, 10), execution(2, BUY, 100, 8)).holding("momentum", "AAPL")
    assert (holding.quantity, holding.cost_basis, holding.realised) == (D(0), D(0), D(200))


def test_an_execution_through_zero_closes_all_and_opens_the_rest_at_its_own_price():
    holding = ledger_of(execution(1, BUY, 100, 10), execution(2, SELL, 150, 11)).holding("momentum", "AAPL")
    assert (holding.quantity, holding.average_cost, holding.realised) == (D(-50), D(11), D(100))
    assert holding.last_direction == -1


def test_unrealised_profit_and_net_liquidation_follow_the_price():
    ledger = ledger_of(execution(1, BUY, 100, 10), cash="5000")
    assert ledger.unrealised({"AAPL": D(12)}) == D(200)
    assert ledger.net_liquidation({"AAPL": D(12)}) == D(5200)


def test_a_held_symbol_without_a_price_has_no_value_instead_of_a_wrong_one():
    ledger = ledger_of(execution(1, BUY, 100, 10))
    with pytest.raises(KeyError):
        ledger.unrealised({})
    with pytest.raises(KeyError):
        ledger.net_liquidation({})


def test_a_flat_symbol_needs_no_price():
    ledger = ledger_of(execution(1, BUY, 100, 10), execution(2, SELL, 100, 11))
    assert ledger.unrealised({}) == 0
    assert ledger.net_liquidation({}) == D(100)


def test_strategies_hold_the_same_symbol_apart_and_net_together():
    ledger = Ledger()
    ledger.apply(execution(1, BUY, 100, 10), "momentum")
    ledger.apply(execution(2, SELL, 30, 11), "mean_reversion")
    assert ledger.position("momentum", "AAPL") == 100
    assert ledger.position("mean_reversion", "AAPL") == -30
    assert ledger.net_positions() == {"AAPL": D(70)}
    assert ledger.realised() == 0


def test_the_last_direction_and_fill_time_outlive_the_position():
    holding = ledger_of(execution(1, BUY, 100, 10), execution(2, SELL, 100, 9)).holding("momentum", "AAPL")
    assert (holding.quantity, holding.last_direction, holding.last_fill_ns) == (D(0), 1, 2)


# --- duplicates, corrections, commissions ---


def test_a_repeated_report_changes_nothing():
    ledger = ledger_of(execution(1), cash="5000")
    before = ledger.to_dict()
    assert ledger.apply(execution(1), "momentum") is Applied.DUPLICATE
    assert ledger.to_dict() == before


def test_a_correction_takes_the_place_of_what_it_corrects():
    ledger = ledger_of(execution(1, BUY, 100, 10), execution(2, SELL, 100, 12))
    assert ledger.apply(execution(1, BUY, 100, "10.50", correction=2), "momentum") is Applied.CORRECTION
    straight = ledger_of(execution(1, BUY, 100, "10.50", correction=2), execution(2, SELL, 100, 12))
    assert ledger.to_dict() == straight.to_dict()
    assert ledger.realised() == D(150)
    assert ledger.fills == 2


def test_the_first_version_arriving_after_its_correction_is_old_news():
    ledger = ledger_of(execution(1, BUY, 90, 10, correction=2))
    assert ledger.apply(execution(1, BUY, 100, 10), "momentum") is Applied.DUPLICATE
    assert ledger.position("momentum", "AAPL") == 90


def test_a_commission_may_come_before_its_execution():
    ledger = Ledger()
    assert ledger.apply_commission(commission(1, "1.25")) is Applied.NEW
    assert (ledger.cash, ledger.commissions()) == (D(0), D(0))
    ledger.apply(execution(1, BUY, 100, 10), "momentum")
    assert ledger.cash == D("-1001.25")
    assert ledger.commissions("momentum") == D("1.25")


def test_a_repeated_commission_is_paid_once_and_a_corrected_one_replaces_it():
    ledger = ledger_of(execution(1))
    ledger.apply_commission(commission(1, "1.00"))
    assert ledger.apply_commission(commission(1, "1.00")) is Applied.DUPLICATE
    assert ledger.apply_commission(commission(1, "0.75", correction=2)) is Applied.CORRECTION
    assert ledger.commissions() == D("0.75")


def test_a_commission_that_is_revised_under_the_same_exec_id_replaces_the_first():
    ledger = ledger_of(execution(1))
    ledger.apply_commission(commission(1, "0.35"))
    assert ledger.charged(execution(1).exec_id) == D("0.35")
    assert ledger.apply_commission(commission(1, "1.00")) is Applied.CORRECTION
    assert ledger.commissions() == ledger.commissions("momentum") == D("1.00")
    assert ledger.cash == D("-1001.00")
    assert ledger.apply_commission(commission(1, "1.00")) is Applied.DUPLICATE
    assert ledger.charged(execution(2).exec_id) == 0


def test_a_commission_that_is_revised_before_its_execution_is_paid_in_its_last_amount():
    ledger = Ledger()
    for charge in (commission(1, "0.35"), commission(1, "1.00"), commission(1, "0.50", correction=2)):
        ledger.apply_commission(charge)
    assert (
        ledger.apply_commission(commission(1, "9.00")) is Applied.DUPLICATE
    )  # of the first version: old news
    ledger.apply(execution(1), "momentum")
    assert ledger.commissions() == D("0.50")


def test_executions_that_still_lack_a_commission_are_listed():
    ledger = ledger_of(execution(1), execution(2))
    ledger.apply_commission(commission(2))
    assert ledger.without_commission() == (execution(1).exec_id,)


def test_the_owner_of_an_execution_is_who_booked_it_first():
    ledger = ledger_of(execution(1))
    ledger.apply(execution(1, quantity=90, correction=2), "mean_reversion")
    assert ledger.strategy_of(execution(1).exec_id) == "momentum"
    assert ledger.strategy_of(execution(2).exec_id) is None


def test_an_exec_id_without_periods_is_its_own_base():
    ledger = Ledger()
    odd = execution(1)
    odd = Execution(**{name: getattr(odd, name) for name in odd.__slots__} | {"exec_id": "plain"})
    assert ledger.apply(odd, "momentum") is Applied.NEW
    assert ledger.apply(odd, "momentum") is Applied.DUPLICATE
    assert ledger.booked("plain") == odd


# --- the watchdog's closing orders ---


def test_a_kills_closing_execution_is_shared_out_over_the_holdings_it_closes():
    ledger = Ledger()
    ledger.apply(execution(1, BUY, 60, 10), "momentum")
    ledger.apply(execution(2, BUY, 40, 10), "mean_reversion")
    ledger.apply(execution(3, SELL, 100, 9), WATCHDOG)
    assert ledger.net_positions() == {}
    assert ledger.position("momentum", "AAPL") == ledger.position("mean_reversion", "AAPL") == 0
    assert ledger.realised("momentum") == D(-60)
    assert ledger.realised("mean_reversion") == D(-40)


def test_what_a_kill_closes_beyond_our_holdings_stays_with_the_watchdog():
    ledger = Ledger()
    ledger.apply(execution(1, BUY, 60, 10), "momentum")
    ledger.apply(execution(2, SELL, 100, 9), WATCHDOG)
    assert ledger.position("momentum", "AAPL") == 0
    assert ledger.position(WATCHDOG, "AAPL") == -40


# --- properties ---

reports = st.builds(
    execution,
    st.integers(1, 12),
    st.sampled_from(Side),
    st.integers(1, 500),
    st.decimals("0.01", "500", places=2),
    symbol=st.sampled_from(["AAPL", "IBM"]),
    correction=st.integers(1, 3),
)
owners = st.sampled_from(["momentum", "mean_reversion", WATCHDOG])
histories = st.lists(st.tuples(reports, owners), max_size=40)
fees = st.lists(
    st.builds(
        commission,
        st.integers(1, 12),
        st.decimals("-0.50", "9", places=4).map(str),
        st.integers(1, 3),
    ),
    max_size=20,
)


def fill_ledger(history, charges) -> Ledger:
    ledger = Ledger()
    ledger.adjust_cash(D(100_000))
    for one, owner in history:
        ledger.apply(one, owner)
    for charge in charges:
        ledger.apply_commission(charge)
    return ledger


@given(histories, fees)
def test_cash_and_cost_basis_are_conserved_to_the_last_digit(history, charges):
    ledger = fill_ledger(history, charges)
    basis = sum(holding.cost_basis for holding in ledger.holdings().values())
    assert ledger.cash + basis == D(100_000) + ledger.realised() - ledger.commissions()


@given(histories, fees)
def test_positions_are_the_sum_of_the_newest_executions(history, charges):
    ledger = fill_ledger(history, charges)
    total: dict[str, Decimal] = {}
    for one in ledger.executions():
        total[one.symbol] = total.get(one.symbol, D(0)) + one.side.sign * one.quantity
    assert ledger.net_positions() == {symbol: quantity for symbol, quantity in total.items() if quantity}


@given(histories, fees, st.data())
def test_reports_that_come_twice_change_nothing(history, charges, data):
    once = fill_ledger(history, charges)
    again = fill_ledger(history, charges)
    for one, owner in data.draw(st.lists(st.sampled_from(history or [(execution(99), "x")]), max_size=5)):
        if once.booked(one.exec_id) is not None:
            assert again.apply(one, owner) is Applied.DUPLICATE
    for charge in charges:  # all of them again, as a request for executions brings them, each twice
        again.apply_commission(charge)
        assert again.apply_commission(charge) is Applied.DUPLICATE
    assert again.to_dict() == once.to_dict()


@given(histories, fees)
def test_commissions_are_those_that_were_reported_last_for_the_newest_version(history, charges):
    ledger = fill_ledger(history, charges)
    last: dict[str, tuple[str, Decimal]] = {}
    for charge in charges:
        base = charge.exec_id.rpartition(".")[0]
        if charge.exec_id >= last.get(base, ("", D(0)))[0]:
            last[base] = (charge.exec_id, charge.amount)
    booked = {one.base_exec_id for one in ledger.executions()}
    assert ledger.commissions() == sum((amount for base, (_, amount) in last.items() if base in booked), D(0))
    assert all(ledger.charged(f"{base}.01") == amount for base, (_, amount) in last.items())


@given(histories, fees)
def test_commissions_and_executions_may_come_in_either_order(history, charges):
    late = fill_ledger(history, charges)
    early = Ledger()
    for charge in charges:
        early.apply_commission(charge)
    early.adjust_cash(D(100_000))
    for one, owner in history:
        early.apply(one, owner)
    assert early.to_dict() == late.to_dict()


@given(histories)
def test_a_flat_holding_has_no_cost_basis(history):
    for holding in fill_ledger(history, []).holdings().values():
        if holding.quantity == 0:
            assert holding.cost_basis == 0
        else:
            assert holding.cost_basis * holding.quantity > 0


@given(histories, fees)
def test_a_fold_over_journal_records_equals_the_live_ledger(history, charges):
    records: list[tuple[str, dict[str, object]]] = [
        (RecordKind.CASH_ADJUSTED, {"amount": "100000", "reason": "opening"})
    ]
    records += [(RecordKind.FILL, {**as_json(one), "strategy": owner}) for one, owner in history]
    records += [(RecordKind.COMMISSION, as_json(charge)) for charge in charges]
    records += [(RecordKind.HALT, {"level": 2})]
    assert Ledger.replay(records).to_dict() == fill_ledger(history, charges).to_dict()


def as_json(message) -> dict[str, object]:
    loaded: dict[str, object] = json.loads(json.dumps(asdict(message), default=str))
    return loaded


@given(reports)
def test_an_execution_survives_the_journal(one):
    assert execution_of(as_json(one)) == one
