from datetime import date

import pytest

from data.exchange_calendar import Session, exchange_calendar, is_bank_holiday
from data.packaged import packaged_calendar

HOUR_NS = 3_600_000_000_000


def session_of(day: date) -> Session:
    session = packaged_calendar().session_on(day)
    assert session is not None
    return session


def test_a_session_has_its_opening_and_closing_times():
    session = session_of(date(2012, 11, 12))
    assert session.open_ns == 1_352_730_600_000_000_000  # 09:30 in New York, 14:30 UTC
    assert session.close_ns - session.open_ns == int(6.5 * HOUR_NS)
    assert not session.early_close


def test_the_day_after_thanksgiving_closes_early():
    session = session_of(date(2012, 11, 23))
    assert session.early_close
    assert session.duration_s == 3.5 * 3600


def test_there_is_no_session_on_weekends_holidays_and_hurricane_days():
    calendar = packaged_calendar()
    for day in (date(2012, 11, 10), date(2012, 11, 22), date(2012, 10, 29), date(2012, 10, 30)):
        assert calendar.session_on(day) is None


def test_a_session_holds_its_opening_but_not_its_close():
    calendar = packaged_calendar()
    session = session_of(date(2012, 11, 12))
    assert calendar.session_at(session.open_ns) == session
    assert calendar.session_at(session.close_ns - 1) == session
    assert calendar.session_at(session.close_ns) is None
    assert calendar.session_at(session.open_ns - 1) is None


def test_next_and_previous_sessions_skip_the_weekend():
    calendar = packaged_calendar()
    friday = session_of(date(2012, 11, 9))
    monday = session_of(date(2012, 11, 12))
    assert calendar.next_session(friday.open_ns) == monday
    assert calendar.previous_session(monday.open_ns - 1) == friday
    assert calendar.previous_session(monday.open_ns) == monday


@pytest.mark.parametrize(
    ("trade_date", "days", "settles"),
    [
        (date(2012, 11, 14), 0, date(2012, 11, 14)),
        (date(2012, 11, 14), 1, date(2012, 11, 15)),
        (date(2012, 11, 16), 1, date(2012, 11, 19)),
        (date(2012, 11, 20), 3, date(2012, 11, 26)),  # over Thanksgiving
        (
            date(2012, 11, 9),
            1,
            date(2012, 11, 13),
        ),  # Veterans Day observed on Monday: open, but no settlement
        (date(2012, 10, 5), 1, date(2012, 10, 9)),  # Columbus Day
    ],
)
def test_a_trade_settles_some_settlement_days_later(trade_date, days, settles):
    assert packaged_calendar().settlement_date(trade_date, days) == settles


def test_a_settlement_date_beyond_the_calendar_is_an_error():
    with pytest.raises(ValueError, match="outside the XNYS calendar"):
        packaged_calendar().settlement_date(date(2013, 4, 30), 5)
    with pytest.raises(ValueError, match="negative"):
        packaged_calendar().settlement_date(date(2012, 4, 30), -1)


def test_bank_holidays_are_as_observed():
    assert is_bank_holiday(date(2012, 11, 12))  # the 11th was a Sunday
    assert not is_bank_holiday(date(2012, 11, 13))
    assert is_bank_holiday(date(2024, 11, 11))
    assert is_bank_holiday(date(2012, 10, 8))
    assert not is_bank_holiday(date(2012, 10, 15))


def test_an_unknown_calendar_is_an_error():
    with pytest.raises(ValueError, match="no exchange calendar named 'NOWHERE'"):
        exchange_calendar("NOWHERE", date(2012, 1, 1), date(2012, 2, 1))


def test_sessions_that_opened_are_counted_and_unknown_beyond_the_calendar():
    calendar = exchange_calendar("XNYS", date(2012, 11, 19), date(2012, 11, 27))
    wednesday, friday = session_of(date(2012, 11, 21)), session_of(date(2012, 11, 23))
    assert calendar.opened(wednesday.close_ns, friday.open_ns - 1) == 0
    assert calendar.opened(wednesday.close_ns, friday.open_ns) == 1
    assert calendar.opened(wednesday.open_ns - 1, friday.close_ns) == 2
    last = session_of(date(2012, 11, 27))
    assert calendar.opened(friday.close_ns, last.open_ns) is None
    assert calendar.opened(0, friday.open_ns) is None
