"""``python -m paper_gateway.costs``: what the ways to work an order cost, as it prints them."""

import json
import subprocess
import sys

from tests.gateway import ROOT


def costs(*arguments):
    command = [sys.executable, "-m", "paper_gateway.costs", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_it_prints_costs_that_a_trader_would_expect_and_draws_them(tmp_path):
    picture = tmp_path / "costs.png"
    done = costs("--days", 1, "--json", "--png", picture)
    assert done.returncode == 0, done.stderr
    cells = {(one["way"], one["share"]): one for one in json.loads(done.stdout)}
    assert picture.read_bytes().startswith(b"\x89PNG")
    small, large = min(share for _, share in cells), max(share for _, share in cells)
    for way in ("MKT", "Adaptive Urgent", "Twap to 15:00", "Vwap to 15:00"):
        assert cells[way, large]["cost_bps"] > cells[way, small]["cost_bps"] + 5
        assert cells[way, large]["filled"] > 0.99
    assert cells["Vwap to 15:00", large]["cost_bps"] < cells["MKT", large]["cost_bps"], (
        "time is cheaper than haste"
    )
    assert cells["MKT", large]["minutes"] < cells["Vwap to 15:00", large]["minutes"]
    assert cells["Midprice", large]["filled"] < 1, "a limit may not fill"


def test_what_can_not_be_measured_is_said():
    done = costs("--first", "2030-01-01")
    assert done.returncode == 2
    assert "costs: " in done.stderr
    assert costs("--symbol", "ZZZ").returncode == 2
    assert costs("--days", 0).returncode == 2
