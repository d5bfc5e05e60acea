"""What ``feast apply`` loads: Feast puts only this folder on the path, and the definitions are modules of the project."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from feature_repo.feature_services import definitions
from feature_repo.locations import DEFAULT_FOLDER

for _definition in definitions(DEFAULT_FOLDER):
    globals()[_definition.name] = _definition  # Feast collects the objects that a module holds
