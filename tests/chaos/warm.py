"""A stage whose watchdogs and mains are forked from a process that has their libraries: a start's own work, without its imports."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import cast

from tests.risk.stage import ROOT, Stage

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["risk_monitor", "tests.risk.peer"])


class WarmStage(Stage):
    """Every process is a real one, with its own pid, sockets, locks and journal; only the half second of imports is spared."""

    def spawn(self, *command: str, name: str) -> subprocess.Popen[bytes]:
        match command:
            case "risk_monitor.py", *arguments:
                module = "risk_monitor"
            case "-m", "tests.risk.peer", *arguments:
                module = "tests.risk.peer"
            case _:
                return super().spawn(*command, name=name)
        output = self.folder / f"{name}.out"
        output.touch()
        # What the stage asks of a process (poll, wait, signals) is the same for both.
        process = cast(
            "subprocess.Popen[bytes]",
            _Forked(module, arguments, self.environment, output),
        )
        self.processes.append(process)
        return process


class _Forked:
    """A forked process with the methods of Popen that a stage uses."""

    def __init__(
        self, module: str, arguments: list[str], environment: Mapping[str, str], output: Path
    ) -> None:
        self._process: ForkServerProcess = _FORKS.Process(
            target=_become, args=(module, arguments, dict(environment), output)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _become(module: str, arguments: list[str], environment: dict[str, str], output: Path) -> None:
    """In the fork: take on the environment, the output and the command line of a process of its own, and run it."""
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    sys.exit(importlib.import_module(module).main(arguments))
