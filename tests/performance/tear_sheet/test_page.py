"""A page stands alone: its parts are there, its text is text, and it can't reach the network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from performance.tear_sheet import page as page_module
from performance.tear_sheet.colours import PALETTE, light, style_rules
from performance.tear_sheet.figure import Figure, Switch, columns, encode, label, line, span_shapes
from performance.tear_sheet.page import (
    Block,
    Choice,
    LibraryMissing,
    Page,
    Section,
    Table,
    Text,
    Tile,
    Tiles,
    render,
    write_page,
)
from tests.performance.tear_sheet.reading import numbers, read

NASTY = '</script><script>alert(1)</script><b a="x">&\''
DAYS = np.datetime64("2020-01-01") + np.arange(100)


def a_figure(name: str = "strategy") -> Figure:
    return Figure(
        title=name,
        traces=[line(DAYS, np.linspace(1.0, 2.0, 100), name, "@equity", hover=".1%")],
        layout={"shapes": span_shapes([(DAYS[3], DAYS[9])])},
        note=name,
        switches=[
            Switch(label="log", on={"yaxis": {"type": "log"}}, off={"yaxis": {"type": "linear"}}),
        ],
    )


def a_page(name: str) -> Page:
    blocks: list[Block] = [
        Tiles(tiles=[Tile(name=name, value=name, hint=name, tone="@gain")]),
        a_figure(name),
        Table(title=name, columns=[name, "figure"], rows=[[name, "$1"]], note=name, wide=False),
        Choice(title=name, label=name, figures={name: a_figure(name), "other": a_figure()}),
        Text(title=name, paragraphs=[name], code=name),
    ]
    return Page(
        title=name, subtitle=name, footer=name, sections=[Section(title=name, note=name, blocks=blocks)]
    )


def test_text_from_outside_stays_text():
    found = read(render(a_page(NASTY)))
    assert [tag for tag, _ in found.tags].count("script") == 6, "three figures, palette, two programs"
    assert "b" not in {tag for tag, _ in found.tags}
    assert found.text.count(NASTY) >= 14
    for name in ("figure-0", "figure-1", "figure-2"):
        assert "<script" not in json.dumps(found.figures[name]), "plotly would read it as HTML"


def test_nothing_in_it_leads_outside():
    text = render(a_page("plain"))
    found = read(text)
    for name in ("src", "action", "data", "poster", "srcset"):
        assert found.attributes(name) == []
    assert all(target.startswith("#") for target in found.attributes("href"))
    assert "@import" not in text.partition("</head>")[0]
    assert "url(" not in text.partition("</head>")[0]


def test_its_policy_allows_the_two_scripts_that_stand_in_it_and_no_connection():
    found = read(render(a_page("plain")))
    policy = next(
        str(attrs["content"])
        for tag, attrs in found.tags
        if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    assert "connect-src" not in policy
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in found.scripts]
    assert sorted(allowed) == sorted(digests)
    assert "script-src 'sha256-" in policy
    assert "unsafe-eval" not in policy


def test_figures_are_plotlys_and_their_arrays_come_back_exact():
    found = read(render(a_page("plain")))
    made = found.figures["figure-0"]
    assert made["data"][0]["x"][0] == "2020-01-01"
    np.testing.assert_array_equal(numbers(made["data"][0]["y"]), np.linspace(1.0, 2.0, 100))
    assert made["switches"][0]["on"] == {"yaxis": {"type": "log"}}
    go.Figure(json.loads(re.sub(r'"@[a-z]+(/[0-9.]+)?"', '"#123456"', json.dumps(made["data"]))))


def test_numbers_that_json_does_not_know_become_null():
    assert json.loads(encode([np.nan, np.inf, 1.5, np.float64(2.0), np.int64(3)])) == [
        None,
        None,
        1.5,
        2.0,
        3,
    ]
    assert json.loads(encode(np.array([1.0, np.nan]))) == [1.0, None]


def test_times_are_written_to_the_minute_where_they_have_one():
    times = np.array(["2020-01-02T14:35", "2020-01-03T00:00"], dtype="datetime64[ns]")
    assert json.loads(encode(times)) == ["2020-01-02 14:35", "2020-01-03 00:00"]
    assert json.loads(encode(times.astype("datetime64[D]"))) == ["2020-01-02", "2020-01-03"]


def test_columns_of_figures_stand_at_the_right():
    text = render(
        Page(
            title="t",
            sections=[Section(title="", blocks=[Table(title="", columns=["a", "b"], rows=[["x", "-1.5%"]])])],
        )
    )
    assert '<th>a</th><th class="figure">b</th>' in text
    assert '<td>x</td><td class="figure">-1.5%</td>' in text


def test_an_empty_table_and_an_empty_choice_say_so():
    blocks: list[Block] = [
        Table(title="t", columns=["a", "b"], rows=[]),
        Choice(title="c", label="symbol", figures={}),
    ]
    found = read(render(Page(title="t", sections=[Section(title="", blocks=blocks)])))
    assert "none" in found.texts
    assert "There is nothing to show." in found.texts


def test_each_colour_has_a_light_and_a_dark_value():
    assert all(re.fullmatch(r"#[0-9a-f]{6}", one) for pair in PALETTE.values() for one in pair)
    assert light("@loss/0.2") == PALETTE["loss"][0]
    assert style_rules().count("--equity:") == 2


def test_names_are_escaped_once_in_a_trace():
    assert label("a < b & c") == "a &lt; b &amp; c"
    assert columns([1], [2], "a<b", "@gain")["name"] == "a&lt;b"


def test_without_plotly_the_error_says_what_to_do(monkeypatch):
    page_module._library.cache_clear()
    monkeypatch.setattr(page_module, "find_spec", lambda _name: None)
    with pytest.raises(LibraryMissing, match="make setup"):
        render(a_page("plain"))


def test_a_page_is_written_whole(tmp_path: Path):
    path = write_page(a_page("plain"), tmp_path / "report.html")
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
