"""Reports as HTML: pages that stand alone in one file, and the tear sheet of a run made of them.

A page is plain data: sections of blocks. Every mode of the backtester, the transaction-cost report and the fault report
compose theirs of the same blocks and figures, so that all look alike::

    from performance.tear_sheet.figure import Figure, line
    from performance.tear_sheet.page import Page, Section, Table, Tile, Tiles, write_page

    curve = Figure(title="Equity", traces=[line(dates, values, "strategy", "@equity", hover="$,.0f")], note="at closes")
    page = Page(
        title="Walk-forward of momentum",
        subtitle="20 symbols, 1990 to 2022",
        sections=[
            Section(title="Result", blocks=[Tiles(tiles=[Tile(name="Sharpe ratio", value="0.71")]), curve]),
            Section(title="Windows", blocks=[Table(title="", columns=["from", "to"], rows=[["2001", "2003"]])]),
        ],
    )
    write_page(page, folder / "report.html")

`page`
    `Page`, `Section` and the blocks `Tiles`, `Table`, `Text`, `Choice` (one of several figures, by a selector);
    `render` and `write_page`. Text is plain text: the page escapes it.
`figure`
    `Figure`: plotly's traces and layout as plain data (dates and values as NumPy arrays; nothing imports plotly), and
    the helpers `line`, `columns`, `span_shapes`, `label` (for names from outside).
`colours`
    The palette. A colour is a token such as ``"@equity"`` or ``"@loss/0.2"``, so that pages serve light and dark.
`panels`
    The tear sheet's figures, one family a file, from arrays: equity, drawdowns, months, rolling figures, distribution,
    exposure, costs, bars with fills, a Monte Carlo fan, a heat map of parameters, the overfitting badge.
`sheet`, `picture`
    The tear sheet of one run: `write_tear_sheet` takes a `report_data.ReportData` and writes ``report.html`` and
    ``report.png`` into a folder.

What only some runs know is a field of `ReportData`: ``out_of_sample`` (spans of a walk-forward, shaded), ``fan``
(percentile curves of a Monte Carlo), ``parameter_maps`` (with plateau and chosen cell), ``overfitting`` (trials, deflated
Sharpe ratio, probability of overfitting)::

    data = dataclasses.replace(report_data(result, market, settings), out_of_sample=spans)
    write_tear_sheet(data, folder, picture=True)

Several curves in one page are `panels.equity.curves_figure`.

Colours, arrays and texts are all that a figure needs: a page never loads anything, and a Content-Security-Policy says so
to the browser.
"""
