"""Scenarios: what an account would have been through, with every bar traded by `backtester.run.run_backtest`.

The account begins ``lead`` sessions before, in cash, with the strategies warmed up by all bars before it, and goes on for ``follow``
sessions after. The same run without the shock stands beside it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtester.book import FillColumn, Kind
from backtester.corporate_actions import adjustment_factors
from backtester.end_shares import shares_at_end
from backtester.market import Market
from backtester.money import MICRO
from backtester.orders import trail_on_grid
from backtester.result import BacktestResult
from backtester.run import run_backtest
from backtester.scan import scan_market
from backtester.validation.crises import CRISES, Crisis
from backtester.validation.figures import Figures, figures_of, returns_of
from backtester.validation.shocks import Shock, apply_shock, read_shock
from backtester.validation.windows import session_starts
from core.config_schema import Settings
from core.config_yaml import parse
from core.errors import ConfigError
from strategy.base import Strategy

FloatArray = npt.NDArray[np.float64]
DEFAULT_SHOCKS = (
    "gap:-0.2", "gap:0.1", "volatility:3", "correlation:1", "liquidity:0.05", "costs:5", "halt:5", "limit_down:3",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A name and the shocks that happen together; a crisis has none."""

    name: str
    shocks: tuple[Shock, ...] = ()
    crisis: Crisis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLoss:
    """What protective stops that were hit cost beyond their price.

    ``stops`` were hit, ``beyond`` of them filled at a price worse than the stop (a gap), by ``worst`` of the stop at most; ``cost``
    is what all of them lost beyond it, in dollars.
    """

    stops: int
    beyond: int
    worst: float
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCovered:
    """A scenario that the data doesn't hold, and why."""

    scenario: Scenario
    why_not: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a scenario did to the account.

    Attributes
    ----------
    scenario
        What it was.
    first, last
        Sessions of the shock or crisis.
    figures, inside
        Of the whole run, and of the sessions from ``first`` to ``last`` only.
    stops
        Protective stops.
    result
        The run, which began before ``first`` and ended after ``last``.
    plain, without
        The same run without the shock, and its figures; None for a crisis.
    """

    scenario: Scenario
    first: date
    last: date
    figures: Figures
    inside: Figures
    stops: StopLoss
    result: BacktestResult
    plain: BacktestResult | None
    without: Figures | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every scenario of a study shares."""

    settings: Settings
    market: Market
    strategies: Sequence[Strategy]
    weights: Sequence[float]
    first_bar: int
    lead: int
    follow: int


def read_scenarios(path: Path) -> list[Scenario]:
    """Read a YAML list of ``{name: ..., shocks: [gap:-0.2@2008-09-15, ...]}``.

    Raises
    ------
    ConfigError
        With every problem of the file.
    """
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"--scenarios {path}: can't be read: {error}"]) from None
    problems = [f"{path}: {sentence}" for _line, sentence in document.problems]
    form = f"{path}: write a list such as '- name: crash' with 'shocks: [\"gap:-0.2\", \"volatility:3\"]' below it"
    if not isinstance(document.value, list) or not document.value:
        raise ConfigError([*problems, form])
    found = []
    for number, item in enumerate(document.value):
        if (
            not isinstance(item, dict)
            or set(item) - {"name", "shocks"}
            or not isinstance(item.get("shocks"), list)
        ):
            problems.append(f"{form} (entry {number + 1} isn't that)")
            continue
        shocks = []
        for text in item["shocks"]:
            try:
                shocks.append(read_shock(str(text)))
            except ConfigError as error:
                problems += [
                    f"{path}, entry {number + 1}: {one.removeprefix('--shock ')}" for one in error.problems
                ]
        found.append(Scenario(name=str(item.get("name", number + 1)), shocks=tuple(shocks)))
    if problems:
        raise ConfigError(problems)
    return found


def crises() -> list[Scenario]:
    """Every crisis of the table."""
    return [Scenario(name=one.name, crisis=one) for one in CRISES]


def most_invested(result: BacktestResult, market: Market, lead: int) -> int:
    """Session (from the market's first) after which the run had the largest share of its equity in positions.

    The shock then meets that position at the next session. The first ``lead`` sessions of the run are left out where it is
    longer than that, and so is its last one.
    """
    share = result.gross_micros / np.maximum(result.nlv_micros, 1)
    sessions = market.clock.session[-len(share) :]
    begin = int(sessions[0]) + lead
    there = (sessions >= begin) & (sessions < sessions[-1])
    if not there.any():
        there = sessions < sessions[-1]
    if not there.any():
        return int(sessions[-1])
    return int(sessions[there][int(np.argmax(share[there]))]) + 1


def run_scenario(setting: Setting, scenario: Scenario, exposed: int) -> Outcome | NotCovered:
    """Trade one scenario.

    Parameters
    ----------
    setting
        Configuration, bars, strategies.
    scenario
        Crisis or shocks.
    exposed
        Session for the shocks without a day.
    """
    days = [session.date for session in setting.market.sessions]
    starts = session_starts(setting.market)
    earliest = int(np.searchsorted(starts[:-1], setting.first_bar))
    found = _place(scenario, days, earliest, exposed)
    if isinstance(found, str):
        return NotCovered(scenario=scenario, why_not=found)
    begins, last = found
    first = min(begins)
    begin = max(first - setting.lead, earliest)
    end = min(last + 1 + setting.follow, len(days))
    market, settings = setting.market, setting.settings
    for shock, place in zip(scenario.shocks, begins, strict=False):
        market, settings = apply_shock(market, settings, shock, place)
    plain = None
    if scenario.shocks:
        plain = _run(setting, setting.settings, setting.market, int(starts[begin]), int(starts[end]))
    result = _run(setting, settings, market, int(starts[begin]), int(starts[end]))
    return Outcome(
        scenario=scenario,
        first=days[first],
        last=days[last],
        figures=figures_of(_returns(result)),
        inside=figures_of(_returns(result)[_inside(result, days[first], days[last])]),
        without=None if plain is None else figures_of(_returns(plain)),
        stops=stop_losses(result, market, settings),
        result=result,
        plain=plain,
    )


def _place(scenario: Scenario, days: list[date], earliest: int, exposed: int) -> tuple[list[int], int] | str:
    """First session of each shock (or of the crisis) and the last one of all; a sentence where the data doesn't hold them."""
    if scenario.crisis is not None:
        crisis = scenario.crisis
        if days[earliest] > crisis.first or days[-1] < crisis.last:
            return f"the data covers {days[earliest]} to {days[-1]}"
        return [bisect_left(days, crisis.first)], bisect_right(days, crisis.last) - 1
    dated = [shock.day for shock in scenario.shocks if shock.day is not None]
    for day in dated:
        if not days[earliest] < day <= days[-1]:
            return f"{day} isn't among the sessions after {days[earliest]}, up to {days[-1]}"
    default = bisect_left(days, dated[0]) if dated else exposed
    begins = [default if shock.day is None else bisect_left(days, shock.day) for shock in scenario.shocks]
    ends = [
        min(begin + shock.sessions, len(days)) for begin, shock in zip(begins, scenario.shocks, strict=True)
    ]
    return begins, max(ends) - 1


def _run(setting: Setting, settings: Settings, market: Market, first: int, end: int) -> BacktestResult:
    return run_backtest(settings, market.head(end), setting.strategies, setting.weights, first_bar=first)


def _returns(result: BacktestResult) -> FloatArray:
    return returns_of(np.concatenate([[float(result.opening_cash)], result.session_closes()]))


def _inside(result: BacktestResult, first: date, last: date) -> npt.NDArray[np.bool_]:
    numbers = np.unique(result.session_of).tolist()
    return np.array([first <= result.sessions[number] <= last for number in numbers], dtype=bool)


def stop_losses(result: BacktestResult, market: Market, settings: Settings) -> StopLoss:
    """Compare the fills of protective stops with the prices that they stood at.

    A stop begins ``sizing.stop_atr_multiple`` ATR from the close on which its entry was decided, on the cent grid; costs of
    execution (spread, slippage, impact) are part of what it lost beyond that price. One that trails has followed the bars
    since; where the bar doesn't tell at what price it was hit, it has lost nothing beyond it. All prices and quantities here
    are in shares of the end, so that a split moves a stop as it moves the price.
    """
    shares = shares_at_end(market)
    bars = market.bars[:, :, :4] / shares[:, :, None]
    atr = _day_atr(market, settings.sizing.atr_window)
    multiple = float(settings.sizing.stop_atr_multiple)
    trails = [settings.trails(name) for name in result.strategies]
    whole = settings.backtest.fill_at == "open" and settings.execution.method == "MKT"
    entered: dict[tuple[int, int], _Stop] = {}
    stops, beyond, worst, cost = 0, 0, 0.0, 0.0
    for row in result.fill_table.tolist():
        bar, symbol = row[FillColumn.BAR], row[FillColumn.SYMBOL]
        cell = (row[FillColumn.STRATEGY], symbol)
        if row[FillColumn.KIND] == Kind.ENTRY:
            decided, side = row[FillColumn.DECIDED], 1 if row[FillColumn.QUANTITY] > 0 else -1
            distance, share = multiple * atr[decided, symbol], shares[decided, symbol]
            level = bars[decided, symbol, 3] - side * distance / share
            trail = trail_on_grid(distance) / MICRO / share if trails[cell[0]] else None
            if cell not in entered or entered[cell].decided != decided:
                entered[cell] = _Stop(decided, bar if whole else bar + 1, side, level, trail)
        elif row[FillColumn.KIND] == Kind.STOP and cell in entered:
            stop, price = entered[cell], row[FillColumn.PRICE] / MICRO / shares[bar, symbol]
            begin = bars[bar, symbol, 0]
            level = stop.level_before(bars[:bar, symbol])
            gapped = stop.side * (level - begin) > 0.0
            if stop.trail is not None:
                level = max(stop.side * level, stop.side * begin - stop.trail) * stop.side
                entered[cell] = stop._replace(level=level, trail=None)  # hit: what is left of it stays
            lost = stop.side * (level - price)
            lost = lost if stop.trail is None else max(lost, 0.0)
            stops += 1
            beyond += bool(gapped)
            worst = max(worst, lost / level)
            cost += lost * abs(row[FillColumn.QUANTITY]) * shares[bar, symbol]
    return StopLoss(stops=stops, beyond=beyond, worst=worst, cost=cost)


def _day_atr(market: Market, window: int) -> FloatArray:
    """Average true range after each bar in the prices of its day, as the account sees it; shape (bars, symbols)."""
    prices, _volumes = adjustment_factors(market.events(), market.bars)
    atr: FloatArray = scan_market(market.signal_bars(), window).atr / prices
    return atr


class _Stop(NamedTuple):
    """A protective stop: bar of the decision, first bar whose extremes move it, side of the position, price, distance."""

    decided: int
    first: int
    side: int
    level: float
    trail: float | None

    def level_before(self, bars: FloatArray) -> float:
        """Price at which it stands after ``bars`` of shape (bars, 4)."""
        seen = bars[self.first :, 1 if self.side > 0 else 2]
        if self.trail is None or np.isnan(seen).all():
            return self.level
        best = self.side * np.nanmax(self.side * seen)
        return self.side * float(max(self.side * self.level, self.side * best - self.trail))
