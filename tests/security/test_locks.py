"""The locks, offline: complete, pinned, hashed, of one mind, and of licences that a user may accept."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
RUNTIME = ROOT / "requirements.lock"
# The peers of `make bench` have environments of their own.
SHARED = [path for path in LOCKS if "peers" not in path.name]
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==([^\s;\\]+)(\s*;[^\\]*)?\s*(\\)?")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
_COPYLEFT = re.compile(r"\b(AGPL|GPL|Affero)\b|GNU General Public", re.IGNORECASE)


def pinned(path: Path) -> dict[str, str]:
    """Versions by normalised name, each line checked on the way."""
    found: dict[str, str] = {}
    blocks = re.split(r"\n(?=[A-Za-z0-9])", path.read_text())
    for block in blocks:
        lines = [line for line in block.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if not lines:
            continue
        match = _REQUIREMENT.match(lines[0])
        assert match, f"{path.name}: {lines[0]!r} is not pinned"
        assert len(_HASH.findall(block)) >= 1, f"{path.name}: {match[1]} has no hash"
        assert all(_HASH.search(line) for line in lines[1:]), f"{path.name}: odd lines under {match[1]}"
        found[f"{normal(match[1])}{(match[4] or '').strip()}"] = match[3]
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_is_pinned_to_one_version_with_its_hashes(path: Path) -> None:
    assert pinned(path)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_no_lock_says_where_packages_come_from(path: Path) -> None:
    text = path.read_text()
    assert not re.search(
        r"^\s*(-i|--index-url|--extra-index-url|--find-links|-f)\b|https?://", text, re.MULTILINE
    )


def test_the_smaller_locks_are_parts_of_the_larger_ones() -> None:
    development = pinned(ROOT / "requirements-dev.lock")
    for path in SHARED:
        for name, version in pinned(path).items():
            same = {
                key: one
                for key, one in development.items()
                if normal(key.split(";")[0]) == name.split(";")[0]
            }
            assert version in same.values(), f"{path.name}: {name} {version}, in the development lock {same}"


def test_the_locks_cover_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = {normal(re.split(r"[\s\[<>=!~;]", one)[0]) for one in project["project"]["dependencies"]}
    assert asked <= {name.split(";")[0] for name in pinned(RUNTIME)}
    for name in project["dependency-groups"]["dev"]:
        if isinstance(name, str):
            wanted = normal(re.split(r"[\s\[<>=!~;]", name)[0])
            assert any(key.split(";")[0] == wanted for key in pinned(ROOT / "requirements-dev.lock")), wanted


def test_nothing_that_trades_is_under_a_licence_that_would_bind_the_project() -> None:
    """As far as packages say: a licence expression, or the classifiers."""
    for name in pinned(RUNTIME):
        try:
            about = metadata.metadata(name.split(";")[0])
        except metadata.PackageNotFoundError:
            continue  # of another platform
        said = [" ".join(about.get_all("License-Expression") or []), *(about.get_all("Classifier") or [])]
        licences = [one for one in said if one.startswith("License ::") or one == said[0]]
        binding = [
            one for one in licences if _COPYLEFT.search(one) and "Lesser" not in one and "LGPL" not in one
        ]
        assert binding == [], f"{name}: {binding}"
