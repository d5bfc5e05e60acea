"""The tear sheet without a browser: every panel is there, plotly accepts it, and its figures are those of other programs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from performance.tear_sheet.page import LibraryMissing, render
from performance.tear_sheet.picture import write_picture
from performance.tear_sheet.sheet import tear_sheet, write_tear_sheet
from tests.performance.tear_sheet.made_up import NASTY, full, lost
from tests.performance.tear_sheet.reading import Read, numbers, read
from tests.performance.tear_sheet.runs import Run, five_minute_market, packaged, trade

PANELS = (
    "Equity",
    "Drawdowns",
    "The 5 deepest drawdowns",
    "Months",
    "Years",
    "Rolling Sharpe ratio",
    "Rolling volatility",
    "Rolling beta",
    "Distribution of session returns",
    "Gross exposure",
    "Turnover by month",
    "Costs",
    "Denials by reason",
    "Profit by symbol",
    "Bars and fills",
    "What ran",
    "To run it again",
)


@pytest.fixture(scope="module")
def momentum() -> Run:
    return trade(packaged(), "momentum", first_bar=40)


def figure(page: Read, title: str) -> Any:
    """Figure of a title, as the page holds it."""
    names = [
        str(attrs["data-figure"])
        for tag, attrs in page.tags
        if tag == "div" and attrs.get("aria-label") == title
    ]
    return page.figures[names[0]]


def assert_plotly_accepts(page: Read) -> None:
    """Plotly's own validation of every trace and layout; colours are the page's business."""
    for name, made in page.figures.items():
        if name.startswith("figure-"):
            plain = json.loads(re.sub(r'"@[a-z]+(/[0-9.]+)?"', '"#123456"', json.dumps(made)))
            go.Figure(data=plain["data"], layout=plain["layout"])
            for switch in plain["switches"]:
                go.Figure(layout=switch["on"])


def test_a_run_on_daily_bars_shows_every_panel(momentum: Run):
    page = read(render(tear_sheet(momentum.data)))
    assert [panel for panel in PANELS if panel not in page.texts] == []
    assert_plotly_accepts(page)
    assert "0123456789ab" in page.texts
    assert momentum.result.data_sha256 in page.texts


def test_its_figures_are_those_of_pandas(momentum: Run):
    page = read(render(tear_sheet(momentum.data)))
    days = pd.DatetimeIndex(pd.to_datetime(momentum.result.end_ns).normalize())
    nlv = pd.Series(momentum.result.nlv, index=days, dtype=float)
    equity = pd.concat([pd.Series([1e6], index=[nlv.index[0] - pd.Timedelta(days=1)]), nlv])
    returns = equity.pct_change().dropna()

    months = figure(page, "Months")["data"][0]
    expected = (1 + returns).groupby([days.year, days.month]).prod() - 1
    shown = {
        (int(year), month + 1): value
        for year, row in zip(months["y"], months["z"], strict=True)
        for month, value in enumerate(row)
        if value is not None
    }
    assert shown == pytest.approx(expected.to_dict())

    years = figure(page, "Years")["data"][0]
    by_year = (1 + returns).groupby(days.year).prod() - 1
    assert years["y"] == pytest.approx(by_year.to_list())

    rolling = returns.rolling(126)
    sharpe = (rolling.mean() / rolling.std() * 252**0.5).dropna()
    drawn = figure(page, "Rolling Sharpe ratio")["data"][0]
    np.testing.assert_allclose(
        numbers(drawn["y"]), sharpe.loc[pd.to_datetime(drawn["x"])].to_numpy(), rtol=1e-6
    )

    falls = equity / equity.cummax() - 1
    drawn = figure(page, "Drawdowns")["data"][0]
    np.testing.assert_allclose(
        numbers(drawn["y"]), falls.loc[pd.to_datetime(drawn["x"])].to_numpy(), atol=1e-12
    )
    assert numbers(drawn["y"]).min() == pytest.approx(falls.min())

    tiles = page.text
    assert f"{momentum.result.total_return:.1%}" in tiles
    assert f"{returns.mean() / returns.std() * 252**0.5:.2f}" in tiles
    assert f"{momentum.result.max_drawdown:.1%}" in tiles


def test_its_benchmark_is_equal_parts_of_each_symbol_from_its_first_close_on(momentum: Run):
    closes = pd.DataFrame(momentum.market.bars[40:, :, 3], columns=momentum.market.symbols)
    growth = closes.ffill() / closes.bfill().iloc[0]
    expected = 1e6 * growth.fillna(1.0).mean(axis=1)
    assert momentum.data.benchmark is not None
    np.testing.assert_allclose(momentum.data.benchmark.values, expected.to_numpy(), rtol=1e-12)


def test_profits_by_symbol_add_up_to_the_account(momentum: Run):
    page = read(render(tear_sheet(momentum.data)))
    shown = sum(figure(page, "Profit by symbol")["data"][0]["x"])
    flows = sum(momentum.data.flows.values())
    assert shown + flows == pytest.approx(float(momentum.result.final_nlv) - 1e6, abs=0.01)


def test_costs_add_up_to_commissions_and_what_the_price_moved(momentum: Run):
    page = read(render(tear_sheet(momentum.data)))
    commission, moved = figure(page, "Costs")["data"]
    assert numbers(commission["y"])[-1] == pytest.approx(float(momentum.result.commission))
    opens = {
        (int(end), symbol): price
        for end, row in zip(momentum.market.end_ns, momentum.market.bars[:, :, 0], strict=True)
        for symbol, price in zip(momentum.market.symbols, row, strict=True)
    }
    expected = sum(
        abs(float(fill.price) - opens[fill.bar_end_ns, fill.symbol]) * fill.quantity
        for fill in momentum.result.fills()
        if fill.purpose != "stop"
    )
    assert numbers(moved["y"])[-1] == pytest.approx(expected, rel=1e-6)


def test_every_fill_is_marked_at_its_price(momentum: Run):
    page = read(render(tear_sheet(momentum.data)))
    fills = [fill for fill in momentum.result.fills() if fill.symbol == "AAPL"]
    marked = [
        value
        for trace in figure(page, "AAPL")["data"]
        if trace["type"] == "scatter"
        for value in numbers(trace["y"]).tolist()
    ]
    assert sorted(marked) == pytest.approx(sorted(float(fill.price) for fill in fills), rel=1e-6)


def test_all_that_other_modes_add_is_shown_and_accepted():
    page = read(render(tear_sheet(full())))
    assert_plotly_accepts(page)
    for text in ("Simulated paths", "Sharpe ratio over two windows", "Deflated Sharpe ratio", "31.0%"):
        assert text in page.texts
    shapes = figure(page, "Equity")["layout"]["shapes"]
    assert [(one["x0"], one["x1"]) for one in shapes] == [
        (str(full().out_of_sample[0][0]), str(full().out_of_sample[0][1]))
    ]
    fan = figure(page, "Simulated paths")["data"]
    assert [trace["name"] for trace in fan if trace.get("fill")] == ["5 to 95%", "25 to 75%"]


def test_names_from_outside_stay_text():
    text = render(tear_sheet(full(name=NASTY)))
    page = read(text)
    assert "b" not in {tag for tag, _attrs in page.tags}
    assert len(page.scripts) == 2
    for name, made in page.figures.items():
        assert name == "palette" or "<script" not in json.dumps(made)
    assert NASTY in page.texts


def test_a_run_without_any_fill_says_so():
    run = trade(packaged(until=date(2000, 3, 31)), "momentum")
    page = read(render(tear_sheet(run.data)))
    assert len(run.data.fills.times if run.data.fills else ()) == 0
    assert "Nothing was traded." in page.texts
    assert "Costs" not in page.texts
    assert_plotly_accepts(page)


def test_a_day_of_five_minute_bars_shows_the_curve_bar_by_bar_and_no_year():
    market = five_minute_market(("AAA", "BBB"), date(2012, 5, 1), date(2012, 6, 29))
    run = trade(market, "williams_r", first_bar=len(market.end_ns) - 78)
    page = read(render(tear_sheet(run.data)))
    assert_plotly_accepts(page)
    assert len(figure(page, "Equity")["data"][1]["x"]) == 78
    assert figure(page, "Equity")["data"][1]["x"][0] == "2012-06-29 13:35"
    for text in ("A year (CAGR)", "Sharpe ratio", "Gross exposure", "Months"):
        assert text not in page.texts


def test_a_single_daily_bar_has_no_curve_to_draw():
    market = packaged(until=date(2000, 3, 31))
    page = read(render(tear_sheet(trade(market, "momentum", first_bar=len(market.end_ns) - 1).data)))
    assert_plotly_accepts(page)
    assert "There is a single value of the equity: no curve to draw." in page.texts
    assert "Equity" not in page.texts


def test_an_equity_that_never_falls_has_no_drawdowns():
    data = full()
    rising = replace(data, nlv=np.linspace(20_000.0, 30_000.0, len(data.nlv)), benchmark=None)
    page = read(render(tear_sheet(rising)))
    assert "The equity never fell: there are no drawdowns." in page.texts
    assert "Drawdowns" in page.texts, "the family of measures"
    assert "The 5 deepest drawdowns" not in page.texts


def test_a_lost_account_has_no_returns_but_a_page():
    page = read(render(tear_sheet(lost(full()))))
    assert "The account was lost: returns and ratios are not defined for it." in page.texts
    assert "Months" not in page.texts
    assert_plotly_accepts(page)


def test_profits_that_a_split_makes_wrong_are_left_out():
    data = full()
    page = read(render(tear_sheet(replace(data, nlv=data.nlv + 500.0))))
    assert "Profit by symbol" in page.texts
    assert any("through a split or a delisting" in text for text in page.texts)
    assert "hit rate" not in page.texts


def test_only_equity_is_needed():
    data = full()
    bare = replace(
        data,
        gross=None,
        benchmark=None,
        fills=None,
        bars={},
        denials=None,
        out_of_sample=(),
        fan=None,
        parameter_maps=(),
        overfitting=None,
        run={},
        command="",
        notes=(),
    )
    page = read(render(tear_sheet(bare)))
    assert_plotly_accepts(page)
    assert {"Equity", "Drawdowns", "Months"} <= set(page.texts)
    for text in ("Rolling beta", "Costs", "Bars and fills", "What ran"):
        assert text not in page.texts


def test_a_long_history_of_small_bars_stays_a_small_page(tmp_path: Path):
    market = five_minute_market(("AAA", "BBB"), date(1998, 1, 5), date(2012, 6, 29))
    run = trade(market, "williams_r")
    path = write_tear_sheet(run.data, tmp_path, picture=False)[0]
    assert len(market.end_ns) > 280_000
    assert path.stat().st_size < 8_000_000
    page = read(path.read_text(encoding="utf-8"))
    candles = figure(page, "AAA")["data"][0]
    assert len(candles["x"]) <= 4_000
    closes = market.bars[:, 0, :]
    assert numbers(candles["high"]).max() == pytest.approx(closes[:, 1].max(), rel=1e-6)
    assert numbers(candles["low"]).min() == pytest.approx(closes[:, 2].min(), rel=1e-6)
    assert any("to a candle." in text for text in page.texts)


@pytest.mark.parametrize("sessions", [1, 2, 25, 600])
def test_the_picture_is_drawn_of_short_and_long_runs(tmp_path: Path, sessions: int):
    data = full()
    cut = replace(
        data,
        dates=data.dates[:sessions],
        nlv=data.nlv[:sessions],
        gross=None if data.gross is None else data.gross[:sessions],
        benchmark=None,
        out_of_sample=(),
        fills=None,
        fan=None,
    )
    path = write_picture(replace(cut, title=r"$\frac{1}{", subtitle="a_b^c $x"), tmp_path / "report.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 20_000


def test_without_matplotlib_the_error_says_what_to_do(monkeypatch, tmp_path: Path):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(LibraryMissing, match="make setup"):
        write_tear_sheet(full(), tmp_path, html=False)
