"""Which code is running, for the journal: the commit, and whether files differ from it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_TIMEOUT_S = 5.0
_PROJECT = Path(__file__).resolve().parent.parent


def code_version(root: Path = _PROJECT) -> str:
    """Commit of the checkout at ``root``, ``+changed`` when tracked files differ; ``unknown`` outside of one."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return "unknown"
    commit = _run(git, root, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return "unknown"
    return commit + ("+changed" if _run(git, root, "status", "--porcelain", "--untracked-files=no") else "")


def _run(git: str, root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (fixed arguments, git from the PATH)
            [git, "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
