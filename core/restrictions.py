"""Restrictions: files that hold a strategy's new risk down, whoever has a reason to.

One file a source, ``restrictions/<source>.json`` in the folder that outlives all runs. Drift, probation, a person: each
writes its own file and no other's, and the most restrictive one wins. Main reads them at its start and at the beginning of each
session. A file that can't be understood stands for scale 0 on every strategy: what somebody wanted restricted is not
traded because a byte was lost. Positions that are held, their stops and their exits are touched by no restriction.

``python -m scripts.restrictions`` lists and clears them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from core.atomic_file import sync_folder, write_atomic
from core.canonical import dump
from core.clock import Clock
from core.errors import BackstopError
from core.text import escape

FOLDER_NAME = "restrictions"
ARCHIVE_NAME = "archive"
SCALES = (0.0, 0.5, 1.0)
"""Factors on new risk: none, half, all (a note that restricts nothing yet)."""
_SUFFIX = ".json"
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MAX_BYTES = 64 * 1024
_FIELDS = {"source", "strategy", "scale", "reason", "since"}


class RestrictionError(BackstopError):
    """A restriction that can't be written, found or cleared; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """A factor on the new risk of a strategy.

    Parameters
    ----------
    source
        Who restricts, and the file's name: lower-case letters, digits, ``_``, ``-`` and ``.`` (``drift.momentum``).
    strategy
        Name of the strategy; None restricts all.
    scale
        One of `SCALES`.
    reason
        Why, in words.
    since
        When it began: UTC, ISO 8601 (``2026-11-29T09:00:00+00:00``).

    Raises
    ------
    RestrictionError
        For a value out of range.
    """

    source: str
    strategy: str | None
    scale: float
    reason: str
    since: str

    def __post_init__(self) -> None:
        problems = []
        if not _SOURCE.fullmatch(self.source):
            problems.append(f"source {escape(self.source, 80)!r} has letters other than a-z, 0-9, _, - and .")
        if self.strategy == "":
            problems.append("strategy is empty: name one, or None for all")
        if self.scale not in SCALES:
            problems.append(f"scale {self.scale!r} is none of {SCALES}")
        if not self.reason.strip():
            problems.append("reason is empty: say why")
        if not _is_moment(self.since):
            problems.append(f"since {escape(self.since, 80)!r} is no UTC moment in ISO 8601")
        if problems:
            raise RestrictionError("; ".join(problems))

    def concerns(self, strategy: str) -> bool:
        """Whether it restricts this strategy."""
        return self.strategy is None or self.strategy == strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All restrictions at one moment; those that stand for files which can't be understood among them."""

    restrictions: tuple[Restriction, ...] = ()

    def scale_of(self, strategy: str) -> float:
        """Factor on the new risk of a strategy: the smallest of all that concern it, 1 when none does."""
        return min((one.scale for one in self.restrictions if one.concerns(strategy)), default=1.0)

    def scales_of(self, strategies: Iterable[str]) -> dict[str, float]:
        """Factors by strategy."""
        return {strategy: self.scale_of(strategy) for strategy in strategies}

    def payload(self, strategies: Collection[str]) -> dict[str, object]:
        """Tell them as main's journal does (``core.records``)."""
        return {
            "scales": self.scales_of(strategies),
            "standing": [
                {
                    "source": one.source,
                    "strategy": one.strategy,
                    "scale": one.scale,
                    "reason": one.reason,
                    "since": one.since,
                }
                for one in self.restrictions
            ],
        }


class RestrictionFolder:
    """The restrictions of an account.

    Parameters
    ----------
    control
        Folder of what outlives all runs (``paths.control``).
    clock
        Stamps what is written.
    """

    def __init__(self, control: Path, clock: Clock) -> None:
        self.path = control / FOLDER_NAME
        self._clock = clock

    def now(self) -> str:
        """Tell the moment as ``since`` wants it."""
        seconds = self._clock.now_ns() // 1_000_000_000
        return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).isoformat()

    def put(self, source: str, *, strategy: str | None, scale: float, reason: str) -> Restriction:
        """Write a source's restriction, durably, in place of its last one.

        The moment at which it began stays when only the words change.

        Raises
        ------
        RestrictionError
            For a value out of range.
        OSError
            When it can't be written; the last one stands then.
        """
        made = Restriction(source=source, strategy=strategy, scale=scale, reason=reason, since=self.now())
        before = self._read(source + _SUFFIX) if source + _SUFFIX in self._names() else None
        if before is not None and (before.strategy, before.scale) == (strategy, scale):
            made = Restriction(
                source=source, strategy=strategy, scale=scale, reason=reason, since=before.since
            )
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path / (source + _SUFFIX), _encode(made))
        return made

    def standing(self) -> Standing:
        """All restrictions, by source. Nothing is raised: what can't be read restricts everything.

        A folder that does not exist holds none: nobody has ever restricted anything.
        """
        try:
            names = self._names()
        except OSError as error:
            return Standing(
                restrictions=(
                    self._closed("unreadable", f"{self.path} can't be read: {error.strerror or error}"),
                )
            )
        return Standing(restrictions=tuple(self._read(name) for name in names))

    def clear(self, source: str, *, user: str, reason: str) -> Restriction:
        """Take a restriction away, readable or not; the file goes to the archive with who cleared it and why.

        Raises
        ------
        RestrictionError
            When there is none of this source, or the reason is empty.
        OSError
            When it can't be moved; it stands then.
        """
        if not reason.strip():
            raise RestrictionError("say why the restriction is cleared: --reason")
        found = [name for name in self._names() if self._read(name).source == source]
        if not found:
            standing = ", ".join(one.source for one in self.standing().restrictions) or "none"
            raise RestrictionError(
                f"there is no restriction of the source {escape(source, 80)!r}; standing: {standing}"
            )
        path = self.path / found[0]
        cleared = self._read(path.name)
        archive = self.path / ARCHIVE_NAME
        archive.mkdir(exist_ok=True)
        stamp = self.now().replace(":", "").replace("+0000", "Z")
        note = {"cleared": self.now(), "user": user, "reason": reason, "restriction": dump(cleared)}
        write_atomic(archive / f"{source}.{stamp}.cleared", (dump(note) + "\n").encode())
        path.replace(archive / f"{source}.{stamp}{_SUFFIX}")
        sync_folder(archive)
        sync_folder(self.path)
        return cleared

    # --- inside -------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        try:
            found = [one.name for one in self.path.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in found if not name.startswith(".") and name != ARCHIVE_NAME)

    def _read(self, name: str) -> Restriction:
        """Read one file; what can't be understood is a restriction of everything to nothing."""
        source = name.removesuffix(_SUFFIX)
        if not name.endswith(_SUFFIX) or not _SOURCE.fullmatch(source):
            return self._closed(source, f"{self.path / name} is no restriction's name")
        try:
            found = _decode(_read_file(self.path / name))
        except OSError as error:
            return self._closed(source, f"{self.path / name} can't be read: {error.strerror or error}")
        except RestrictionError as error:
            return self._closed(source, f"{self.path / name} does not hold: {error}")
        if found.source != source:
            return self._closed(source, f"{self.path / name} names another source, {found.source}")
        return found

    def _closed(self, source: str, text: str) -> Restriction:
        shown = re.sub(r"[^a-z0-9_.-]", "_", source.lower()).lstrip("_.-")[:64] or "unreadable"
        return Restriction(
            source=shown,
            strategy=None,
            scale=0.0,
            reason=f"{escape(text, 500)}; so nothing is opened",
            since="1970-01-01T00:00:00+00:00",
        )


def _encode(restriction: Restriction) -> bytes:
    text = dump(restriction)
    digest = hashlib.sha256(text.encode()).hexdigest()
    body = {"restriction": json.loads(text), "sha256": digest}
    return (json.dumps(body, indent=2, sort_keys=True) + "\n").encode()


def _decode(data: bytes) -> Restriction:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise RestrictionError("it is no JSON") from None
    if not isinstance(body, dict) or set(body) != {"restriction", "sha256"}:
        raise RestrictionError("it has other keys than restriction and sha256")
    fields = body["restriction"]
    if not isinstance(fields, dict) or set(fields) != _FIELDS:
        raise RestrictionError(f"the restriction has other keys than {', '.join(sorted(_FIELDS))}")
    if hashlib.sha256(dump(fields).encode()).hexdigest() != body["sha256"]:
        raise RestrictionError("its SHA-256 is another: it was changed by hand, or a byte was lost")
    source, strategy, scale, reason, since = (
        fields[name] for name in ("source", "strategy", "scale", "reason", "since")
    )
    texts = isinstance(source, str) and isinstance(reason, str) and isinstance(since, str)
    if not texts or not isinstance(scale, int | float) or not isinstance(strategy, str | None):
        raise RestrictionError("a value is of the wrong type")
    return Restriction(source=source, strategy=strategy, scale=float(scale), reason=reason, since=since)


def _read_file(path: Path) -> bytes:
    """Read a small regular file. Whatever else stands there is not opened, or not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        data = os.read(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MAX_BYTES:
        raise OSError(f"larger than {_MAX_BYTES:,} bytes")
    return data


def _is_moment(text: str) -> bool:
    try:
        return dt.datetime.fromisoformat(text).utcoffset() == dt.timedelta(0)
    except ValueError:
        return False
