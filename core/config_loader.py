"""From ``config.yaml`` and the environment to frozen settings, or to a list of everything that is wrong.

``BACKSTOP__BROKER__PORT=4001`` in the environment overrides ``broker.port``; the value is read as YAML and
checked like one of the file. A list item is named by its number (``BACKSTOP__STRATEGIES__0__ENABLED``).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.canonical import dump
from core.config_problems import Source, find_problems
from core.config_schema import PathSettings, Settings
from core.config_yaml import Plain, parse
from core.errors import ConfigError
from core.text import escape

OVERRIDE_PREFIX = "BACKSTOP__"
_MAX_BYTES = 1_000_000
_LINE = re.compile(r"\S+ line (\d+):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The run-time folders as absolute paths."""

    state: Path
    control: Path
    logs: Path
    flags: Path
    results: Path

    @classmethod
    def of(cls, root: Path, paths: PathSettings) -> Folders:
        """Folders of ``paths`` below ``root``; an absolute path stays what it is."""
        return cls(
            state=root / paths.state,
            control=root / paths.control,
            logs=root / paths.logs,
            flags=root / paths.flags,
            results=root / paths.results,
        )

    def make(self) -> None:
        """Make those that are missing, but for the flags: where that folder is lost, nobody may trade."""
        for folder in (self.state, self.control, self.logs, self.results):
            folder.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """Valid settings and where they came from.

    Parameters
    ----------
    settings
        The settings.
    root
        Folder of the file, unless another was given; the run-time folders are relative to it.
    sha256
        Hash of the effective settings, overrides included, whatever the file's layout.
    path
        The file.
    overrides
        Names of the environment variables that overrode something.
    """

    settings: Settings
    root: Path
    sha256: str
    path: Path
    overrides: tuple[str, ...] = ()

    @property
    def folders(self) -> Folders:
        """The run-time folders."""
        return Folders.of(self.root, self.settings.paths)

    def reject(self, problems: Iterable[str]) -> None:
        """Raise what a component found wrong with its own part, when it found anything.

        Parameters
        ----------
        problems
            Sentences that begin with a key path, for instance those of ``strategy.registry.validate``.

        Raises
        ------
        ConfigError
            Unless ``problems`` is empty; each one then names the file as well.
        """
        found = [f"{self.path.name}: {problem}" for problem in problems]
        if found:
            raise ConfigError(found)


def load_settings(path: Path, environ: Mapping[str, str], *, root: Path | None = None) -> LoadedSettings:
    """Read, override and validate the configuration.

    Parameters
    ----------
    path
        ``config.yaml``.
    environ
        The environment; only names that begin with ``BACKSTOP__`` are looked at.
    root
        Folder to which the run-time folders are relative; None for that of the file. For a copy kept elsewhere.

    Raises
    ------
    ConfigError
        With every problem at once: file and line (or environment variable), key path, value, what is allowed,
        and the nearest spelling of an unknown key.
    """
    document = parse(_read(path))
    source = Source(name=path.name, lines=document.lines)
    problems = [f"{path.name}{f' line {line}' if line else ''}: {text}" for line, text in document.problems]
    values = {} if document.value is None else document.value
    if not isinstance(values, dict):
        raise ConfigError(
            problems or [f"{path.name}: must hold keys and values, not a {type(values).__name__}"]
        )
    overrides = sorted(name for name in environ if name.startswith(OVERRIDE_PREFIX))
    for name in overrides:
        problem = _apply_override(values, name, environ[name], source)
        if problem is not None:
            problems.append(f"environment {name}: {problem}")
    settings, found = find_problems(values, source)
    problems += found
    if problems or settings is None:
        raise ConfigError(sorted(problems, key=_natural_order))
    effective = dump(settings.model_dump(mode="json"))
    return LoadedSettings(
        settings=settings,
        root=path.resolve().parent if root is None else root.resolve(),
        sha256=hashlib.sha256(effective.encode()).hexdigest(),
        path=path,
        overrides=tuple(overrides),
    )


def _read(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: can't be read: {error.strerror or error}"]) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ConfigError([f"{path}: is no regular file"])
    with os.fdopen(descriptor, "rb") as file:
        body = file.read(_MAX_BYTES + 1)
    if len(body) > _MAX_BYTES:
        raise ConfigError([f"{path}: is larger than {_MAX_BYTES:,} bytes, which can't be meant"])
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from None


def _natural_order(problem: str) -> tuple[bool, int]:
    """By line of the file, then what concerns the whole file, then the environment."""
    found = _LINE.match(problem)
    return problem.startswith("environment "), int(found.group(1)) if found else _MAX_BYTES


def _apply_override(values: Plain, name: str, text: str, source: Source) -> str | None:
    """Set one override in ``values``; returns a problem with its name or value."""
    parts = name[len(OVERRIDE_PREFIX) :].lower().split("__")
    if not all(parts):
        return "no key path: write BACKSTOP__SECTION__KEY"
    document = parse(text)
    if document.problems:
        return f"{escape(text, 200)!r} is {document.problems[0][1]}"
    path: tuple[str | int, ...] = ()
    here = values
    for index, part in enumerate(parts):
        key = _step_into(here, part)
        if key is None:
            return f"there is nothing to override: {'.'.join(parts[: index + 1])}"
        path = (*path, key)
        if index == len(parts) - 1:
            here[key] = document.value
        elif isinstance(here, dict) and here.get(key) is None:
            here[key] = {}
        here = here[key]
    source.overrides[path] = name
    return None


def _step_into(here: Plain, part: str) -> str | int | None:
    """Key or index that ``part`` names in ``here``; None when there can't be one."""
    if isinstance(here, dict):
        return part
    if isinstance(here, list) and part.isdecimal() and int(part) < len(here):
        return int(part)
    return None
