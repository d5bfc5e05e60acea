"""OCA groups as the broker has them.

TWS may put an order into another group than the one that was asked for: the children of one parent get a group of
TWS's own. From then on it refuses an amendment that names our group (10326 "OCA group revision is not allowed"), and a
later order with our group's name would join nobody. So the group that was reported last is the one that counts, and what an
earlier process asked for is remembered from its journal.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

# A fill of one order of the group reduces the others, and only one of them is at the exchange at a time.
REDUCE_WITH_BLOCK: Final = 2
_MAX_GROUPS: Final = 10_000
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class OcaGroup:
    """Name and type (1 cancel, 2 reduce with block, 3 reduce) of a group; no name: no group."""

    name: str
    kind: int


class OcaGroups:
    """Which group each of our orders asked for, and which one it is in.

    Parameters
    ----------
    asked
        Group that each order of an earlier process asked for, by order id.
    """

    def __init__(self, asked: Mapping[int, str] = MappingProxyType({})) -> None:
        self._lock = threading.Lock()
        self._asked: OrderedDict[int, str] = OrderedDict(asked)
        self._reported: OrderedDict[int, OcaGroup] = OrderedDict()
        self._renamed: OrderedDict[str, OcaGroup] = OrderedDict()

    def reported(self, order_id: int, group: OcaGroup) -> None:
        """Note the group that the broker shows for an order of ours."""
        with self._lock:
            _put(self._reported, order_id, group)
            asked = self._asked.get(order_id)
            if asked and group.name and group.name != asked:
                _put(self._renamed, asked, OcaGroup(group.name, group.kind or REDUCE_WITH_BLOCK))

    def for_order(self, order_id: int, wanted: str | None) -> OcaGroup | None:
        """Group to send with an order that is new or amended; None for none.

        Parameters
        ----------
        wanted
            The name that we gave the group; None for an order that is in none of ours.
        """
        with self._lock:
            shown = self._reported.get(order_id)
            if shown is not None:
                return shown if shown.name else None
            if wanted is None:
                return None
            _put(self._asked, order_id, wanted)
            return self._renamed.get(wanted, OcaGroup(wanted, REDUCE_WITH_BLOCK))


def _put(table: OrderedDict[K, V], key: K, value: V) -> None:
    table[key] = value
    if len(table) > _MAX_GROUPS:
        table.popitem(last=False)
