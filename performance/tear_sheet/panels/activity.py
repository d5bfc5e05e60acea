"""What was done: exposure, turnover, costs, profit by symbol and strategy, denials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from performance.round_trips import round_trips
from performance.series import Dates, FloatArray
from performance.tear_sheet.figure import Figure, columns, dollar_axis, label, line
from performance.tear_sheet.page import Table
from performance.tear_sheet.report_data import Bars, Fills, ReportData
from performance.tear_sheet.thinning import thin
from performance.tear_sheet.words import money

_SHOWN = 25


def traded_by_session(dates: Dates, fills: Fills) -> FloatArray:
    """Absolute value of the fills of each session, shape (sessions,)."""
    return by_session(dates, fills, np.abs(fills.quantities) * fills.prices)


def by_session(dates: Dates, fills: Fills, amounts: FloatArray) -> FloatArray:
    """Sum amounts of fills by session, shape (sessions,)."""
    sums = np.bincount(fills.sessions, weights=amounts, minlength=len(dates))
    return sums.astype(np.float64)  # of no fills at all, they would be whole numbers


def price_costs(fills: Fills) -> FloatArray:
    """Spread, slippage and impact of each fill in account currency; NaN where the undisturbed price isn't known."""
    return fills.quantities * (fills.prices - fills.references)


def exposure_figure(dates: Dates, nlv: FloatArray, gross: FloatArray) -> Figure:
    """Gross exposure as a fraction of equity at the end of each session."""
    exposure = gross / np.where(nlv > 0.0, nlv, np.nan)
    kept = thin(exposure)
    trace = line(dates[kept], exposure[kept], "gross exposure", "@equity", width=1.0, hover=".1%")
    return Figure(
        title="Gross exposure",
        traces=[{**trace, "fill": "tozeroy", "fillcolor": "@equity/0.15"}],
        layout={"yaxis": {"tickformat": ".2~%", "rangemode": "tozero"}, "showlegend": False},
        note="Absolute value of all positions over equity, at the end of each session.",
        height=240,
        wide=False,
    )


def turnover_figure(dates: Dates, nlv: FloatArray, fills: Fills) -> Figure | None:
    """Half of what was bought and sold in each month, over the mean equity of the month; None without fills."""
    if not len(fills.times):
        return None
    unit = "M" if dates[-1] - dates[0] > np.timedelta64(62, "D") else "D"
    periods, of_session = np.unique(dates.astype(f"datetime64[{unit}]"), return_inverse=True)
    traded = np.bincount(of_session, weights=traded_by_session(dates, fills))
    equity = np.bincount(of_session, weights=nlv) / np.bincount(of_session)
    turnover = traded / 2.0 / np.where(equity > 0.0, equity, np.nan)
    return Figure(
        title=f"Turnover by {'month' if unit == 'M' else 'session'}",
        traces=[columns(periods.astype("datetime64[D]"), turnover, "turnover", "@second", hover=".1%")],
        layout={
            "yaxis": {"tickformat": ".2~%"},
            "xaxis": {"type": "date" if unit == "M" else "category"},
            "hovermode": "closest",
        },
        note="One side counted: buying and selling the whole equity once is 100%.",
        height=240,
        wide=False,
    )


def cost_figure(dates: Dates, fills: Fills) -> Figure | None:
    """Commissions, and spread, slippage and impact where known, added up over time; None without fills."""
    if not len(fills.times):
        return None
    commission = np.cumsum(by_session(dates, fills, fills.commissions))
    moved = price_costs(fills)
    known = np.isfinite(moved)
    kept = thin(commission, 1_000)
    traces = [line(dates[kept], commission[kept], "commission and fees", "@loss", hover="$,.0f")]
    if known.any():
        price = np.cumsum(by_session(dates, fills, np.where(known, moved, 0.0)))
        traces.append(line(dates[kept], price[kept], "spread, slippage, impact", "@warn", hover="$,.0f"))
    missing = int((~known).sum())
    note = "Added up."
    if missing:
        note += (
            f" Spread, slippage and impact are known for {len(known) - missing:,} of {len(known):,} fills: not for "
            "those inside a bar, such as stops."
        )
    return Figure(
        title="Costs",
        traces=traces,
        layout={"yaxis": {**dollar_axis(commission), "rangemode": "tozero"}},
        note=note,
        height=240,
        wide=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profit:
    """Of one strategy in one symbol: net of commissions, open positions at the last price."""

    strategy: str
    symbol: str
    fills: int
    round_trips: int
    winners: int
    commission: float
    profit: float


def profits(fills: Fills, bars: Mapping[str, Bars]) -> list[Profit]:
    """Profit of each strategy in each symbol, the largest first; positions without bars are valued at the last fill."""
    found = []
    for strategy, symbol in sorted(set(zip(fills.strategies.tolist(), fills.symbols.tolist(), strict=True))):
        mine = fills.of((fills.strategies == strategy) & (fills.symbols == symbol))
        prices = bars[symbol].close if symbol in bars else mine.prices
        cash = -float(mine.quantities @ mine.prices) - float(mine.commissions.sum())
        trips = round_trips(mine.quantities, mine.prices, mine.commissions)
        found.append(
            Profit(
                strategy=strategy,
                symbol=symbol,
                fills=len(mine.times),
                round_trips=len(trips),
                winners=sum(one.profit > 0.0 for one in trips),
                commission=float(mine.commissions.sum()),
                profit=cash + float(mine.quantities.sum()) * float(prices[-1]),
            )
        )
    return sorted(found, key=lambda one: one.profit, reverse=True)


def is_explained(data: ReportData, found: Sequence[Profit]) -> bool:
    """Whether fills and flows add up to the account's profit; they don't when a position went through a split or a delisting."""
    profit = float(data.nlv[-1]) - data.opening
    told = sum(one.profit for one in found) + sum(data.flows.values())
    return abs(profit - told) <= max(0.01, 1e-9 * abs(data.opening))


def profit_figure(found: Sequence[Profit]) -> Figure | None:
    """Profit of each strategy and symbol as bars; None without fills."""
    if not found:
        return None
    shown = found
    if len(found) > _SHOWN:
        shown = [*found[: _SHOWN // 2], *found[-(_SHOWN // 2) :]]
    strategies = {one.strategy for one in found}
    names = [one.symbol if len(strategies) == 1 else f"{one.symbol} · {one.strategy}" for one in shown]
    note = "Net of commissions, without interest, fees for borrowing and dividends; what is still open at its last price."
    if len(shown) < len(found):
        note += f" The {_SHOWN // 2} best and worst of {len(found)}."
    return _sideways(
        "Profit by symbol" if len(strategies) == 1 else "Profit by symbol and strategy",
        names,
        [one.profit for one in shown],
        ["@gain" if one.profit >= 0 else "@loss" for one in shown],
        hover="$,.0f",
        note=note,
        axis=dollar_axis(np.array([0.0, *(one.profit for one in shown)])),
        wide=True,
    )


def flow_table(flows: Mapping[str, float]) -> Table | None:
    """Cash that no fill explains, by kind; None when there was none."""
    if not flows:
        return None
    rows = [(kind.replace("_", " "), money(amount, 2)) for kind, amount in flows.items()]
    return Table(
        title="Interest, dividends and fees",
        columns=("kind", "amount"),
        rows=rows,
        note="Cash that no fill explains; negative was paid.",
        wide=False,
    )


def denial_figure(denials: Mapping[str, int]) -> Figure | None:
    """How often something was refused, by reason; None when nothing was."""
    most = sorted(denials.items(), key=lambda one: one[1], reverse=True)[:_SHOWN]
    if not most:
        return None
    return _sideways(
        "Denials by reason",
        [reason for reason, _count in most],
        [float(number) for _reason, number in most],
        ["@warn"] * len(most),
        hover=",d",
        note="A refusal that stands for many bars is counted once. docs/denials.md explains each reason.",
        axis={"tickformat": ",.3~s"} if most[0][1] > 5 else {"dtick": 1},
        wide=False,
    )


def _sideways(
    title: str,
    names: Sequence[str],
    values: Sequence[float],
    tones: Sequence[str],
    *,
    hover: str,
    note: str,
    axis: Mapping[str, object],
    wide: bool,
) -> Figure:
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": list(values),
        "y": [label(name) for name in names],
        "marker": {"color": list(tones)},
        "hovertemplate": f"%{{y}}: %{{x:{hover}}}<extra></extra>",
    }
    return Figure(
        title=title,
        traces=[trace],
        layout={
            "yaxis": {"autorange": "reversed", "type": "category", "showgrid": False, "dtick": 1},
            "xaxis": {"showgrid": True, "rangemode": "tozero", **axis},
            "hovermode": "closest",
        },
        note=note,
        height=max(150, 56 + 21 * len(names)),
        wide=wide,
    )
