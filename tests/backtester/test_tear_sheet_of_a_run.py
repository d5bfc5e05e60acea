"""What run_backtest.py writes for people: the page by default, the picture on request, and both of the right run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import run_backtest
from backtester.tear_sheet_input import report_data
from performance.tear_sheet import page as page_module
from tests.performance.tear_sheet.reading import read
from tests.performance.tear_sheet.runs import packaged, trade

ROOT = Path(__file__).resolve().parents[2]
ASKED = ("--symbols", "AAPL,IBM", "--start", "2009-01-02", "--end", "2010-12-31")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def folder_of(config: Path) -> Path:
    (folder,) = (config.parent / "results" / "backtests").iterdir()
    return folder


def test_every_run_writes_its_page_and_says_where(config: Path, capsys: pytest.CaptureFixture[str]):
    assert run_backtest.main(["--config", str(config), *ASKED]) == 0
    folder = folder_of(config)
    assert f"report:  {folder / 'report.html'}" in capsys.readouterr().out
    assert not (folder / "report.png").exists()
    page = read((folder / "report.html").read_text(encoding="utf-8"))
    saved = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    for known in (
        saved["id"],
        saved["code_version"],
        saved["config_sha256"],
        saved["figures"]["data_sha256"],
    ):
        assert known in page.texts


def test_json_stays_json_and_the_picture_comes_on_request(config: Path, capsys: pytest.CaptureFixture[str]):
    assert run_backtest.main(["--config", str(config), *ASKED, "--json", "--no-html", "--png"]) == 0
    printed = capsys.readouterr()
    folder = Path(json.loads(printed.out)["folder"])
    assert "report.png" in printed.err
    assert (folder / "report.png").read_bytes().startswith(b"\x89PNG")
    assert not (folder / "report.html").exists()


def test_without_plotly_the_run_ends_well_and_says_what_to_do(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    page_module._library.cache_clear()
    monkeypatch.setattr(page_module, "find_spec", lambda _name: None)
    assert run_backtest.main(["--config", str(config), *ASKED]) == 0
    assert "run `make setup`" in capsys.readouterr().out
    assert (folder_of(config) / "run.json").exists()


def test_a_symbol_without_bars_in_the_span_has_no_part_of_the_benchmark():
    run = trade(packaged(), "momentum", first_bar=1_000)
    empty = run.market.bars.copy()
    empty[1_000:, 1] = np.nan
    market = replace(run.market, bars=empty)
    data = report_data(run.result, market, run.settings)
    assert data.benchmark is not None
    left = [0, 2, 3, 4]
    closes = empty[1_000:, left, 3]
    first = np.array([column[np.isfinite(column)][0] for column in closes.T])
    assert data.benchmark.values[-1] == pytest.approx(1e6 * float((closes[-1] / first).mean()))


def test_bars_before_and_after_a_run_change_nothing_on_its_page():
    whole = packaged()
    run = trade(whole.head(1_500), "momentum", first_bar=1_000)
    data = report_data(run.result, whole, run.settings)
    assert data.benchmark is not None
    assert run.data.benchmark is not None
    assert data.fills is not None
    assert run.data.fills is not None
    assert np.array_equal(data.benchmark.values, run.data.benchmark.values)
    assert len(data.fills.times) > 10
    assert np.array_equal(data.fills.times, run.data.fills.times)
    assert np.array_equal(data.fills.references, run.data.fills.references, equal_nan=True)
    assert [bars.close[-1] for bars in data.bars.values()] == [
        bars.close[-1] for bars in run.data.bars.values()
    ]
