"""Feast's feature services, that is who reads what, and the list of all definitions."""

from __future__ import annotations

from typing import Any, Final

from feast import FeatureService

from feature_repo.entity import METHOD_ENTITY, SYMBOL_ENTITY
from feature_repo.feature_view import cost_view, daily_view
from feature_repo.locations import FeatureFolder
from feature_repo.tables import EVENT_S
from features.catalogue import FEATURES

PUBLISHED: Final = "published"
"""What the snapshot for live trading holds."""
MODEL: Final = "model_inputs"
"""What a model may use: features that compare between symbols."""
COSTS: Final = "execution_costs"
"""What orders have cost."""


def definitions(folder: FeatureFolder) -> list[Any]:
    """Everything that the registry should hold, over the files of ``folder``."""
    daily, costs = daily_view(folder), cost_view(folder)
    comparable = [EVENT_S, *(name for name, feature in FEATURES.items() if feature.scale_free)]
    return [
        SYMBOL_ENTITY,
        METHOD_ENTITY,
        daily,
        costs,
        FeatureService(name=PUBLISHED, features=[daily]),
        FeatureService(name=MODEL, features=[daily[comparable]]),
        FeatureService(name=COSTS, features=[costs]),
    ]
