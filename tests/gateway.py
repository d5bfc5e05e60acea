"""A paper gateway as a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import DEADLINE_S, wait_for

ROOT = Path(__file__).resolve().parents[1]
_LISTENING = re.compile(rb"^listening on 127\.0\.0\.1:(\d+)\n", re.MULTILINE)


class Gateway:
    """One ``python -m paper_gateway``; started again it listens on the same port.

    Its output goes to a file: a pipe that nobody reads would stop it some day.
    """

    def __init__(self, *options: object) -> None:
        self._options = [str(option) for option in options]
        self._folder = tempfile.TemporaryDirectory(prefix="backstop-gateway-")
        self._output = Path(self._folder.name) / "output"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> None:
        """Start; somebody may hold the old port for a moment, as an outgoing one."""
        wait_for(self._try_to_start, "a gateway that listens")

    def _try_to_start(self) -> bool:
        command = [sys.executable, "-m", "paper_gateway", "--port", str(self.port), *self._options]
        with self._output.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        self._process = process
        wait_for(lambda: _LISTENING.search(self.output()) or process.poll() is not None, "the gateway")
        match = _LISTENING.search(self.output())
        if match is None:
            assert self.port, f"the gateway did not start:\n{self.output().decode()}"
            return False
        self.port = int(match.group(1))
        return True

    def output(self) -> bytes:
        """What it has printed since it was started."""
        return self._output.read_bytes()

    def send(self, number: signal.Signals) -> None:
        """Signal it."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it gracefully; it must have lived until now and complain of nothing."""
        process = self._process
        assert process is not None
        said = process.poll()
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            code = process.wait(DEADLINE_S)
        finally:
            process.kill()
        text = self.output().decode()
        assert said is None, f"the gateway died, {said}:\n{text}"
        assert code == 0, text
        assert "Traceback" not in text, text

    def close(self) -> None:
        """Leave nothing behind, whatever has happened."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


@contextmanager
def running_gateway(*options: object) -> Iterator[Gateway]:
    """Start a gateway on a free port; it is stopped, and looked at, when the block ends well."""
    gateway = Gateway(*options)
    try:
        gateway.start()
        yield gateway
        gateway.stop()
    finally:
        gateway.close()
