"""A plan covers what was asked for once, and cuts at the same places whatever was asked for."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.bar_table import DAILY
from data.download.plan import SIZES, Piece, plan
from data.exchange_calendar import exchange_calendar

CALENDAR = exchange_calendar("XNYS", date(2010, 1, 4), date(2013, 12, 31))
FAR = CALENDAR.sessions(date(2013, 12, 1), date(2013, 12, 31))[-1].close_ns
days = st.dates(date(2010, 2, 1), date(2013, 11, 30))


def planned(size_s: int, first: date, last: date, until_ns: int = FAR) -> list[Piece]:
    return plan(["XYZ"], size_s, first, last, CALENDAR, until_ns)


@given(size_s=st.sampled_from(SIZES), first=days, length=st.integers(0, 120))
@settings(max_examples=60)
def test_every_session_is_covered_once_and_in_order(size_s, first, length):
    last = first + timedelta(days=length)
    pieces = planned(size_s, first, last)
    sessions = CALENDAR.sessions(first, last)
    covered = [one for piece in pieces for one in CALENDAR.sessions(piece.first, piece.last)]
    assert list(dict.fromkeys(covered)) == list(sessions)
    for piece in pieces:
        assert piece.after_ns < piece.end_ns
    for one, following in itertools.pairwise(pieces):
        assert one.end_ns <= following.after_ns
    if sessions:
        assert pieces[0].after_ns == sessions[0].open_ns
        assert pieces[-1].end_ns == sessions[-1].close_ns
    assert len({piece.key for piece in pieces}) == len(pieces)


@given(size_s=st.sampled_from(SIZES), first=days, length=st.integers(0, 120), more=st.integers(1, 400))
@settings(max_examples=60)
def test_a_longer_download_has_all_but_the_last_piece_of_a_shorter_one(size_s, first, length, more):
    last = first + timedelta(days=length)
    shorter, longer = planned(size_s, first, last), planned(size_s, first, last + timedelta(days=more))
    assert {piece.key for piece in shorter[:-1]} <= {piece.key for piece in longer}


def test_a_session_that_goes_on_is_left_out():
    session = CALENDAR.sessions(date(2013, 6, 3), date(2013, 6, 3))[0]
    assert planned(300, session.date, session.date, session.close_ns - 1) == []
    assert len(planned(300, session.date, session.date, session.close_ns)) == 1


@pytest.mark.parametrize(
    ("size_s", "durations"),
    [
        (5, ["3600 S"] * 6 + ["1800 S"]),
        (30, ["23400 S"]),
        (60, ["1 D"]),
        (300, ["1 D"]),
        (DAILY, ["1 D"]),
    ],
)
def test_durations_are_those_that_ib_allows_for_the_size(size_s, durations):
    day = date(2013, 6, 3)
    assert [piece.duration for piece in planned(size_s, day, day)] == durations


def test_a_size_that_ib_has_not_is_refused():
    with pytest.raises(ValueError, match="can't be downloaded"):
        planned(7, date(2013, 6, 3), date(2013, 6, 3))
