"""The governance study, short: noise is refused, an edge is promoted, one that ends and one that cheats are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from governance.study.__main__ import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_mandate_tells_an_edge_from_luck_and_a_stopped_study_goes_on(tmp_path: Path, capsys):
    out = tmp_path / "governance.json"
    sizes = ["--noise", "2", "--edge", "1", "--in-sample-only", "1", "--look-ahead", "0"]
    words = [*sizes, "--paths", "200", "--jitter-paths", "10", "--out", str(out)]
    assert main(words) == 0
    figures = json.loads(out.read_text())
    assert (figures["noise_runs"], figures["noise_refused"]) == (2, 2)
    assert (figures["edge_runs"], figures["edge_promoted"]) == (1, 1)
    assert figures["in_sample_only_refused_by_walk_forward"] == 1
    assert figures["configurations"] == 500
    assert all(
        json.loads(path.read_text())["candidates"] == 500 for path in (tmp_path / "governance").glob("*.json")
    )
    assert "noise" in capsys.readouterr().out
    kept = {path: path.read_bytes() for path in (tmp_path / "governance").glob("*.json")}
    next(iter(kept)).unlink()
    assert main(words) == 0
    again = {path: json.loads(path.read_text()) for path in kept}
    assert all(json.loads(body)["failed"] == again[path]["failed"] for path, body in kept.items())
