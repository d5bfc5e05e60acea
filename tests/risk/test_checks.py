"""The pure checks: limits, arming, and what is not known."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config_schema import (
    BookMismatchCheck,
    BrokerSilenceCheck,
    DailyLossCheck,
    DrawdownCheck,
    FillBudgetCheck,
    GrossExposureCheck,
    HeartbeatCheck,
    OrderRateCheck,
)
from core.flags import FlagKind, FlagState
from core.vocabulary import HaltReason
from risk.checks.book_mismatch import BookView, check_book_mismatch, differing
from risk.checks.broker_silence import check_broker_silence
from risk.checks.daily_loss import check_daily_loss
from risk.checks.drawdown import EquityView, check_drawdown
from risk.checks.fill_budget import check_fill_budget
from risk.checks.flags import check_flags
from risk.checks.gross_exposure import check_gross_exposure
from risk.checks.heartbeat import HeartbeatView, check_heartbeat
from risk.checks.order_rate import OrderRateView, check_order_rate
from risk.checks.progress import check_progress
from risk.checks.verdict import CheckStatus, Confirmation, Verdict

SECOND = 1_000_000_000
OK, BREACH, WAITING, UNKNOWN = (
    CheckStatus.OK,
    CheckStatus.BREACH,
    CheckStatus.WAITING,
    CheckStatus.UNKNOWN,
)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (HeartbeatView(armed=False, age_s=99), WAITING),
        (HeartbeatView(armed=True, age_s=2.9), OK),
        (HeartbeatView(armed=True, age_s=2.94), BREACH),  # the next look would be after the limit
        (HeartbeatView(armed=True, age_s=3.1), BREACH),
        (HeartbeatView(armed=True, age_s=99, stopped=True), WAITING),
        (HeartbeatView(armed=True, age_s=30, starting=True, process_lives=True), OK),
        (HeartbeatView(armed=True, age_s=30, starting=True, process_lives=False), BREACH),
        (HeartbeatView(armed=True, age_s=61, starting=True, process_lives=True), BREACH),
    ],
)
def test_a_heartbeat_is_missed_only_by_a_main_that_was_heard_and_has_not_ended(
    view: HeartbeatView, expected: CheckStatus
) -> None:
    assert check_heartbeat(view, HeartbeatCheck()).status is expected


def test_no_progress_is_a_breach_only_while_events_wait() -> None:
    settings = HeartbeatCheck()
    stalled = HeartbeatView(armed=True, progress_age_s=5, queue_depth=3)
    idle = HeartbeatView(armed=True, progress_age_s=5, queue_depth=0)
    assert check_progress(stalled, settings).status is BREACH
    assert check_progress(idle, settings).status is OK


@given(ages=st.lists(st.floats(0, 120), max_size=200), limit=st.integers(1, 100))
def test_the_order_rate_counts_each_source_over_a_sliding_minute(ages: list[float], limit: int) -> None:
    now = 1_000 * SECOND
    times = sorted(now - round(age * SECOND) for age in ages)
    recent = sum(1 for moment in times if moment > now - 60 * SECOND)
    settings = OrderRateCheck(max_per_minute=limit)
    for view in (
        OrderRateView(now_ns=now, submitted=times, at_broker=()),
        OrderRateView(now_ns=now, submitted=(), at_broker=times),
    ):
        assert check_order_rate(view, settings).is_breach == (recent > limit)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (EquityView(nlv=None), WAITING),
        (EquityView(nlv=86.0, peak=100.0), OK),
        (EquityView(nlv=85.0, peak=100.0), BREACH),
        (EquityView(nlv=-5.0, peak=100.0), BREACH),
        (EquityView(nlv=50.0, peak=100.0, age_s=2.5), UNKNOWN),
    ],
)
def test_a_drawdown_counts_from_the_peak_and_only_by_a_fresh_mark(
    view: EquityView, expected: CheckStatus
) -> None:
    assert check_drawdown(view, DrawdownCheck()).status is expected


@given(nlv=st.floats(1, 1e7), peak=st.floats(1, 1e7), tight=st.floats(0.01, 1), loose=st.floats(0.01, 1))
def test_tightening_the_drawdown_limit_never_forgives_a_breach(
    nlv: float, peak: float, tight: float, loose: float
) -> None:
    tight, loose = sorted((tight, loose))
    view = EquityView(nlv=nlv, peak=max(nlv, peak))
    if check_drawdown(view, DrawdownCheck(max_drawdown=loose)).is_breach:
        assert check_drawdown(view, DrawdownCheck(max_drawdown=tight)).is_breach


def test_the_daily_loss_is_a_fraction_of_the_value_at_the_days_start() -> None:
    settings = DailyLossCheck(max_daily_loss=0.05)
    assert check_daily_loss(EquityView(nlv=95.0, daily_pnl=-5.0), settings).status is BREACH
    assert check_daily_loss(EquityView(nlv=95.1, daily_pnl=-4.9), settings).status is OK
    assert check_daily_loss(EquityView(nlv=95.0), settings).status is WAITING


def test_positions_with_no_value_left_break_the_gross_limit() -> None:
    settings = GrossExposureCheck()
    assert check_gross_exposure(EquityView(nlv=100.0, gross=200.0), settings).status is OK
    assert check_gross_exposure(EquityView(nlv=100.0, gross=201.0), settings).status is BREACH
    assert check_gross_exposure(EquityView(nlv=-1.0, gross=1.0), settings).status is BREACH


def test_the_fill_budget_may_be_used_up_but_not_passed() -> None:
    settings = FillBudgetCheck(max_fills_per_month=3)
    assert check_fill_budget("2012-11", 3, settings).status is OK
    assert check_fill_budget("2012-11", 4, settings).status is BREACH


def test_a_fill_budget_is_not_known_while_fills_may_be_missing_but_a_breach_stays_one() -> None:
    settings = FillBudgetCheck(max_fills_per_month=3)
    found = check_fill_budget("2012-11", 3, settings, "the journal can't be read")
    assert (found.status, found.detail) == (UNKNOWN, "the journal can't be read")
    assert check_fill_budget("2012-11", 4, settings, "the journal can't be read").status is BREACH
    disabled = FillBudgetCheck(enabled=False)
    assert check_fill_budget("", 0, disabled, "the journal can't be read").status is CheckStatus.DISABLED


def test_a_book_that_differs_for_a_moment_is_no_mismatch() -> None:
    book, broker = {"AAPL": Decimal(100)}, {"AAPL": Decimal(90), "IBM": Decimal(0)}
    assert differing(book, broker) == {"AAPL"}
    settings = BookMismatchCheck(tolerated_s=10)
    for since, expected in ((95, OK), (80, BREACH)):
        view = BookView(
            compared_ns=100 * SECOND, book=book, broker=broker, differs_since_ns={"AAPL": since * SECOND}
        )
        assert check_book_mismatch(view, settings).status is expected
    unknown = BookView(compared_ns=100 * SECOND, book=book, broker=None, differs_since_ns={"AAPL": 0})
    assert check_book_mismatch(unknown, settings).status is WAITING


def test_a_silent_broker_is_first_unknown_and_then_a_breach() -> None:
    settings = BrokerSilenceCheck(timeout_s=10)
    assert check_broker_silence(None, settings).status is OK
    assert check_broker_silence(3.0, settings).status is UNKNOWN
    assert check_broker_silence(11.0, settings).status is BREACH


def test_an_unreadable_flag_folder_is_unknown_and_any_flag_a_breach() -> None:
    assert check_flags(FlagState(kind=FlagKind.NONE)).status is OK
    unreadable = check_flags(FlagState(kind=FlagKind.UNREADABLE))
    assert (unreadable.status, unreadable.reason) == (UNKNOWN, HaltReason.FLAG_FOLDER)
    assert check_flags(FlagState(kind=FlagKind.KILL_NOW)).reason is HaltReason.KILL_NOW_FLAG
    assert check_flags(FlagState(kind=FlagKind.KILL)).reason is HaltReason.KILL_FLAG


def verdict(status: CheckStatus, sample: int) -> Verdict:
    return Verdict(name="x", status=status, reason=HaltReason.DRAWDOWN, sample=sample)


def test_a_confirmation_counts_different_samples_in_a_row() -> None:
    confirmation = Confirmation(2)
    assert not confirmation.take(verdict(BREACH, 1))
    assert not confirmation.take(verdict(BREACH, 1)), "the same mark twice confirms nothing"
    assert not confirmation.take(verdict(UNKNOWN, 1))
    assert confirmation.take(verdict(BREACH, 2))
    assert not confirmation.take(verdict(OK, 3))
    assert not confirmation.take(verdict(BREACH, 4))
