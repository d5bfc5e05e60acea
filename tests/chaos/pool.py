"""Units at once, each in a process of its own: one that crashes or hangs is a failure of itself only."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from tests.chaos.outcome import Outcome, from_document

ROOT = Path(__file__).resolve().parents[2]
_LONGEST_S = 900.0
Name = tuple[str, int]
"""Row and seed."""


def play(row: str, seed: int, keep: Path, live: set[subprocess.Popen[bytes]]) -> Outcome:
    """Play one unit in a process and a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="backstop-chaos-", ignore_cleanup_errors=True) as folder:
        said = Path(folder) / "said.txt"
        with said.open("wb") as output:
            command = [sys.executable, "-m", "tests.chaos.unit", row, str(seed), folder, str(keep)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
            live.add(process)
            try:
                process.wait(_LONGEST_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            finally:
                live.discard(process)
        result = Path(folder) / "outcome.json"
        if result.exists():
            return from_document(json.loads(result.read_text()))
        text = said.read_text(errors="replace")[-3000:]
        return Outcome(
            runs=1, failures=1, errors=[f"{row} seed {seed} ended with {process.returncode}:\n{text}"]
        )


def play_all(
    units: Sequence[Name], *, jobs: int, keep: Path, minutes: float | None
) -> Iterator[tuple[Name, Outcome]]:
    """Play units, ``jobs`` at once; after ``minutes`` none begins any more."""
    began, left = time.monotonic(), iter(units)
    running: dict[Future[Outcome], Name] = {}
    live: set[subprocess.Popen[bytes]] = set()
    with ThreadPoolExecutor(jobs) as pool:

        def fill() -> None:
            while len(running) < jobs and (minutes is None or time.monotonic() - began < minutes * 60):
                following = next(left, None)
                if following is None:
                    return
                running[pool.submit(play, *following, keep, live)] = following

        try:
            fill()
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
                fill()
        finally:
            for process in list(live):
                process.terminate()
