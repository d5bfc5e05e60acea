"""Reading YAML strictly: plain values only, and every problem with its line.

Less than YAML on purpose. No tags (nothing can be made but text, numbers, booleans, lists and mappings), no
anchors, no key twice. ``true`` and ``false`` are the only booleans: in YAML 1.1 the ticker symbols ON, NO and Y
are booleans too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

Path: TypeAlias = tuple[str | int, ...]
Plain: TypeAlias = Any
"""Text, number, boolean, None, list or dict of them."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))
_MAX_DEPTH = 20


class _Loader(yaml.SafeLoader):
    """Composes nodes only; no scalar is resolved, so a tag is either the default or was written by somebody."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own hook


@dataclass(slots=True)
class Document:
    """A document as plain values, with the line of each key and what is wrong with it."""

    value: Plain = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int | None, str]] = field(default_factory=list)
    """Line and sentence."""


def parse(text: str) -> Document:
    """Parse one YAML document; never raises for what is in ``text``."""
    document = Document()
    loader = _Loader(text) if _is_printable(text, document) else None
    if loader is None:
        return document
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        parts = [part for part in (error.context, error.problem) if part]
        document.problems.append((mark.line + 1 if mark else None, f"not valid YAML: {', '.join(parts)}"))
        return document
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        document.problems.append((None, f"not valid YAML: {error}"))
        return document
    finally:
        loader.dispose()
    if node is not None:
        document.value = _Builder(document).build(node, ())
    return document


def _is_printable(text: str, document: Document) -> bool:
    for number, line in enumerate(text.split("\n"), start=1):
        found = yaml.reader.Reader.NON_PRINTABLE.search(line)
        if found:
            document.problems.append(
                (number, f"holds the character {found.group()!a}, which YAML does not allow")
            )
            return False
    return True


class _Builder:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, path: Path) -> Plain:
        """Plain value of ``node``; what can't be used is noted and becomes None."""
        line = node.start_mark.line + 1
        self._document.lines.setdefault(path, line)
        if id(node) in self._seen:
            return self._note(line, path, "anchors and aliases can't be used here")
        self._seen.add(id(node))
        if len(path) > _MAX_DEPTH:
            return self._note(line, path, "nested too deeply")
        if node.tag not in _PLAIN_TAGS:
            return self._note(
                line, path, f"the tag {node.tag.replace(_TAG, '!!')} can't be used here: plain values only"
            )
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(str(node.value), is_quoted=getattr(node, "style", None) is not None)

    def _items(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, Plain]]:
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._note(line, path, "a key must be a plain name")
                continue
            key = key_node.value
            if key in first:
                self._note(line, (*path, key), f"stands twice, first in line {first[key]}")
                continue
            first[key] = line
            self._document.lines[*path, key] = line
            yield key, self.build(value_node, (*path, key))

    def _note(self, line: int, path: Path, sentence: str) -> None:
        where = f"{path_text(path)}: " if path else ""
        self._document.problems.append((line, where + sentence))


def _scalar(text: str, *, is_quoted: bool) -> Plain:
    if is_quoted:
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text[0] in "tT"
    if _INT.fullmatch(text):
        return int(text.replace("_", "")) if len(text) <= 40 else text
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def path_text(path: Path) -> str:
    """Key path as it is written in messages: ``strategies[0].weight``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
