"""A run with every part that a tear sheet can show, made up of arrays alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from performance.series import FloatArray
from performance.tear_sheet.report_data import (
    Bars,
    Benchmark,
    Fan,
    Fills,
    Overfitting,
    ParameterMap,
    ReportData,
)

NASTY = '</script><script>alert(1)</script><b a="x">&\''


def full(sessions: int = 600, *, name: str = "AAA") -> ReportData:
    """Buy 100 at the first close and sell half of them in the middle; noise added to the equity; all panels have data."""
    random = np.random.default_rng(3)
    dates = np.busday_offset(np.datetime64("2018-01-02"), np.arange(sessions), roll="forward")
    close: FloatArray = np.cumprod(1.0 + random.normal(0.0005, 0.02, sessions)).astype(np.float64) * 100.0
    middle = sessions // 2
    quantities = np.array([100.0, -50.0])
    places = np.array([1, middle])
    prices = close[places] + 0.01 * np.sign(quantities)
    held = np.where(np.arange(sessions) >= middle, 50.0, np.where(np.arange(sessions) >= 1, 100.0, 0.0))
    cash = 20_000.0 - np.where(np.arange(sessions) >= 1, 100.0 * prices[0] + 1.0, 0.0)
    cash = cash + np.where(np.arange(sessions) >= middle, 50.0 * prices[1] - 1.0, 0.0)
    nlv = cash + held * close
    paths = 20_000.0 * np.cumprod(1.0 + random.normal(0.0002, 0.01, (200, sessions)), axis=1)
    return ReportData(
        title=f"Backtest of {name}",
        subtitle=name,
        dates=dates,
        opening=20_000.0,
        nlv=nlv,
        gross=held * close,
        benchmark=Benchmark(
            name="buy and hold", opening=20_000.0, values=20_000.0 * close / close[0], note="held"
        ),
        fills=Fills(
            times=dates[places],
            sessions=places,
            symbols=np.array([name, name]),
            strategies=np.array([name, name]),
            quantities=quantities,
            prices=prices,
            commissions=np.array([1.0, 1.0]),
            purposes=np.array(["entry", "stop"]),
            references=np.array([close[1], np.nan]),
        ),
        bars={name: Bars(times=dates, open=close - 0.1, high=close + 1.0, low=close - 1.0, close=close)},
        denials={name: 3, "max_notional": 1},
        out_of_sample=[(dates[middle], dates[-1])],
        fan=Fan(
            times=dates,
            percentiles=(5.0, 25.0, 50.0, 75.0, 95.0),
            curves=np.percentile(paths, (5.0, 25.0, 50.0, 75.0, 95.0), axis=0),
            note="200 paths",
        ),
        parameter_maps=[
            ParameterMap(
                title="Sharpe ratio over two windows",
                figure="Sharpe ratio",
                x_name="fast",
                x=(10, 20, 30),
                y_name="slow",
                y=(100, 200),
                values=np.array([[0.1, 0.5, 0.4], [0.2, 0.6, np.nan]]),
                chosen=(20, 200),
                plateau=np.array([[False, True, True], [False, True, False]]),
            )
        ],
        overfitting=Overfitting(trials=120, deflated_sharpe=0.81, probability_of_overfitting=0.31),
        run={"code": name, "seed": "7"},
        command=f"python run_backtest.py --strategy {name}",
        notes=[name],
    )


def lost(data: ReportData) -> ReportData:
    """Return the same run with an account that ends below nothing."""
    nlv = data.nlv.copy()
    nlv[-5:] = -100.0
    return replace(data, nlv=nlv)
