"""What ``run_system.sh`` runs: checks before a start, the run itself, and the questions about a running system."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from core.atomic_file import write_atomic
from core.config_loader import LoadedSettings, load_settings
from core.errors import AlreadyRunning, BackstopError, ConfigError
from core.exit_codes import ExitCode
from core.flags import HOW_TO_REARM, FlagFolder
from core.locks import InstanceLock
from core.private_files import keep_others_from_writing
from dashboard.sources import GatewayView, read_gateway_status
from dashboard.view import format_market_date
from scripts import control, launch
from scripts.child import Child, wait_for_text
from scripts.flight_recorder import FlightRecorder
from scripts.options import Action, Options, PaperOptions, UsageError, parse
from scripts.supervisor import KILL_S, Outcome, Supervisor, block_signals, is_stop_pending, unblock_signals
from scripts.terminal import tell

ROOT = Path(__file__).resolve().parent.parent
_GATEWAY_START_S = 60.0
_STOPPED_EARLY = "asked to stop before trading was started"


class _Announcer:
    """Says things to the operator: on the terminal while no panel owns it, and always in ``system.console.log``.

    A file that can't be written (a full disk) keeps nobody from working: then the terminal has to do.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with suppress(OSError):
            write_atomic(file, b"", durable=False)
        self.to_terminal = True

    @property
    def size(self) -> int:
        """Bytes said so far; the panel shows what comes after them."""
        try:
            return self._file.stat().st_size
        except OSError:
            return 0

    def __call__(self, text: str) -> None:
        stamp = dt.datetime.now(dt.UTC).strftime("%H:%M:%S")
        is_written = False
        with suppress(OSError), self._file.open("a", encoding="utf-8") as file:
            file.write(f"{stamp} {text}\n")
            file.flush()
            is_written = True
        if self.to_terminal or not is_written:  # the panel would have shown it from the file
            tell(f"{stamp} {text}")


def main(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    keep_others_from_writing()
    try:
        options = parse(arguments, ROOT)
        if options.action is Action.RUN:
            block_signals()
            code = _call("scripts.check_config", "--config", str(options.config))
            if code != ExitCode.CLEAN:
                return code
        else:
            unblock_signals()
        loaded = load_settings(options.config, os.environ)
    except UsageError as error:
        print(f"run_system.sh: {error}\nTry ./run_system.sh --help", file=sys.stderr)
        return ExitCode.USAGE
    except ConfigError as error:
        print("\n".join(("The configuration can't be used:", *error.problems)), file=sys.stderr)
        return ExitCode.USAGE
    return _perform(loaded, options)


def _perform(loaded: LoadedSettings, options: Options) -> int:
    match options.action:
        case Action.STATUS:
            return control.show_status(loaded)
        case Action.STOP:
            return control.stop_running(loaded)
        case Action.REARM:
            return control.rearm(loaded, options, ROOT)
        case Action.SUMMARY:
            return _call("scripts.summary", "--run", str(control.latest_run_file(loaded)))
        case Action.RUN:
            return _run(loaded, options)


def _run(loaded: LoadedSettings, options: Options) -> int:
    try:
        with InstanceLock(loaded.folders.control / "system.lock") as lock:
            kill = control.unfinished_kill(loaded)
            if kill is not None:
                refusal = control.describe_other_login(loaded, kill)
                if kill.is_paper or options.paper is not None:
                    refusal = control.describe_unfinished(kill)
                if refusal is None:
                    return _complete_kill(loaded, options, lock, kill)
                print(f"Refused to start: {refusal}", file=sys.stderr)
                return ExitCode.REFUSED_KILL_FLAG
            flag_text = control.describe_standing_flag(FlagFolder(loaded.folders.flags))
            if flag_text is not None:
                advice = FlagFolder(loaded.folders.flags).present().remedy
                print(f"Refused to start: {flag_text}\n{advice}", file=sys.stderr)
                return ExitCode.REFUSED_KILL_FLAG
            return _run_locked(loaded, options, lock)
    except AlreadyRunning as error:
        print(f"Refused to start: Backstop already runs here: {error}", file=sys.stderr)
        return ExitCode.ALREADY_RUNNING
    except launch.FolderProblem as error:
        print(f"Refused to start: {error}", file=sys.stderr)
        return ExitCode.USAGE


def _complete_kill(
    loaded: LoadedSettings, options: Options, lock: InstanceLock, kill: control.UnfinishedKill
) -> int:
    """Start the watchdog alone, which ends the kill that was cut short; trading waits for a human, as after any kill."""
    run = launch.plan_run(loaded, options.config, paper=False)
    with suppress(OSError):  # a full disk does not keep a kill from its end
        lock.describe(run_id=run.run_id)
    with suppress(launch.FolderProblem):
        run = launch.keep_config(run)
    say = _Announcer(run.logs / "system.console.log")
    how = control.describe_completion(loaded, kill)
    say(f"kill {kill.kill_id} ({kill.reason}) was cut short: {how}; nothing is traded")
    environment = launch.build_environment(run, os.environ, port=None, symbols=())
    watchdog = launch.build_watchdog(run, environment)
    supervisor = Supervisor(
        run,
        gateway=None,
        watchdog=watchdog,
        main=launch.build_main(run, environment),
        death_s=0.0,
        say=say,
    )
    code: int = ExitCode.INTERNAL_ERROR
    try:
        code = supervisor.complete_kill()
    except (BackstopError, OSError) as error:
        say(f"the supervisor fails: {type(error).__name__}: {error}")
    finally:
        watchdog.stop(KILL_S)
    say(f"kill {kill.kill_id}: {control.describe_kill_end(loaded)}")
    if control.unfinished_kill(loaded) is None:
        say(HOW_TO_REARM)
    say(f"ended with exit code {int(code)}")
    return code


def _run_locked(loaded: LoadedSettings, options: Options, lock: InstanceLock) -> int:
    run = launch.keep_config(launch.plan_run(loaded, options.config, paper=options.paper is not None))
    lock.describe(run_id=run.run_id)
    say = _Announcer(run.logs / "system.console.log")
    latest = control.latest_run_file(loaded)
    children: list[Child] = []
    code: int = ExitCode.INTERNAL_ERROR
    try:
        code = _supervise(loaded, options, run, say, children)
    except (BackstopError, OSError) as error:
        say(f"the supervisor stops everything: {type(error).__name__}: {error}")
    finally:
        # Main before the others. After an orderly stop only the cost log is left: it reads what main wrote last, and ends.
        for child in reversed(children):
            child.stop(KILL_S if child.name == "risk_monitor" else 10.0)  # it ends a kill before itself
        say.to_terminal = True
    has_run = any(child.name == "main" and child.starts for child in children)
    if has_run and (options.paper is None or code in (ExitCode.CLEAN, ExitCode.HALTED)):
        # Whatever goes wrong there, the exit code of the run stands.
        _call("scripts.summary", "--run", str(latest))
    say(f"ended with exit code {int(code)}")
    return code


def _supervise(
    loaded: LoadedSettings, options: Options, run: launch.Run, say: _Announcer, children: list[Child]
) -> int:
    """Start everything, watch, stop everything. ``children`` grows by what was started, in this order."""
    settings = loaded.settings
    gateway: Child | None = None
    port: int | None = None
    if is_stop_pending():
        say(_STOPPED_EARLY)
        return ExitCode.CLEAN
    if options.paper is not None:
        symbols = options.paper.symbols or settings.universe.symbols
        gateway = launch.build_gateway(run, options.paper, settings, symbols, os.environ)
        children.append(gateway)
        port = _start_gateway(gateway, say)
        if port is None:
            return ExitCode.USAGE if gateway.exit_code == ExitCode.USAGE else ExitCode.INTERNAL_ERROR
        say(_describe_replay(options.paper, symbols, read_gateway_status(run.gateway_status)))
    if is_stop_pending():
        say(_STOPPED_EARLY)
        return ExitCode.CLEAN
    enabled = [strategy.name for strategy in settings.strategies if strategy.enabled]
    if not enabled:
        say("no strategy is enabled in the configuration: nothing will be traded")
    # Not earlier: a start that failed would hide the run before it from --summary.
    description = control.describe_run(run, enabled)
    write_atomic(control.latest_run_file(loaded), json.dumps(description).encode())
    environment = launch.build_environment(
        run, os.environ, port=port, symbols=options.paper.symbols if options.paper else ()
    )
    recorder = FlightRecorder(run, say)
    recorder.open_rings(("risk_monitor", "main"))
    watchdog = launch.build_watchdog(
        run,
        environment | recorder.environment("risk_monitor"),
        recorder.descriptors("risk_monitor"),
    )
    trader = launch.build_main(run, environment | recorder.environment("main"), recorder.descriptors("main"))
    children += [watchdog, trader]
    supervisor = Supervisor(
        run,
        gateway=gateway,
        watchdog=watchdog,
        main=trader,
        death_s=settings.risk.heartbeat.timeout_s + 7.0,
        say=say,
        recorder=recorder,
    )
    try:
        outcome, code = _watch(supervisor, run, options, say, children)
    finally:
        recorder.finish()
    if outcome.code != ExitCode.CLEAN and sys.stdout.isatty() and not options.plain:
        _show_last_lines((watchdog, trader))  # the panel cuts them off; plain lines have shown them already
    return code


def _watch(
    supervisor: Supervisor, run: launch.Run, options: Options, say: _Announcer, children: list[Child]
) -> tuple[Outcome, int]:
    """Start the two processes and what only looks on, watch, stop in order, also when the watching itself fails."""
    panel: Child | None = None
    try:
        try:
            supervisor.start()
            cost_log = launch.build_cost_log(run, os.environ)
            if cost_log is not None:
                children.append(cost_log)
                cost_log.start()
            panel = launch.build_panel(run, os.environ, plain=options.plain, said=say.size)
            say.to_terminal = False
            panel.start()
            outcome = supervisor.watch()
        except Exception as error:  # noqa: BLE001 - whatever it was, a kill must not be cut short
            text = f"the supervisor fails: {type(error).__name__}: {error}"
            outcome = Outcome(text=text, code=ExitCode.INTERNAL_ERROR)
        say(f"stopping: {outcome.text}")
        return outcome, supervisor.stop(outcome)
    finally:
        if panel is not None:
            panel.stop(3.0)
        say.to_terminal = True


def _start_gateway(gateway: Child, say: _Announcer) -> int | None:
    gateway.start()
    address = wait_for_text(gateway, "listening on ", _GATEWAY_START_S)
    if address is None:
        say("the paper gateway did not start:")
        for line in gateway.read_console().splitlines()[-25:]:
            tell(f"  {line.removeprefix('paper_gateway: ')}")
        return None
    return int(address.rpartition(":")[2])


def _show_last_lines(children: tuple[Child, ...]) -> None:
    for child in children:
        if child.exit_code not in (None, ExitCode.CLEAN, ExitCode.HALTED):
            tell(f"  last lines of {child.name}:")
            for line in child.read_console().splitlines()[-8:]:
                tell(f"    {line}")


def _describe_replay(paper: PaperOptions, symbols: tuple[str, ...], status: GatewayView) -> str:
    pace = "as fast as nothing is lost" if paper.speed == "max" else f"{paper.speed} market seconds a second"
    source = (
        f"bars of {paper.data}"
        if paper.data
        else "packaged daily prices (paths inside the day are simulated)"
    )
    first = format_market_date(status.market_ns)
    if paper.start is not None and first != paper.start.isoformat():
        first += f" (no session with prices on {paper.start})"
    count = f"{paper.sessions} session{'' if paper.sessions == 1 else 's'}"
    return f"replaying {count} from {first} on, {', '.join(symbols)}: {source}, {pace}"


def _call(module: str, *arguments: str) -> int:
    """Run one of our modules in a process of its own and return its exit code."""
    # No shell is involved, and the words come from our own parser.
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    return done.returncode
