"""A file of features of a year of real days, made once."""

from __future__ import annotations

import pytest

from data.packaged import load_packaged
from feature_repo.locations import FeatureFolder
from feature_repo.tables import FileFacts, bars_sha256, catalogue_versions, daily_table, write_table


@pytest.fixture(scope="package")
def bars():
    return load_packaged()


@pytest.fixture(scope="package")
def folder(tmp_path_factory, bars) -> FeatureFolder:
    folder = FeatureFolder.below(tmp_path_factory.mktemp("control"))
    facts = FileFacts(versions=catalogue_versions(), source_sha256=bars_sha256(bars))
    write_table(folder.daily, daily_table(bars), facts)
    return folder
