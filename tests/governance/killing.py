"""Code that is killed by a real SIGKILL at one of the moments at which it has done, or is about to do, something durable."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.journal import Journal


def run_killed_at(moment: int, work: Callable[[], object]) -> bool:
    """Do ``work`` in a child that is killed at its ``moment``-th point; say whether it was killed before its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _arm(moment)
            work()
            status = 0
        finally:
            os._exit(status)
    _pid, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the child failed"
    return False


def kill_when(reached: Callable[[], bool], work: Callable[[], object], again: Callable[[], object]) -> None:
    """Do ``work``, each time killed a moment later, and ``again`` in between, until what it left is what a test wants."""
    for moment in range(200):
        run_killed_at(moment, work)
        if reached():
            return
        again()
    raise AssertionError("it was never left like that")


def _arm(moment: int) -> None:
    passed = 0

    def point() -> None:
        nonlocal passed
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **keys: Any) -> Any:
            point()
            result = original(*args, **keys)
            point()
            return result

        return call

    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "mkdir"), (Journal, "append")):
        setattr(owner, name, watched(getattr(owner, name)))
