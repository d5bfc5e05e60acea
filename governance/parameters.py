"""Other parameters in ``config.yaml``: promotion and rollback, each a list of durable steps that can be taken again.

A change is in the journal before it is in the file. Whatever moment a kill -9 comes, ``config.yaml`` is the old or the new
file, and `finish_interrupted` (at the next run's beginning) takes the steps that are left:

==============  ======================================================================================================
begun           old and new file are kept in ``config_versions/``, named by their hashes; the journal holds the change
restricted      half risk for the strategy (`core.restrictions`), before it can trade the new parameters
written         ``config.yaml`` is replaced
done            in the journal
==============  ======================================================================================================

A rollback leaves the strategy at half risk as well: a main that runs still trades the parameters that were taken back. Once main
has started anew, `governance.changes.judge_probations` clears it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from core.atomic_file import write_atomic
from core.canonical import fields_of
from core.clock import Clock
from core.config_loader import LoadedSettings, load_settings
from core.errors import BackstopError, ConfigError
from core.journal import Journal, Record
from core.records import RecordKind
from core.restrictions import RestrictionFolder
from governance.config_edit import with_parameters
from governance.journal import records
from strategy.base import Number
from strategy.registry import STRATEGIES, validate

PROMOTION, ROLLBACK = "promotion", "rollback"
VERSIONS: Final = "config_versions"
PROBATION_SCALE: Final = 0.5


class NothingToRollBack(BackstopError):
    """No promotion of this strategy stands."""


class PromotionRefused(BackstopError):
    """Not now, or not into this configuration; the text says why. Nothing has happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Other parameters for a strategy: what the journal says of it.

    Attributes
    ----------
    id
        Of the change.
    kind
        `PROMOTION` or `ROLLBACK`.
    before, after
        Parameters by name.
    config_before, config_after
        SHA-256 of the files.
    evidence_sha256
        Of the evidence; a rollback has that of the promotion that it takes back.
    user, reason
        Who and why.
    probation
        What `governance.probation` needs; empty for a rollback.
    effective_before
        Hashes of the settings before it, as main journals them at its start: of the file alone, and with the overrides of the
        process that changes it. A start with one of them has the old parameters, whatever its time (`governance.starts`).
        Empty in records of older versions.
    """

    id: str
    kind: str
    strategy: str
    before: Mapping[str, Number]
    after: Mapping[str, Number]
    config_before: str
    config_after: str
    evidence_sha256: str
    user: str
    reason: str
    probation: Mapping[str, Any]
    effective_before: Sequence[str] = ()


def source_of(strategy: str) -> str:
    """Name of the restriction that a probation holds."""
    return f"probation.{strategy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterFile:
    """``config.yaml``, and what is kept of it.

    Attributes
    ----------
    loaded
        The configuration as it is; for a promotion, as it was judged.
    journal
        Of governance, open for writing.
    clock
        Stamps restrictions.
    """

    loaded: LoadedSettings
    journal: Journal
    clock: Clock

    @property
    def path(self) -> Path:
        """The file."""
        return self.loaded.path

    @property
    def control(self) -> Path:
        """Where the versions and restrictions are."""
        return self.loaded.folders.control

    def promote(
        self,
        strategy: str,
        after: Mapping[str, Number],
        *,
        evidence_sha256: str,
        user: str,
        reason: str,
        probation: Mapping[str, Any],
        change_id: str,
    ) -> Change:
        """Write other parameters, at half risk.

        Raises
        ------
        PromotionRefused
            While a probation of the strategy goes on, or when the configuration is another one than the one judged.
        ConfigError
            When the file can't be changed, or what comes out is no configuration. Nothing has happened then.
        """
        self._refuse_during_probation(strategy)
        old = self.path.read_text(encoding="utf-8")
        self._refuse_what_was_not_judged()
        current = {one.name: one for one in self.loaded.settings.strategies}
        if strategy not in current:
            raise ConfigError([f"{self.path.name}: strategies: there is no entry named {strategy}"])
        change = Change(
            id=change_id,
            kind=PROMOTION,
            strategy=strategy,
            before=effective(self.loaded, strategy, after),
            after=dict(after),
            config_before=_digest(old),
            config_after="",
            evidence_sha256=evidence_sha256,
            user=user,
            reason=reason,
            probation=probation,
        )
        return self._begin(change, old, with_parameters(old, strategy, after))

    def roll_back(self, strategy: str, *, user: str, reason: str) -> Change:
        """Bring the parameters back that the last promotion has replaced: the very file if it wasn't touched since.

        Raises
        ------
        NothingToRollBack
            When no promotion stands.
        ConfigError
            When the file can't be changed, or the kept one isn't what was kept.
        """
        standing = standing_promotion(self.control, strategy)
        if standing is None:
            raise NothingToRollBack(f"no promotion of {strategy} stands")
        now = self.path.read_text(encoding="utf-8")
        kept = self._version(standing.config_before)
        untouched = _digest(now) == standing.config_after and kept.is_file()
        text = (
            self._content(standing.config_before).decode()
            if untouched
            else with_parameters(now, strategy, standing.before)
        )
        change = Change(
            id=f"{standing.id}-back",
            kind=ROLLBACK,
            strategy=strategy,
            before=standing.after,
            after=standing.before,
            config_before=_digest(now),
            config_after="",
            evidence_sha256=standing.evidence_sha256,
            user=user,
            reason=reason,
            probation={},
        )
        return self._begin(change, now, text)

    def finish_interrupted(self) -> list[Change]:
        """Take the steps that a killed process has left; return the changes that were finished.

        Raises
        ------
        ConfigError
            When the file that was kept for it isn't what was kept.
        """
        finished = []
        for change in unfinished(self.control):
            found = _digest(self.path.read_text(encoding="utf-8"))
            if found in {change.config_before, change.config_after}:
                self._carry_out(change)
            elif self._has(change.strategy, change.after):  # somebody has gone on from the new file
                self._restrict(change)
                self._note(change, "done")
            else:
                self._note(change, "abandoned")  # somebody has written the file meanwhile: theirs stands
                continue
            finished.append(change)
        return finished

    def _has(self, strategy: str, values: Mapping[str, Number]) -> bool:
        listed = {one.name: one.parameters for one in self.loaded.settings.strategies}.get(strategy, {})
        return all(listed.get(name) == value for name, value in values.items())

    # --- what a promotion needs -----------------------------------------------------------------------------

    def _refuse_during_probation(self, strategy: str) -> None:
        """Refuse while half risk stands: what it would replace, and a rollback bring back, has not proved itself."""
        for one in RestrictionFolder(self.control, self.clock).standing().restrictions:
            if one.source == source_of(strategy):
                raise PromotionRefused(
                    f"{strategy} is restricted by {one.source} since {one.since} ({one.reason}): other parameters can be promoted "
                    "once run_recalibration.py --probation has ended that"
                )

    def _refuse_what_was_not_judged(self) -> None:
        """Refuse when the file was edited since it was loaded: the evidence is not of what it says now."""
        judged, now = settings_but_cash(self.loaded), settings_but_cash(load_settings(self.path, {}))
        if now != judged:
            changed = ", ".join(sorted(key for key in now if now[key] != judged[key]))
            raise PromotionRefused(
                f"{self.path.name} was changed while its parameters were judged ({changed}): recalibrate again"
            )

    # --- steps ----------------------------------------------------------------------------------------------

    def _begin(self, change: Change, old: str, new: str) -> Change:
        replaced, kept = self._keep(old), self._keep(new)
        checked = load_settings(kept, {})
        checked.reject(validate(checked.settings.strategies))
        change = replace(
            change,
            config_after=_digest(new),
            # Settings that are the same before and after (somebody has made the change already) tell nothing.
            effective_before=sorted(_settings_hashes(replaced) - _settings_hashes(kept)),
        )
        self._note(change, "begun")
        self._carry_out(change)
        return change

    def _carry_out(self, change: Change) -> None:
        self._restrict(change)
        self._write(change)
        self._note(change, "done")

    def _restrict(self, change: Change) -> None:
        why = {
            PROMOTION: f"probation of promotion {change.id}",
            ROLLBACK: f"{change.id}: until main has started with the parameters that are back",
        }
        RestrictionFolder(self.control, self.clock).put(
            source_of(change.strategy),
            strategy=change.strategy,
            scale=PROBATION_SCALE,
            reason=why[change.kind],
        )

    def _write(self, change: Change) -> None:
        new = self._content(change.config_after)
        mode = self.path.stat().st_mode & 0o777
        write_atomic(self.path, new, mode=mode)

    def _note(self, change: Change, step: str) -> None:
        self.journal.append(RecordKind.PARAMETERS, {**fields_of(change), "step": step})

    def _keep(self, text: str) -> Path:
        path = self._version(_digest(text))
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or _digest(path.read_bytes()) != path.stem:
            write_atomic(path, text.encode())
        return path

    def _content(self, digest: str) -> bytes:
        """Content of a kept file; one whose hash isn't its name is not what was kept."""
        path = self._version(digest)
        content = path.read_bytes()
        if _digest(content) != digest:
            why = f"{path}: its content has changed since it was kept, so {self.path.name} stays as it is"
            raise ConfigError(
                [f"{why}; put the kept file back from a backup, or edit the parameters by hand"]
            )
        return content

    def _version(self, digest: str) -> Path:
        return self.control / VERSIONS / f"{digest}.yaml"


def effective(loaded: LoadedSettings, strategy: str, names: Mapping[str, Number]) -> dict[str, Number]:
    """Values that a strategy has now for some parameters, its defaults included."""
    listed = next(one for one in loaded.settings.strategies if one.name == strategy)
    values = STRATEGIES[strategy].create(listed.parameters).parameters._asdict()
    return {name: values[name] for name in names}


def settings_but_cash(loaded: LoadedSettings) -> dict[str, Any]:
    """Effective settings without ``backtest.cash``, the only one in which a promotion's evidence may differ."""
    found = loaded.settings.model_dump(mode="json")
    del found["backtest"]["cash"]
    return found


def _settings_hashes(path: Path) -> set[str]:
    """Hashes that main may journal when it starts with this file."""
    return {load_settings(path, {}).sha256, load_settings(path, os.environ).sha256}


def unfinished(control: Path) -> list[Change]:
    """Find changes that were begun and neither done nor abandoned, oldest first."""
    begun: dict[str, Change] = {}
    for record in records(control, RecordKind.PARAMETERS):
        change = _change(record)
        if record.payload["step"] == "begun":
            begun[change.id] = change
        else:
            begun.pop(change.id, None)
    return list(begun.values())


def standing_promotion(control: Path, strategy: str) -> Change | None:
    """Return the last promotion of a strategy that was done and not taken back; None when there is none."""
    standing = None
    for record in records(control, RecordKind.PARAMETERS):
        change = _change(record)
        if change.strategy == strategy and record.payload["step"] == "done":
            standing = change if change.kind == PROMOTION else None
    return standing


def last_change(control: Path, strategy: str) -> Change | None:
    """Return the last change of a strategy's parameters that was done; None without any."""
    done = [
        change
        for record in records(control, RecordKind.PARAMETERS)
        if record.payload["step"] == "done" and (change := _change(record)).strategy == strategy
    ]
    return done[-1] if done else None


def is_abandoned(control: Path, strategy: str) -> bool:
    """Whether the newest change of a strategy is a promotion that was given up on the way."""
    steps = [
        (record.payload["kind"], record.payload["step"])
        for record in records(control, RecordKind.PARAMETERS)
        if record.payload["strategy"] == strategy
    ]
    return bool(steps) and steps[-1] == (PROMOTION, "abandoned")


def done_ns(control: Path, change: Change) -> int:
    """When a change was done, wall clock."""
    for record in reversed(records(control, RecordKind.PARAMETERS)):
        if record.payload["id"] == change.id and record.payload["step"] == "done":
            return record.time_ns
    raise ValueError(f"the change {change.id} wasn't done")


def _change(record: Record) -> Change:
    fields = {name: value for name, value in record.payload.items() if name != "step"}
    return Change(**fields)


def _digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
