"""What is started with which arguments and environment."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from core.atomic_file import write_atomic
from core.config_loader import LoadedSettings
from core.config_schema import Settings
from core.errors import BackstopError
from core.identity import IPC_KEY_VARIABLE, RUN_ID_VARIABLE, new_run_id
from scripts.child import Child
from scripts.options import PaperOptions

PACKAGED_START = dt.date(2012, 10, 1)
"""First session of a replay of the packaged prices, unless another is asked for: all five symbols trade by then."""

# Orders a minute are counted in minutes of the wall clock, of which a replay has one for days of trading: what it decides
# would depend on the machine's speed. A value given in the environment stands.
_UNPACED = {
    "BACKSTOP__EXECUTION__PRETRADE__MAX_ORDERS_PER_MINUTE": "3000",
    "BACKSTOP__EXECUTION__PRETRADE__MAX_REPEATS": "1000",
    "BACKSTOP__RISK__ORDER_RATE__MAX_PER_MINUTE": "10000",
}


class FolderProblem(BackstopError):
    """A run-time folder can't be used; the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Names and folders of one run; every process of it agrees on them."""

    run_id: str
    root: Path
    config: Path
    state: Path
    control: Path
    logs: Path
    flags: Path
    results: Path
    is_paper: bool
    started_ns: int
    kept_config: Path | None = None

    @property
    def gateway_status(self) -> Path:
        """File in which the paper gateway says how far the replay is."""
        return self.state / "gateway_status.json"

    def console(self, name: str) -> Path:
        """File that takes the terminal text of process ``name``."""
        return self.logs / f"{name}.console.log"


def plan_run(loaded: LoadedSettings, config: Path, *, paper: bool) -> Run:
    """Choose the run id and the folders, and make those that are missing.

    Raises
    ------
    FolderProblem
        When one can't be made or written to.
    """
    folders, run_id = loaded.folders, new_run_id()
    # A fresh paper account has a fresh book; that of a broker's account goes on from run to run.
    state = paper_state(loaded.root, run_id) if paper else folders.state
    run = Run(
        run_id=run_id,
        root=loaded.root,
        config=config,
        state=state,
        control=folders.control,
        logs=folders.logs,
        flags=folders.flags,
        results=folders.results,
        is_paper=paper,
        started_ns=time.time_ns(),
    )
    # Not the flags folder: where that is missing, nobody may trade.
    for folder in (run.state, run.control, run.logs, run.results):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            usable = os.access(folder, os.W_OK | os.X_OK)
        except OSError as error:
            raise FolderProblem(f"the folder {folder} can't be made: {error.strerror}") from error
        if not usable:
            raise FolderProblem(f"the folder {folder} can't be written to")
    return run


def paper_state(root: Path, run_id: str) -> Path:
    """Folder of a paper run's state."""
    return root / "state" / "paper" / run_id


def keep_config(run: Run) -> Run:
    """Keep the configuration as it is now: what is edited later counts from the next run on, not from a restart.

    Raises
    ------
    FolderProblem
        When it can't be kept.
    """
    kept = run.state / "run_config.yaml"
    try:
        write_atomic(kept, run.config.read_bytes())
    except OSError as error:
        raise FolderProblem(f"the configuration can't be kept in {run.state}: {error.strerror}") from error
    return replace(run, kept_config=kept)


def build_environment(
    run: Run, base: Mapping[str, str], *, port: int | None, symbols: tuple[str, ...]
) -> dict[str, str]:
    """Environment of ``main.py`` and ``risk_monitor.py``.

    Parameters
    ----------
    run
        The run.
    base
        Environment of the supervisor; its own ``BACKSTOP_IPC_KEY`` is kept if there is one.
    port
        Port of the paper gateway; None leaves the configured broker.
    symbols
        Symbols to trade instead of the configured ones; empty keeps those.
    """
    environment = dict(base)
    environment[RUN_ID_VARIABLE] = run.run_id
    environment.setdefault(IPC_KEY_VARIABLE, secrets.token_hex(32))
    environment["PYTHONUNBUFFERED"] = "1"
    if port is not None:
        environment |= {
            "BACKSTOP__MODE": "paper",
            "BACKSTOP__ACCOUNT_ID": paper_account(run.run_id),
            "BACKSTOP__BROKER__HOST": "127.0.0.1",
            "BACKSTOP__BROKER__PORT": str(port),
            "BACKSTOP__PATHS__STATE": str(run.state.relative_to(run.root)),
        }
        environment = _UNPACED | environment
    if symbols:
        environment["BACKSTOP__UNIVERSE__SYMBOLS"] = f"[{', '.join(symbols)}]"
    return environment


def paper_account(run_id: str) -> str:
    """Account id of a paper run: its own, because the watchdog keeps the peak equity of each account for ever."""
    return f"DU{int(run_id[:8], 16):010d}"


def build_gateway(
    run: Run, paper: PaperOptions, settings: Settings, symbols: tuple[str, ...], base: Mapping[str, str]
) -> Child:
    """Describe the embedded paper gateway."""
    arguments = [
        sys.executable, "-m", "paper_gateway",
        "--port", str(paper.port),
        "--symbols", *symbols,
        "--sessions", str(paper.sessions),
        "--speed", paper.speed,
        "--account", paper_account(run.run_id),
        "--account-type", settings.caps.account_type,
        "--bar-boundary", str(settings.bars.size_s),
        "--status-file", str(run.gateway_status),
        "--barrier",
        "--wait-for-client",
    ]  # fmt: skip
    if paper.fill_model == "bar":
        arguments += _bar_model(settings)
    # The packaged prices begin years before the youngest of the symbols does.
    start = paper.start or (None if paper.data else PACKAGED_START)
    optional = {"--start": start, "--data": paper.data, "--seed": paper.seed, "--cash": paper.cash}
    for option, value in optional.items():
        if value is not None:
            arguments += [option, str(value)]
    return _child(run, "gateway", arguments, base)


def _bar_model(settings: Settings) -> list[str]:
    """Arguments with which the gateway fills as a backtest of the same configuration assumes."""
    assumed = settings.backtest
    return [
        "--fill-model", "bar",
        "--half-spread-bps", str(assumed.half_spread_bps),
        "--slippage-bps", str(assumed.slippage_bps),
        "--impact-bps", str(assumed.impact_bps),
        "--participation", str(assumed.fill_participation),
        "--commission", assumed.commission,
    ]  # fmt: skip


def build_watchdog(run: Run, environment: Mapping[str, str], descriptors: Sequence[int] = ()) -> Child:
    """Describe the risk watchdog; it inherits ``descriptors``. Each restart reads the configuration that the run has kept."""
    config = run.kept_config or run.config
    arguments = [sys.executable, "risk_monitor.py", "--config", str(config), "--root", str(run.root)]
    return _child(run, "risk_monitor", arguments, environment, descriptors)


def build_main(run: Run, environment: Mapping[str, str], descriptors: Sequence[int] = ()) -> Child:
    """Describe the trading process; it inherits ``descriptors``."""
    arguments = [sys.executable, "main.py", "--config", str(run.config)]
    return _child(run, "main", arguments, environment, descriptors)


def build_cost_log(run: Run, base: Mapping[str, str]) -> Child | None:
    """Describe the process that keeps the TCA database from main's journal; None where DuckDB isn't installed.

    Nothing that trades knows of it or waits for it.
    """
    if find_spec("duckdb") is None:
        return None
    journal, database = run.state / "main.db", run.results / "tca_log.duckdb"
    arguments = [
        sys.executable,
        "-m",
        "tca",
        "follow",
        "--journal",
        str(journal),
        "--database",
        str(database),
    ]
    return _child(run, "tca", arguments, base)


def build_panel(run: Run, base: Mapping[str, str], *, plain: bool, said: int) -> Child:
    """Describe the panel: a process of its own, so that a terminal that blocks never holds up the supervisor.

    ``said`` is how many bytes of the supervisor's own lines stand on the terminal already.
    """
    arguments = [sys.executable, "-m", "dashboard", "--logs", str(run.logs), "--run-id", run.run_id]
    arguments += ["--system-from", str(said)]
    if run.is_paper:
        arguments += ["--gateway-status", str(run.gateway_status)]
    if plain:
        arguments.append("--plain")
    return Child("panel", arguments, environment=base, folder=_code_folder(), console=None)


def _child(
    run: Run,
    name: str,
    arguments: list[str],
    environment: Mapping[str, str],
    descriptors: Sequence[int] = (),
) -> Child:
    return Child(
        name,
        arguments,
        environment=environment,
        folder=_code_folder(),
        console=run.console(name),
        descriptors=descriptors,
    )


def _code_folder() -> Path:
    return Path(__file__).resolve().parent.parent
