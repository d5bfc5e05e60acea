"""One run of the study: a folder with a configuration, a mandate and a market, and the command that an operator types."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from backtester.search.identity import code_sha256
from core.atomic_file import write_atomic
from core.canonical import dump
from governance.command import CLEAN, REFUSED, main
from governance.mandate import FILE_NAME, load_mandate
from governance.study.markets import CHEATS, Spec, World, write_market

ROOT: Final = Path(__file__).resolve().parents[2]
GRID: Final = ("mean_reversion.window=3..22", "mean_reversion.oversold=20..44")
CONFIGURATIONS: Final = 500
_CHEAT_GRID: Final = ("cheat.hold=1,2",)
_CHEAT_SYMBOLS: Final = 2
_PRESENTATION: Final = ("page.py", "report.py", "study/__main__.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the study runs.

    Attributes
    ----------
    runs
        How many of each world.
    changes
        Keys of the mandate that the study changes: simulated daily bars have no parity check, and are not of the traded size.
    spec
        How markets are made.
    first_seed
        Seeds count from here.
    """

    runs: Mapping[World, int]
    changes: Mapping[str, Mapping[str, object]]
    spec: Spec
    first_seed: int = 1

    def identity(self) -> str:
        """Hash of everything that a run's outcome depends on besides its world and seed."""
        here = {
            path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((ROOT / "governance").rglob("*.py"))
            if not path.as_posix().endswith(_PRESENTATION)
        }
        return hashlib.sha256(
            dump(
                {
                    "code": code_sha256(),
                    "governance": here,
                    "spec": asdict(self.spec),
                    "changes": self.changes,
                    "mandate": load_mandate(ROOT / FILE_NAME).sha256,
                    "grid": GRID,
                }
            ).encode()
        ).hexdigest()


def study_changes(paths: int, jitter_paths: int) -> dict[str, dict[str, object]]:
    """Say what the study changes in the mandate, besides the sizes of the Monte Carlo: simulated bars are daily and end in 2020."""
    return {
        "parity": {"required": False},
        "bars": {"same_size": False, "max_age_days": 36_500},
        "monte_carlo": {"paths": paths, "jitter_paths": jitter_paths},
        "probation": {"paths": paths},
    }


def run_one(world: World, seed: int, plan: Plan) -> dict[str, Any]:
    """Recalibrate on one market; return what came of it."""
    with tempfile.TemporaryDirectory(prefix="governance-") as name:
        folder = Path(name)
        _write_mandate(plan, folder / FILE_NAME)
        spec = plan.spec
        if world is World.CHEAT:
            spec = Spec(**{**asdict(spec), "symbols": _CHEAT_SYMBOLS})
        write_market(world, seed, spec, folder / "bars")
        write_config(folder / "config.yaml", [path.stem for path in (folder / "bars").iterdir()])
        words = [
            "--config",
            str(folder / "config.yaml"),
            "--data",
            str(folder / "bars"),
            "--json",
            "--no-html",
        ]
        words += ["--set", "backtest.cash=100000"]
        if world is World.CHEAT:
            (folder / "cheat.py").write_text(CHEATS[seed % len(CHEATS)])
            words += ["--strategy", f"{folder / 'cheat.py'}:cheat", "--dry-run"]
            words += [f"--grid={one}" for one in _CHEAT_GRID]
        else:
            words += ["--strategy", "mean_reversion", *(f"--grid={one}" for one in GRID)]
        before = (folder / "config.yaml").read_bytes()
        output, log = io.StringIO(), io.StringIO()
        with redirect_stdout(output), redirect_stderr(log):
            code = main(words)
        if code not in {CLEAN, REFUSED}:
            raise RuntimeError(f"{world} {seed}: exit code {code}: {log.getvalue()[-2000:]}")
        found = json.loads(output.getvalue())
        changed = (folder / "config.yaml").read_bytes() != before
        figures = {one["rule"]: one["figure"] for one in found["verdicts"]}
        guards = next(one["sentence"] for one in found["verdicts"] if one["rule"] == "bias guards")
    return {
        "world": world.value,
        "seed": seed,
        "passed": found["passed"],
        "promoted": changed,
        "failed": found["failed"],
        "candidates": found["candidates"],
        "values": found["values"],
        "figures": figures,
        "guards": guards,
    }


def write_config(path: Path, symbols: Iterable[str]) -> None:
    """Write the configuration with another universe, for only its symbols can be evidence."""
    universe = f"  symbols: [{', '.join(sorted(symbols))}]"
    text, count = re.subn(r"(?m)^  symbols: .*$", universe, (ROOT / "config.yaml").read_text())
    if count != 1:
        raise RuntimeError("config.yaml: universe.symbols isn't where it was")
    path.write_text(text)


def _write_mandate(plan: Plan, path: Path) -> None:
    values = load_mandate(ROOT / FILE_NAME).model_dump(mode="json")
    for section, keys in plan.changes.items():
        values[section] |= keys
    write_atomic(path, yaml.safe_dump(values, sort_keys=False).encode())
