"""Reading a page as a program would: its elements, its texts, and the figures with their packed arrays."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import numpy as np


@dataclass
class Read(HTMLParser):
    """What a page holds. ``figures`` are those of ``<script type="application/json">``, by id."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._inside: tuple[str, dict[str, str | None]] = ("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = (tag, dict(attrs))

    def handle_data(self, data: str) -> None:
        tag, attributes = self._inside
        if tag == "script" and attributes.get("type") == "application/json":
            self.figures[str(attributes["id"])] = json.loads(data)
        elif tag == "script":
            self.scripts.append(data)
        elif tag != "style":
            self.texts.append(data.strip())

    def handle_endtag(self, tag: str) -> None:
        self._inside = ("", {})

    @property
    def text(self) -> str:
        """All that a reader sees, without the figures."""
        return "\n".join(text for text in self.texts if text)

    def attributes(self, name: str) -> list[str]:
        """Every value of an attribute in the page."""
        return [str(attrs[name]) for _tag, attrs in self.tags if name in attrs]


def read(page: str) -> Read:
    """Parse a page."""
    found = Read()
    found.feed(page)
    found.close()
    return found


def numbers(value: Any) -> np.ndarray:
    """Values of a trace, packed or not; null is NaN."""
    if isinstance(value, dict):
        return np.frombuffer(base64.b64decode(value["bdata"]), dtype="<" + value["dtype"])
    return np.array([np.nan if one is None else one for one in value], dtype=float)
