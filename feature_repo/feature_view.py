"""Feast's views, generated from the catalogues: names, types and versions stand in `features.catalogue` and `tca.feature_etl`.

No view has a time to live: Feast doesn't enforce it online, and a wall clock knows no sessions. What is fresh is judged by
`features.freshness` where a value is used.
"""

from __future__ import annotations

from collections.abc import Mapping

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Float64, Int64

from feature_repo.data_sources import cost_source, daily_source
from feature_repo.entity import METHOD_ENTITY, SYMBOL_ENTITY
from feature_repo.locations import FeatureFolder
from feature_repo.tables import COST_VIEW, DAILY_VIEW, EVENT_S
from features.catalogue import FEATURES
from tca.feature_etl import COST_FEATURES


def daily_view(folder: FeatureFolder) -> FeatureView:
    """View of every feature of the catalogue, by symbol."""
    described = {name: (feature.version, feature.formula) for name, feature in FEATURES.items()}
    return _view(DAILY_VIEW, [SYMBOL_ENTITY], daily_source(folder), described)


def cost_view(folder: FeatureFolder) -> FeatureView:
    """View of what orders have cost, by symbol and execution method."""
    described = {name: (feature.version, feature.formula) for name, feature in COST_FEATURES.items()}
    return _view(COST_VIEW, [SYMBOL_ENTITY, METHOD_ENTITY], cost_source(folder), described)


def _view(
    name: str, entities: list[Entity], source: FileSource, features: Mapping[str, tuple[int, str]]
) -> FeatureView:
    schema = [Field(name=EVENT_S, dtype=Int64, description="close that the row is of, Unix seconds")]
    for feature, (version, formula) in features.items():
        schema.append(Field(name=feature, dtype=Float64, description=formula, tags={"version": str(version)}))
    return FeatureView(name=name, entities=entities, schema=schema, source=source, online=True, ttl=None)
