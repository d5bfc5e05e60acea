"""run_recalibration.py from end to end on a small simulated market: decision, promotion, kill -9, ledger, rollback, report."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.config_loader import load_settings
from core.kernel import PROJECT_ROOT
from core.records import RecordKind
from core.restrictions import RestrictionFolder
from governance.command import main
from governance.journal import records
from governance.mandate import FILE_NAME
from governance.study.markets import CHEATS, Spec, World, write_market
from governance.study.runs import write_config
from tests.governance.killing import run_killed_at

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
GRID = ("--grid", "mean_reversion.window=6,9", "--grid", "mean_reversion.oversold=38,42")
LENIENT = {
    "walk_forward": {
        "min_mean_sharpe": 0,
        "min_worst_sharpe": -1,
        "min_positive_folds": 0,
        "min_efficiency": 0,
        "inner_folds": 1,
    },
    "trades": {"min_fills": 1, "min_fills_a_fold": 1},
    "plateau": {"min_kept_sharpe": 0, "min_holding_share": 0},
    "luck": {"min_deflated_sharpe": 0, "max_overfitting_probability": 1},
    "monte_carlo": {"paths": 200, "min_growth_p5": -1, "max_drawdown_p95": 1, "jitter_paths": 4, "min_jitter_gains": 0},
    "scenarios": {"max_shock_drawdown": 1},
    "costs": {"min_mean_sharpe": 0},
    "bars": {"same_size": False, "max_age_days": 36_500},
    "parity": {"required": False},
    "probation": {"paths": 200},
}  # fmt: skip


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two symbols with an edge."""
    folder = tmp_path_factory.mktemp("bars")
    write_market(World.EDGE, 1, Spec(symbols=2), folder)
    return folder


class Place:
    """A folder with a configuration, a mandate and a way to run the command there."""

    def __init__(self, root: Path, bars: Path, mandate: dict[str, Any] = LENIENT) -> None:
        self.root, self._bars = root, bars
        root.mkdir(exist_ok=True)
        write_config(root / "config.yaml", [path.stem for path in bars.iterdir()])
        (root / FILE_NAME).write_text(yaml.safe_dump(mandate))

    def words(self, *more: str) -> list[str]:
        place = ["--config", str(self.root / "config.yaml")]
        if not {"--rollback", "--probation"} & set(more):
            place += ["--data", str(self._bars), "--set", "backtest.cash=100000"]
        return [*place, *more]

    def call(self, *more: str) -> tuple[int, str, str]:
        """Run the command in this process; exit code, output, log."""
        output, log = StringIO(), StringIO()
        with redirect_stdout(output), redirect_stderr(log):
            code = main(self.words(*more))
        return code, output.getvalue(), log.getvalue()

    def recalibrate(self, *more: str) -> tuple[int, dict[str, Any]]:
        strategy = () if "--strategy" in more else ("--strategy", "mean_reversion", *GRID)
        code, output, log = self.call(*strategy, "--json", *more)
        assert output, log
        return code, json.loads(output)

    def parameters(self) -> dict[str, Any]:
        listed = load_settings(self.root / "config.yaml", {}).settings.strategies
        return dict(next(one.parameters for one in listed if one.name == "mean_reversion"))

    def journal(self, kind: RecordKind) -> list[dict[str, Any]]:
        return [record.payload for record in records(self.root / "state", kind)]


@pytest.fixture
def make_place(tmp_path: Path, bars: Path) -> Callable[..., Place]:
    return lambda name="here", **keys: Place(tmp_path / name, bars, **keys)


def test_what_passes_is_promoted_at_half_risk_once_and_rolled_back_to_the_byte(make_place):
    place = make_place()
    before = (place.root / "config.yaml").read_bytes()
    code, decision = place.recalibrate("--dry-run")
    assert (code, decision["outcome"]) == (0, "passed (dry run)")
    assert (place.root / "config.yaml").read_bytes() == before
    code, decision = place.recalibrate()
    assert (code, decision["failed"]) == (0, [])
    assert decision["outcome"].startswith("promoted")
    values = decision["values"]
    assert {name: place.parameters()[name] for name in values} == values
    (restriction,) = RestrictionFolder(place.root / "state", None).standing().restrictions  # type: ignore[arg-type]
    assert (restriction.strategy, restriction.scale) == ("mean_reversion", 0.5)
    begun, done = place.journal(RecordKind.PARAMETERS)
    assert (begun["step"], done["step"]) == ("begun", "done")
    assert done["evidence_sha256"] == decision["evidence_sha256"]
    assert len(done["probation"]["low"]) == 20
    # The same again: other configuration, same candidates; nothing is left to promote, and no trial is counted twice.
    code, again = place.recalibrate()
    assert (code, again["outcome"]) == (0, "passed, and these are the parameters in use")
    ledger = next(one["sentence"] for one in again["verdicts"] if one["rule"] == "trial ledger")
    assert "4 trials of this study and 0 others" in ledger
    # Other parameters pass as well, but those on probation are not what a rollback should ever bring back.
    promoted, noted = (place.root / "config.yaml").read_bytes(), place.journal(RecordKind.PARAMETERS)
    code, other = place.recalibrate(
        "--no-html", "--strategy", "mean_reversion", "--grid", "mean_reversion.window=4,5", *GRID[2:]
    )
    assert (code, other["failed"]) == (3, [])
    assert "not promoted: mean_reversion is restricted by probation.mean_reversion" in other["outcome"]
    assert (place.root / "config.yaml").read_bytes() == promoted
    assert place.journal(RecordKind.PARAMETERS) == noted
    code, _output, log = place.call("--rollback", "mean_reversion", "--reason", "a test", "--json")
    assert code == 0, log
    assert (place.root / "config.yaml").read_bytes() == before
    assert place.call("--rollback", "mean_reversion", "--reason", "again")[0] == 2


def test_the_page_shows_the_decision_line_by_line_and_loads_nothing(make_place):
    place = make_place()
    _code, decision = place.recalibrate("--dry-run")
    page = Path(decision["report"]).read_text()
    for verdict in decision["verdicts"]:
        assert verdict["rule"] in page
    assert decision["evidence_sha256"][:16] in page
    assert "default-src 'none'" in page


def test_killed_at_any_durable_moment_it_goes_on_and_ends_like_one_that_was_not(make_place):
    whole, place = make_place("whole"), make_place("killed")
    _code, expected = whole.recalibrate("--no-html")
    old = (place.root / "config.yaml").read_bytes()
    new = (whole.root / "config.yaml").read_bytes()
    killed = 0
    for moment in range(300):
        if not run_killed_at(moment, lambda: _succeed(place)):
            break
        killed += 1
        assert (place.root / "config.yaml").read_bytes() in {old, new}
    assert killed > 20
    assert (place.root / "config.yaml").read_bytes() == new
    done = [one for one in place.journal(RecordKind.PARAMETERS) if one["step"] == "done"]
    assert len(done) == 1
    assert done[0]["evidence_sha256"] == expected["evidence_sha256"]


def _succeed(place: Place) -> None:
    code, _found = place.recalibrate("--no-html")
    assert code == 0


def test_a_ledger_that_was_removed_or_cut_after_a_decision_refuses(make_place):
    place = make_place()
    place.recalibrate("--dry-run", "--no-html")
    state = place.root / "state"
    for path in state.glob("trials.db*"):
        path.unlink()
    code, decision = place.recalibrate("--dry-run", "--no-html")
    assert (code, decision["failed"]) == (3, ["trial ledger", "deflated Sharpe ratio", "overfitting"])
    # Other trials make it long again, but not the one that the decision has seen.
    place.recalibrate("--dry-run", "--no-html", "--set", "sizing.risk_per_trade=0.02")
    code, decision = place.recalibrate("--dry-run", "--no-html")
    assert code == 3
    sentence = next(one["sentence"] for one in decision["verdicts"] if one["rule"] == "trial ledger")
    assert "missing: it was cut or replaced" in sentence


def test_a_journal_of_governance_that_does_not_hold_stops_everything(make_place):
    place = make_place()
    place.recalibrate("--dry-run", "--no-html")
    with sqlite3.connect(place.root / "state" / "governance.db") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE records SET payload = replace(payload, 'true', 'false')")
    code, _output, log = place.call("--strategy", "mean_reversion", *GRID)
    assert code == 2
    assert "does not hold" in log


def test_the_mandate_as_it_stands_refuses_daily_bars_without_a_parity_check(make_place):
    code, decision = make_place(mandate={"monte_carlo": {"paths": 200, "jitter_paths": 4}}).recalibrate(
        "--no-html"
    )
    assert code == 3
    assert {"bar size", "age of the data", "parity"} <= set(decision["failed"])
    assert decision["outcome"] == "refused"


def test_too_short_a_history_is_no_evidence(make_place):
    code, decision = make_place().recalibrate("--no-html", "--dry-run", "--start", "2019-01-02")
    assert code == 3
    assert "sessions are too few" in decision["verdicts"][0]["sentence"]
    told = {"parity", "bar size", "age of the data"}
    assert all(not one["passed"] for one in decision["verdicts"] if one["rule"] not in told)


@pytest.mark.parametrize("cheat", range(len(CHEATS)))
def test_strategies_that_look_ahead_are_caught_by_the_guards(make_place, bars: Path, cheat: int):
    place = make_place()
    # One of them reads the prices beside its own file.
    (place.root / "cheat.py").write_text(CHEATS[cheat])
    (place.root / "bars").symlink_to(bars)
    strategy = f"{place.root / 'cheat.py'}:cheat"
    assert place.call("--strategy", strategy)[0] == 2
    code, decision = place.recalibrate(
        "--strategy", strategy, "--grid", "cheat.hold=1,2", "--dry-run", "--no-html"
    )
    assert code == 3
    assert "bias guards" in decision["failed"]


def test_only_one_works_at_a_time_and_wrong_words_are_refused_as_usage(make_place):
    place = make_place()
    from core.locks import InstanceLock

    with InstanceLock(place.root / "state" / "governance.lock"):
        assert place.call("--strategy", "mean_reversion", *GRID)[0] == 5
    assert place.call("--rollback", "mean_reversion")[0] == 2
    for loophole in (
        ["--set", "backtest.slippage_bps=0"],
        ["--mandate", str(place.root / FILE_NAME)],
        ["--symbols", "AAA"],
        ["--start", "2010-01-04"],
        ["--end", "2020-06-30"],
    ):
        code, _output, log = place.call("--strategy", "mean_reversion", *GRID, *loophole)
        assert code == 2
        assert "add --dry-run" in log
    assert not (place.root / "state" / "trials.db").exists()
    assert place.call("--strategy", "no_such_thing")[0] == 2
    (place.root / FILE_NAME).write_text("luck:\n  min_deflated_sharpe: 7\n")
    code, _output, log = place.call("--strategy", "mean_reversion", *GRID)
    assert (code, "line 2" in log) == (2, True)


def test_every_look_at_other_data_makes_the_same_candidates_count_once_more(make_place):
    place = make_place()

    def trials_after(*looks: str) -> dict[str, Any]:
        if looks:
            place.recalibrate("--dry-run", "--no-html", *looks)
        _code, decision = place.recalibrate("--dry-run", "--no-html")
        document = json.loads((Path(decision["folder"]) / "search.json").read_bytes())["body"]
        sentences = {one["rule"]: one["sentence"] for one in decision["verdicts"]}
        found = re.search(r"tried on: (\d+)\)", sentences["trial ledger"])
        counted = re.search(r"what ([\d,]+) independent trials", sentences["deflated Sharpe ratio"])
        assert found is not None
        assert counted is not None
        expected = document["independent"] * (1 + int(found[1]))
        assert int(counted[1]) == pytest.approx(expected, abs=0.51)
        return {"others": int(found[1])}

    assert trials_after() == {"others": 0}
    assert trials_after("--end", "2020-06-30") == {"others": 0}  # as half a year ago
    assert trials_after("--symbols", "AAA") == {"others": 1}
    assert trials_after("--symbols", "AAA", "--set", "sizing.stop_kind=fixed") == {"others": 1}
    assert trials_after("--symbols", "BBB") == {"others": 2}
    assert trials_after("--start", "2006-01-03") == {"others": 3}
    assert trials_after("--start", "2006-01-03", "--symbols", "BBB") == {"others": 4}


def test_a_promotion_needs_every_symbol_that_is_traded(make_place):
    place = make_place()
    write_config(place.root / "config.yaml", ["AAA", "BBB", "CCC"])
    code, _output, log = place.call("--strategy", "mean_reversion", *GRID)
    assert (code, "CCC" in log) == (2, True)
    assert place.recalibrate("--dry-run", "--no-html")[0] == 0


def test_evidence_on_more_symbols_than_are_traded_is_that_of_those_that_are(make_place):
    place = make_place()
    write_config(place.root / "config.yaml", ["BBB"])
    code, decision = place.recalibrate("--no-html")
    assert (code, decision["symbols"]) == (0, ["BBB"])


def test_the_command_itself_says_how_it_is_used():
    done = subprocess.run(
        [sys.executable, "run_recalibration.py", "--help"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert "exit codes:" in done.stdout
