"""Yahoo and Polygon against a real server on loopback that gives recorded answers, good and bad."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from data.bar_table import DAILY, NS_PER_S, DataError
from data.corporate_actions import ActionKind
from data.download.http import MOST_TRIES, HttpSource
from data.download.keep import keep
from data.download.polygon import fetch_polygon, headers
from data.download.yahoo import fetch_yahoo
from data.exchange_calendar import exchange_calendar
from data.quality.gate import default_policies
from data.sources import open_source
from data.store.writer import HistoryWriter
from tests.data.download.service import Answer, Service, serving

ROOT = Path(__file__).resolve().parents[3]
SECRET = "s3cr3t-key"
FIRST, LAST = date(2020, 8, 27), date(2020, 9, 2)
OPENS = [int(datetime(2020, 8, day, 13, 30, tzinfo=UTC).timestamp()) for day in (27, 28, 31)]
MIDNIGHTS = [int(datetime(2020, 8, day, 4, tzinfo=UTC).timestamp()) for day in (27, 28, 31)]

CHART: dict[str, Any] = {
    "chart": {
        "error": None,
        "result": [
            {
                "meta": {"currency": "USD", "exchangeTimezoneName": "America/New_York", "gmtoffset": -14400},
                "timestamp": [*OPENS, OPENS[-1] + 86_400],
                "events": {
                    "dividends": {"1": {"amount": 0.205, "date": OPENS[0]}},
                    "splits": {
                        "2": {"date": OPENS[2], "numerator": 4.0, "denominator": 1.0, "splitRatio": "4:1"}
                    },
                },
                "indicators": {
                    "quote": [
                        {
                            "open": [127.1425018310547, 126.01249694824219, 127.58000183105469, None],
                            "high": [127.48500061035156, 126.44249725341797, 131.0, None],
                            "low": [123.8324966430664, 124.57749938964844, 126.0, None],
                            "close": [125.01000213623047, 124.80750274658203, 129.0399932861328, None],
                            "volume": [155552400, 187630000, 225702700, None],
                        }
                    ]
                },
            }
        ],
    }
}
CHART_PATH = "/v8/finance/chart/AAPL"


def bars(*rows: tuple[int, float, float, float, float, float]) -> list[dict[str, float]]:
    return [dict(zip(("t", "o", "h", "l", "c", "v"), row, strict=True)) for row in rows]


PAGES: dict[str, Answer | list[Answer]] = {
    "/v2/aggs/ticker/AAPL/range/1/day/2020-08-27/2020-09-02": Answer(
        {
            "status": "OK",
            "results": bars(
                (MIDNIGHTS[0] * 1000, 508.57, 509.94, 495.33, 500.04, 38_888_096),
                (MIDNIGHTS[1] * 1000, 504.05, 505.77, 498.31, 499.23, 46_907_479),
            ),
            "next_url": "$URL/v2/more?cursor=abc",
        }
    ),
    "/v2/more": Answer(
        {"status": "OK", "results": bars((MIDNIGHTS[2] * 1000, 127.58, 131.0, 126.0, 129.04, 225_702_688))}
    ),
    "/v3/reference/splits": Answer(
        {"results": [{"execution_date": "2020-08-31", "split_from": 1, "split_to": 4, "ticker": "AAPL"}]}
    ),
    "/v3/reference/dividends": Answer({"results": []}),
}


class Naps(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def source(service: Service, naps: Naps | None = None, given: dict[str, str] | None = None) -> HttpSource:
    return HttpSource("test", service.url, headers=given or {}, sleep=naps if naps is not None else Naps())


def yahoo(service: Service, naps: Naps | None = None):
    with source(service, naps) as one:
        return fetch_yahoo(one, "AAPL", DAILY, FIRST, LAST, today=LAST)


def test_yahoo_gives_bars_splits_and_dividends():
    with serving({CHART_PATH: Answer(CHART)}) as service:
        fetched = yahoo(service)
    assert fetched.rows is not None
    assert fetched.rows.prices[0].tolist() == [127.1425, 126.0125, 127.58]
    assert fetched.rows.volume.tolist() == [155552400, 187630000, 225702700]
    assert [(one.day, one.kind, one.value) for one in fetched.actions] == [
        (date(2020, 8, 27), ActionKind.DIVIDEND, 0.82),  # in the shares before the split
        (date(2020, 8, 31), ActionKind.SPLIT, 4.0),
    ]
    assert fetched.notes == ("AAPL: 1 rows of Yahoo without prices left out",)
    assert "interval=1d" in service.asked[0]
    assert f"period1={int(datetime(2020, 8, 27, tzinfo=UTC).timestamp())}" in service.asked[0]


def chart(
    starts: Sequence[int],
    dividends: Mapping[int, float] | None = None,
    splits: Mapping[int, float] | None = None,
) -> Answer:
    """Bars of 100 dollars, and events by their time."""
    price, volume = [100.0] * len(starts), [1000] * len(starts)
    events = {
        "dividends": {str(at): {"amount": amount, "date": at} for at, amount in (dividends or {}).items()},
        "splits": {
            str(at): {"date": at, "numerator": ratio, "denominator": 1.0}
            for at, ratio in (splits or {}).items()
        },
    }
    result = {
        "meta": {"currency": "USD", "exchangeTimezoneName": "America/New_York"},
        "timestamp": list(starts),
        "events": events,
        "indicators": {
            "quote": [{"open": price, "high": price, "low": price, "close": price, "volume": volume}]
        },
    }
    return Answer({"chart": {"error": None, "result": [result]}})


def test_a_dividend_of_yahoo_is_in_its_own_shares_though_the_split_lies_behind_the_span():
    later = chart(OPENS, {OPENS[0]: 0.205, OPENS[2]: 0.3}, {OPENS[2]: 4.0})
    with (
        serving({CHART_PATH: [chart(OPENS[:2], {OPENS[0]: 0.205}), later]}) as service,
        source(service) as one,
    ):
        fetched = fetch_yahoo(one, "AAPL", DAILY, FIRST, date(2020, 8, 28), today=LAST)
    assert [(one.day, one.kind, one.value) for one in fetched.actions] == [
        (date(2020, 8, 27), ActionKind.DIVIDEND, 0.82),
        (date(2020, 8, 31), ActionKind.SPLIT, 4.0),  # and no dividend from behind the span
    ]
    assert fetched.rows is not None
    assert len(fetched.rows.time_ns) == 2
    assert f"period2={int(datetime(2020, 9, 3, tzinfo=UTC).timestamp())}" in service.asked[1]


def at(hour: int, minute: int, second: int = 0) -> int:
    """A time of a morning in New York, in summer."""
    return int(datetime(2020, 8, 27, hour + 4, minute, second, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("size_s", "bars_of_today", "last_trade"),
    [
        (60, [at(9, 30), at(9, 31)], at(9, 31, 7)),
        (120, [at(9, 30), at(9, 32)], at(9, 33, 0)),
        (300, [at(9, 30), at(9, 35)], at(9, 38, 17)),
        (300, [at(9, 30), at(9, 35)], at(9, 38, 15)),  # on a multiple of 5 s
        (3600, [at(9, 30), at(10, 30)], at(11, 0)),  # on the half hour, as the bars are
    ],
)
def test_the_last_trade_that_yahoo_puts_behind_intraday_bars_is_no_bar(size_s, bars_of_today, last_trade):
    answer = chart([*bars_of_today, last_trade])
    with serving({CHART_PATH: answer}) as service, source(service) as one:
        fetched = fetch_yahoo(one, "AAPL", size_s, date(2020, 8, 27), date(2020, 8, 27), today=LAST)
    assert fetched.rows is not None
    assert (fetched.rows.time_ns // NS_PER_S).tolist() == bars_of_today
    assert fetched.notes == ("AAPL: 1 rows of Yahoo that begin inside another bar left out",)


def test_hours_around_a_pause_at_noon_are_all_bars():
    hours = [at(9, 15), at(10, 15), at(11, 15), at(12, 45), at(13, 45)]
    with serving({CHART_PATH: chart(hours)}) as service, source(service) as one:
        fetched = fetch_yahoo(one, "AAPL", 3600, date(2020, 8, 27), date(2020, 8, 27), today=LAST)
    assert fetched.rows is not None
    assert len(fetched.rows.time_ns) == 5
    assert fetched.notes == ()


@pytest.mark.parametrize("second", [15, 17])
def test_an_intraday_download_inside_a_bar_keeps_finished_bars_only(tmp_path, second):
    day = date(2020, 8, 27)
    answer = chart([at(10, 25), at(10, 30), at(10, 33, second)])
    with serving({CHART_PATH: answer}) as service, source(service) as one:
        fetched = fetch_yahoo(one, "AAPL", 300, day, day, today=day)
    with HistoryWriter(tmp_path / "h.duckdb") as writer:
        kept = keep(
            writer, fetched, source="yahoo", span=(day, day), policies=default_policies(),
            calendar=exchange_calendar("XNYS", date(2020, 8, 3), date(2020, 9, 30)),
            now_ns=at(10, 33, second) * NS_PER_S,
        )  # fmt: skip
    assert kept.bars == 1
    assert open_source(str(tmp_path / "h.duckdb")).tables["AAPL"].end_ns.tolist() == [at(10, 30) * NS_PER_S]


def test_polygon_gives_raw_bars_over_all_pages_and_the_key_stands_in_no_address():
    with serving(PAGES) as service, source(service, given=headers({"POLYGON_API_KEY": SECRET})) as one:
        fetched = fetch_polygon(one, "AAPL", DAILY, FIRST, LAST)
    assert fetched.rows is not None
    assert fetched.rows.prices[3].tolist() == [500.04, 499.23, 129.04]
    assert [(action.day, action.value) for action in fetched.actions] == [(date(2020, 8, 31), 4.0)]
    assert all(asked["Authorization"] == f"Bearer {SECRET}" for asked in service.headers)
    assert not any(SECRET in asked for asked in service.asked)
    assert "cursor=abc" in service.asked[1]


@pytest.mark.parametrize("status", [429, 500, 503, None])
def test_a_passing_failure_is_tried_again(status):
    naps = Naps()
    with serving({CHART_PATH: [Answer(status=status), Answer(status=status), Answer(CHART)]}) as service:
        assert yahoo(service, naps).rows is not None
    assert len(service.asked) == 3
    assert naps == [1.0, 2.0]


def test_the_pause_is_the_one_that_the_service_asks_for_and_never_endless():
    naps = Naps()
    failures = [Answer(status=429, headers={"Retry-After": text}) for text in ("7", "100000", "soon", "nan")]
    with serving({CHART_PATH: [*failures, Answer(CHART)]}) as service:
        yahoo(service, naps)
    assert naps == [7.0, 120.0, 4.0, 8.0]


def test_a_failure_that_stays_is_told_after_five_tries():
    with serving({CHART_PATH: Answer({"error": "overloaded"}, status=503)}) as service:
        with pytest.raises(DataError, match="no answer in 5 tries; the last: HTTP 503: overloaded"):
            yahoo(service)
        assert len(service.asked) == MOST_TRIES


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(b"<html>blocked</html>"), "isn't JSON: it begins with '<html>"),
        (Answer(b""), "isn't JSON"),
        (Answer([]), "the answer isn't what was expected"),
        (Answer({"chart": {"result": []}}), "chart.result"),
        (
            Answer({"chart": {"result": None, "error": {"description": "No data found"}}}, status=404),
            "HTTP 404: No data found",
        ),
        (Answer({}, status=401), "HTTP 401 (is the key right"),
        (Answer({}, status=302, headers={"Location": "/elsewhere"}), "a redirect isn't followed"),
        (
            Answer({"chart": {"result": [{**CHART["chart"]["result"][0], "timestamp": OPENS}]}}),
            "3 times, but columns of [4] values",
        ),
        (
            Answer({"chart": {"result": [{**CHART["chart"]["result"][0], "timestamp": ["x"] * 4}]}}),
            "chart.result.0.timestamp.0",
        ),
        (
            Answer(
                {
                    "chart": {
                        "result": [{**CHART["chart"]["result"][0], "meta": {"exchangeTimezoneName": "Mars"}}]
                    }
                }
            ),
            "time zone 'Mars' isn't known",
        ),
    ],
)
def test_a_malformed_answer_is_told_in_one_sentence(answer, told):
    with serving({CHART_PATH: answer}) as service:
        with pytest.raises(DataError) as caught:
            yahoo(service)
        assert len(service.asked) == 1
    (problem,) = caught.value.problems
    assert told in problem
    assert "\n" not in problem


def test_the_key_is_not_taken_to_another_host():
    first = next(iter(PAGES))
    pages = {**PAGES, first: Answer({"results": [], "next_url": "http://localhost:9/steal"})}
    with (
        serving(pages) as service,
        source(service, given=headers({"POLYGON_API_KEY": SECRET})) as one,
        pytest.raises(DataError, match="another host, localhost; not followed") as caught,
    ):
        fetch_polygon(one, "AAPL", DAILY, FIRST, LAST)
    assert SECRET not in str(caught.value)


def test_without_a_key_nothing_is_asked():
    for environ in ({}, {"POLYGON_API_KEY": "  "}, {"POLYGON_API_KEY": "a\nb"}):
        with pytest.raises(DataError, match="POLYGON_API_KEY"):
            headers(environ)


def test_a_size_that_is_not_offered_is_refused():
    with serving({}) as service, source(service) as one, pytest.raises(DataError, match="aren't offered"):
        fetch_yahoo(one, "AAPL", 10, FIRST, LAST)


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "data", *arguments],
        cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_download_of_raw_bars_is_adjusted_for_its_splits_when_it_is_used(tmp_path):
    store = tmp_path / "h.duckdb"
    asked = (
        "download", "polygon", "--symbols", "AAPL,NOPE", "--store", str(store), "--start", str(FIRST), "--end", str(LAST),
    )  # fmt: skip
    with serving(PAGES) as service:
        done = run(*asked, "--url", service.url, POLYGON_API_KEY=SECRET)
        again = run(*asked, "--url", service.url, POLYGON_API_KEY=SECRET)
    assert done.returncode == again.returncode == 2  # NOPE isn't known
    assert "test" not in done.stderr
    assert "polygon: NOPE: HTTP 404" in done.stderr
    assert "1 of 2 symbols written" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    source = open_source(str(store))
    table = source.tables["AAPL"]
    assert table.close.tolist() == [125.01, 124.8075, 129.04]
    assert table.volume.tolist() == [155552384, 187629916, 225702688]
    assert any("adjusted for splits: 4:1 of 2020-08-31" in note for note in source.notes)
    raw = open_source(str(store), raw=True)
    assert raw.tables["AAPL"].close.tolist() == [500.04, 499.23, 129.04]
    assert [action.value for action in raw.actions] == [4.0]
    assert not any("split" in note for note in raw.notes)  # a split that is known is no defect


def test_prices_that_come_adjusted_bring_no_split_to_be_booked_again(tmp_path):
    store = tmp_path / "h.duckdb"
    span = ("--start", str(FIRST), "--end", str(LAST))
    with serving({CHART_PATH: Answer(CHART)}) as service:
        done = run(
            "download", "yahoo", "--symbols", "AAPL", "--store", str(store), *span, "--url", service.url
        )
    assert done.returncode == 0, done.stderr
    for raw in (False, True):
        source = open_source(str(store), raw=raw)
        assert source.tables["AAPL"].close.tolist() == [125.01, 124.8075, 129.04]
        assert [(one.kind, one.value) for one in source.actions] == [(ActionKind.DIVIDEND, 0.205)]


def test_a_dividend_is_booked_the_same_after_one_download_in_one_span_or_in_two(tmp_path):
    store = tmp_path / "h.duckdb"
    split = {OPENS[2]: 4.0}
    answers = [
        chart(OPENS[:2], {OPENS[0]: 0.205}),
        chart(OPENS, {OPENS[0]: 0.205}, split),  # asked for the splits since
        chart(OPENS[2:], splits=split),
        chart(OPENS[2:], splits=split),
    ]
    booked = []
    with serving({CHART_PATH: answers}) as service:
        for first, last in (("2020-08-27", "2020-08-28"), ("2020-08-31", "2020-09-02")):
            done = run(
                "download", "yahoo", "--symbols", "AAPL", "--store", str(store), "--url", service.url,
                "--start", first, "--end", last,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            booked.append([(one.kind, one.value) for one in open_source(str(store)).actions])
    assert booked == [[(ActionKind.DIVIDEND, 0.205)]] * 2
