"""Maps of a search: the figure over each pair of keys, the others taken by their median, with the plateau marked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backtester.search.ranking import Objective, Ranked
from backtester.search.space import Axis, Space
from performance.tear_sheet.report_data import ParameterMap

FloatArray = npt.NDArray[np.float64]

MOST_MAPS = 15
MOST_CELLS_A_SIDE = 60

_PLATEAU_SHARE = 0.9
_NEEDED_CELLS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """The figure over one key, shape (values,) each."""

    key: str
    metric: str
    x: FloatArray
    y: FloatArray


def mapped_axes(space: Space) -> list[Axis]:
    """Axes that can be drawn: numbers, more than one."""
    return [axis for axis in space.varied if axis.is_ordered]


def parameter_maps(
    database: duckdb.DuckDBPyConnection, space: Space, objective: Objective, best: Ranked | None
) -> list[ParameterMap]:
    """Draw a map for each pair of numeric keys, up to `MOST_MAPS`."""
    pairs = list(combinations(mapped_axes(space), 2))[:MOST_MAPS]
    return [_map(database, x, y, space, objective, best) for x, y in pairs]


def curve_over(database: duckdb.DuckDBPyConnection, axis: Axis, objective: Objective) -> Curve:
    """Median of the figure for each value of one key."""
    metric = objective.metric
    rows = database.execute(
        f'SELECT "{axis.key}", median({metric}) FROM trials WHERE NOT isnan({metric}) GROUP BY 1 ORDER BY 1'  # noqa: S608 (keys of ours)
    ).fetchall()
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return Curve(key=axis.key, metric=metric, x=table[:, 0], y=table[:, 1])


def _map(
    database: duckdb.DuckDBPyConnection,
    x: Axis,
    y: Axis,
    space: Space,
    objective: Objective,
    best: Ranked | None,
) -> ParameterMap:
    x_values, x_of = _bins(database, "x_bins", x)
    y_values, y_of = _bins(database, "y_bins", y)
    metric = objective.metric
    rows = database.execute(
        f"SELECT x_bins.bin, y_bins.bin, median({metric}) FROM trials "  # noqa: S608 (keys of ours)
        f'JOIN x_bins ON "{x.key}" = x_bins.value JOIN y_bins ON "{y.key}" = y_bins.value '
        f"WHERE NOT isnan({metric}) GROUP BY 1, 2"
    ).fetchall()
    values = np.full((len(y_values), len(x_values)), np.nan)
    for column, row, value in rows:
        values[row, column] = value
    chosen = None
    if best is not None:
        chosen = (x_values[x_of[float(best.values[x.key])]], y_values[y_of[float(best.values[y.key])]])
    notes = [] if len(space.varied) == 2 else ["Each cell: the median over the other keys."]
    if len(x_values) < len(x.values) or len(y_values) < len(y.values):
        notes.append("A cell holds several neighbouring values and is named by the first of them.")
    return ParameterMap(
        title=f"{metric}: {x.key} and {y.key}",
        figure=metric,
        x_name=x.key,
        x=x_values,
        y_name=y.key,
        y=y_values,
        values=values,
        chosen=chosen,
        plateau=plateau(values, maximise=objective.maximise),
        note=" ".join(notes),
    )


def _bins(database: duckdb.DuckDBPyConnection, name: str, axis: Axis) -> tuple[list[float], dict[float, int]]:
    """Put the values of an axis into so many cells as can be seen; return the cells' names, and each value's cell."""
    values = [float(value) for value in axis.values]
    width = -(-len(values) // MOST_CELLS_A_SIDE)
    bins = np.arange(len(values)) // width
    database.register(name, pa.table({"value": values, "bin": bins}))
    return values[::width], dict(zip(values, bins.tolist(), strict=True))


def plateau(values: FloatArray, *, maximise: bool) -> npt.NDArray[np.bool_]:
    """Mark the cells in the best neighbourhoods.

    Parameters
    ----------
    values
        Shape (rows, columns), NaN where nothing is known.
    maximise
        Whether large values are good.

    Returns
    -------
    ndarray
        Cells whose median over themselves and their up to eight neighbours is among the best tenth of such medians, and that
        are themselves no worse than that tenth's limit.
    """
    good = values if maximise else -values
    around = smoothed(good)
    if np.isnan(around).all():
        return np.zeros(values.shape, dtype=bool)
    limit = np.nanquantile(around, _PLATEAU_SHARE)
    with np.errstate(invalid="ignore"):
        best = (
            (around >= limit) & (good >= limit) & (around > np.nanmedian(around))
        )  # the last: nothing on a flat map
        return np.asarray(best, dtype=bool)


def smoothed(values: FloatArray) -> FloatArray:
    """Median of each cell and its neighbours; NaN where fewer than four of them are known, or it isn't itself."""
    rows, columns = values.shape
    padded = np.pad(values, 1, constant_values=np.nan)
    layers = np.stack(
        [padded[down : down + rows, right : right + columns] for down in range(3) for right in range(3)]
    )
    enough = (~np.isnan(layers)).sum(axis=0) >= min(_NEEDED_CELLS, values.size)
    result = np.full(values.shape, np.nan)
    chosen = enough & ~np.isnan(values)
    result[chosen] = np.nanmedian(layers[:, chosen], axis=0)
    return result
