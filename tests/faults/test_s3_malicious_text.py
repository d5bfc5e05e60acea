"""S3: tags in YAML, paths and newlines and formulas in logged fields: nothing is run, nothing written elsewhere."""

from __future__ import annotations

import csv
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.csv_log import OrderSubmissionLog, OrderSubmissionTail
from ml.registry.writer import add_version
from portfolio.veto.manifest import MODEL_FILE
from portfolio.veto.store import UnusableModel, read_version
from tests import veto_models
from tests.execution.orders import make_order
from tests.risk.stage import ROOT

TAG = "universe: {symbols: [IBM]}\naccount_id: !!python/object/apply:os.system ['touch PWNED']\n"


@pytest.mark.parametrize("program", ["main.py", "risk_monitor.py"])
def test_a_tag_in_the_configuration_is_not_executed(tmp_path: Path, program: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(TAG.replace("PWNED", str(tmp_path / "pwned")))
    done = subprocess.run(
        [sys.executable, program, "--config", str(config)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "the tag" in done.stderr
    assert not (tmp_path / "pwned").exists()


def test_a_scenario_with_a_tag_is_refused(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(
        f"description: !!python/object/apply:os.system ['touch {tmp_path / 'pwned'}']\nfaults: []\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "paper_gateway", "--port", "0", "--faults", str(scenario)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "the tag" in done.stderr
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "text",
    ["=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1+1", "two\nlines", "\x1b[2J", "a,b", '"', "../../etc/passwd"],
)
def test_no_text_of_an_order_becomes_a_line_a_formula_or_a_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "logs" / "orders.csv"
    path.parent.mkdir()
    log = OrderSubmissionLog(path, run_id="run00001")
    log.append(make_order(order_ref=text), wall_ns=time.time_ns(), monotonic_ns=5)
    rows = list(csv.reader(path.read_text().splitlines()))
    assert len(rows) == 2
    assert not rows[1][3].startswith(("=", "+", "-", "@", "\t"))
    assert len(OrderSubmissionTail(path).poll()) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["logs"]


class _Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def test_a_pickle_in_the_place_of_a_model_is_refused_and_not_executed(tmp_path: Path) -> None:
    traded = veto_models.signals("momentum")
    manifest = veto_models.hand_manifest(traded)
    bomb = pickle.dumps(_Bomb(tmp_path / "pwned"))
    own = tmp_path / "veto" / "momentum"
    version = add_version(own, manifest, {MODEL_FILE: bomb})  # with the right hash, as an insider would
    with pytest.raises(UnusableModel):
        read_version(own, version)
    assert not (tmp_path / "pwned").exists()
    pickle.loads(bomb)
    assert (tmp_path / "pwned").exists(), "it was a bomb"
