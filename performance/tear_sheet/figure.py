"""One interactive figure: what plotly.js draws, written as plain data, so that no plotting library is imported.

Traces and layouts are plotly's own (https://plotly.com/javascript/reference). Colours are tokens of
`performance.tear_sheet.colours`. Text that comes from outside goes through `label`, because plotly reads a little HTML.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Json: TypeAlias = Mapping[str, object]

_PACKED_FROM = 64
_DTYPES = {"float64": "f8", "float32": "f4", "int32": "i4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A box above a figure that changes its layout: plotly's keys when it is ticked, and when it isn't.

    ``ticked`` is how the page opens.
    """

    label: str
    on: Json
    off: Json
    ticked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure with its title and, below it, what a reader has to know about it.

    Attributes
    ----------
    title, note
        Plain text. The page escapes both.
    traces, layout
        Plotly's, with colour tokens and NumPy arrays; fonts, margins and grid lines come from the page.
    height
        Pixels.
    wide
        Whether it takes the page's whole width; else two stand side by side where there is room.
    switches
        Boxes above it.
    """

    title: str
    traces: Sequence[Json]
    layout: Json = field(default_factory=dict)
    note: str = ""
    height: int = 340
    wide: bool = True
    switches: Sequence[Switch] = ()


def label(text: str) -> str:
    """Text from outside, safe in a trace's name, a tick or a hover text."""
    return html.escape(text, quote=False)


def encode(value: object) -> str:
    """JSON that may stand inside a ``<script>`` element; long arrays of numbers are packed as plotly.js reads them.

    NaN and infinities become null. Dates are written to the day, or to the minute where they have a time.
    """
    text = json.dumps(_plain(value), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return _plain_array(value)
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _plain_array(array: npt.NDArray[np.generic]) -> object:
    if array.dtype.kind == "M":
        return times_of(array)
    if array.ndim == 1 and array.size >= _PACKED_FROM and array.dtype.name in _DTYPES:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        return {"dtype": _DTYPES[array.dtype.name], "bdata": base64.b64encode(little.tobytes()).decode()}
    return _plain(array.tolist())


def times_of(times: npt.NDArray[np.generic]) -> list[str]:
    """Moments as plotly reads them: ``2010-05-06``, or ``2010-05-06 14:45`` if any of them has a time of day."""
    minutes, days = times.astype("datetime64[m]"), times.astype("datetime64[D]")
    if (minutes == days).all():
        return [str(text) for text in np.datetime_as_string(days).tolist()]
    return [str(text).replace("T", " ") for text in np.datetime_as_string(minutes).tolist()]


def line(
    x: object, y: object, name: str, colour: str, *, width: float = 1.5, hover: str = "", **more: object
) -> dict[str, object]:
    """Trace of a line; ``hover`` is plotly's format of the value, such as ``.1%``; ``more`` are its other keys."""
    shown = f"%{{y:{hover}}}" if hover else "%{y}"
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "name": label(name),
        "line": {"color": colour, "width": width},
        "hovertemplate": f"{shown}<extra>{label(name)}</extra>",
        **more,
    }


def columns(
    x: object, y: object, name: str, colour: object, *, hover: str = "", **more: object
) -> dict[str, object]:
    """Trace of columns (a bar chart); arguments as those of `line`; ``colour`` may be one a column."""
    shown = f"%{{y:{hover}}}" if hover else "%{y}"
    return {
        "type": "bar",
        "x": x,
        "y": y,
        "name": label(name),
        "marker": {"color": colour},
        "hovertemplate": f"%{{x}}: {shown}<extra>{label(name)}</extra>",
        **more,
    }


def dollar_axis(values: npt.NDArray[np.float64]) -> dict[str, object]:
    """Axis of amounts: ``$1.2M``, or plain dollars where the values are small or lie close together."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    largest = max(abs(low), abs(high))
    if largest < 1_000.0:
        return {"tickformat": "$,.2~f"}
    return {"tickformat": "$,.0f" if high - low < 0.02 * largest else "$,.3~s"}


def span_shapes(
    spans: Sequence[tuple[object, object]], colour: str = "@shade/0.14"
) -> list[dict[str, object]]:
    """Shapes that shade spans of the x axis over the whole height."""
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": str(begin),
            "x1": str(end),
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "fillcolor": colour,
            "layer": "below",
        }
        for begin, end in spans
    ]
