"""One way to write a message as JSON: the same content is always the same bytes, so it can be hashed and signed.

Keys are sorted, text is ASCII (what came from outside can hold no raw control character), a ``Decimal`` is a
string. A float that is not finite becomes null: JSON has no NaN, and "not known" is what it means here.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum


def dump(value: object) -> str:
    """Canonical JSON of ``value``.

    Parameters
    ----------
    value
        Mappings with text keys, sequences, text, numbers, booleans, None, ``Decimal``, enum members and
        frozen messages (dataclasses), nested as needed.

    Raises
    ------
    TypeError
        For anything else.
    """
    try:
        return _ENCODER.encode(value)
    except ValueError:  # a NaN or infinity somewhere: rare, so only then are all values looked at
        return _ENCODER.encode(_without_nan(value))


def fields_of(message: object) -> dict[str, object]:
    """Fields of a frozen message (a dataclass instance) by name, not converted; ``dump`` does that."""
    kind = type(message)
    names = _names_of.get(kind)
    if names is None:
        if not dataclasses.is_dataclass(kind):
            raise TypeError(f"{kind.__name__} is no message")
        names = _names_of[kind] = tuple(field.name for field in dataclasses.fields(kind))
    return {name: getattr(message, name) for name in names}


_names_of: dict[type, tuple[str, ...]] = {}


def _default(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(value)
    return fields_of(value)


def _without_nan(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {key: _without_nan(item) for key, item in fields_of(value).items()}
    return value


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_default
)
