"""The folder of a recalibration: a file a step, written whole or not at all, so that what was killed goes on where it was.

The folder is named by everything that the evidence depends on. A step's file holds a hash of its content; one that doesn't fit
is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backtester.validation.study_folder import plain
from core.atomic_file import write_atomic
from core.canonical import dump

Body = Mapping[str, Any]
"""What a step has found, as JSON knows it; NaN is null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFolder:
    """Steps that are done, and how to do others."""

    path: Path
    log: Callable[[str], None] = lambda _line: None

    def run(self, name: str, make: Callable[[], Body]) -> Body:
        """Return what a step found: from its file, or by doing it now."""
        found = self.read(name)
        if found is not None:
            self.log(f"{name}: done before")
            return found
        body = plain(make())
        assert isinstance(body, dict)
        self.path.mkdir(parents=True, exist_ok=True)
        document = {"step": name, "sha256": digest(body), "body": body}
        write_atomic(self._file(name), (json.dumps(document) + "\n").encode(), mode=0o644)
        self.log(f"{name}: done")
        return body

    def read(self, name: str) -> Body | None:
        """Return what a step found; None when it isn't done, or its file doesn't hold."""
        try:
            document = json.loads(self._file(name).read_bytes())
            body = document["body"]
            if document["step"] != name or document["sha256"] != digest(body):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        assert isinstance(body, dict)
        return body

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.json"


def digest(body: object) -> str:
    """SHA-256 of some plain content."""
    return hashlib.sha256(dump(body).encode()).hexdigest()
