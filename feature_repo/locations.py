"""Where the feature store keeps its files: all of them in one folder, ``features`` below ``paths.control``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from features.snapshot import SNAPSHOT_NAME

LOCK_NAME: Final = "nightly.lock"
"""Held, in ``paths.control``, by whatever writes the feature store: a command of this package or the nightly flow."""
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class FeatureFolder:
    """Files of one feature store.

    Parameters
    ----------
    path
        The folder, absolute: Feast resolves relative sources from the working directory.
    """

    path: Path

    @classmethod
    def below(cls, control: Path) -> Self:
        """Return the one of a control folder (``paths.control``)."""
        return cls((control / SNAPSHOT_NAME).absolute().parent)

    @property
    def daily(self) -> Path:
        """Features of each symbol and session."""
        return self.path / "daily.parquet"

    @property
    def tca(self) -> Path:
        """What orders have cost, by symbol and execution method."""
        return self.path / "tca.parquet"

    @property
    def registry(self) -> Path:
        """Feast's registry."""
        return self.path / "registry.db"

    @property
    def online(self) -> Path:
        """Feast's online store, SQLite."""
        return self.path / "online.db"

    @property
    def snapshot(self) -> Path:
        """The published snapshot."""
        return self.path.parent / SNAPSHOT_NAME


DEFAULT_FOLDER = FeatureFolder.below(PROJECT / "state")
"""What ``feast apply`` in this folder works on: the one of an unchanged ``config.yaml``."""
