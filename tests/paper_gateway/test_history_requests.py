"""Historical requests: IB's pacing rules, and the bar that grows."""

from dataclasses import replace

import pytest

from paper_gateway import times
from paper_gateway.history_requests import GrowingBar, Pacing, check_request
from paper_gateway.requests import ContractSpec, HistoricalDataRequest
from paper_gateway.types import BarView

NS = 1_000_000_000
OPEN_NS = times.parse_end("20100104 09:30:00")
REQUEST = HistoricalDataRequest(
    request_id=1,
    contract=ContractSpec(symbol="AAPL", sec_type="STK", exchange="SMART", currency="USD"),
    end="",
    bar_size="5 secs",
    duration="60 S",
    regular_hours_only=True,
    what_to_show="TRADES",
    format_date=1,
    keep_up_to_date=False,
)


def asking(number, **changes):
    return replace(REQUEST, request_id=number, **changes)


def test_an_identical_request_for_small_bars_waits_fifteen_seconds():
    pacing = Pacing()
    assert pacing.allows(asking(1), 0.0)
    assert not pacing.allows(asking(2), 14.9)
    assert pacing.allows(asking(3), 15.0)


def test_an_identical_request_for_larger_bars_waits_one_second():
    pacing = Pacing()
    assert pacing.allows(asking(1, bar_size="5 mins"), 0.0)
    assert not pacing.allows(asking(2, bar_size="5 mins"), 0.9)
    assert pacing.allows(asking(3, bar_size="5 mins"), 1.0)


def test_the_sixth_request_for_one_contract_within_two_seconds_is_refused():
    pacing = Pacing()
    allowed = [pacing.allows(asking(n, duration=f"{60 + n} S"), 0.1 * n) for n in range(6)]
    assert allowed == [True] * 5 + [False]


def test_the_sixty_first_request_in_ten_minutes_is_refused():
    pacing = Pacing()
    allowed = [pacing.allows(asking(n, duration=f"{60 + n} S"), 5.0 * n) for n in range(61)]
    assert allowed == [True] * 60 + [False]
    assert pacing.allows(asking(99, duration="9 S"), 601.0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bar_size": "7 mins"}, 321),
        ({"duration": "five days"}, 321),
        ({"end": "20100104 10:00:00", "keep_up_to_date": True}, 321),
        ({"end": "yesterday"}, 10314),
        ({"end": "20100104 10:00:00 Mars/Olympus"}, 10314),
    ],
)
def test_a_request_of_bad_form_is_refused_with_ibs_code(changes, code):
    refusal = check_request(asking(1, **changes))
    assert refusal is not None
    assert refusal.code == code


def test_end_times_are_eastern_unless_they_name_a_zone():
    eastern = times.parse_end("20100104 16:00:00")
    assert times.parse_end("20100104-21:00:00") == eastern
    assert times.parse_end("20100104 21:00:00 UTC") == eastern
    assert times.date_and_time(eastern) == "20100104  16:00:00"


def five_seconds(number, close):
    return BarView(
        symbol="AAPL",
        start_ns=OPEN_NS + 5 * number * NS,
        open=close,
        high=close + 1,
        low=close - 1,
        close=close,
        volume=10.0,
        wap=close,
        count=1,
    )


def test_the_newest_bar_grows_and_the_next_one_begins_at_its_boundary():
    bar = GrowingBar([five_seconds(0, 10.0)], 60)
    grown = [bar.add(five_seconds(number, 10.0 + number)) for number in range(1, 13)]
    assert (grown[10].start_ns, grown[10].open, grown[10].close) == (OPEN_NS, 10.0, 21.0)
    assert (grown[10].high, grown[10].low, grown[10].volume, grown[10].count) == (22.0, 9.0, 120.0, 12)
    assert (grown[11].start_ns, grown[11].volume) == (OPEN_NS + 60 * NS, 10.0)
