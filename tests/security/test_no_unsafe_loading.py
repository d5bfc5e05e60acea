"""No module of ours unpickles, evaluates text, loads YAML with tags, or starts a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]
MODULES = sorted([*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in folder.rglob("*.py"))])
UNSAFE_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_METHODS = {
    ("os", "system"),
    ("os", "popen"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("joblib", "load"),
}


def unsafe(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            )
            for name in names:
                if name.partition(".")[0] in UNSAFE_IMPORTS:
                    yield f"line {node.lineno}: imports {name}"
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in UNSAFE_CALLS:
            yield f"line {node.lineno}: calls {called.id}"
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            whole = (called.value.id, called.attr)
            if whole in UNSAFE_METHODS:
                yield f"line {node.lineno}: calls {'.'.join(whole)}"
            if whole == ("yaml", "load") and not any(
                "Loader" in ast.dump(one) for one in [*node.args[1:], *node.keywords]
            ):
                yield f"line {node.lineno}: yaml.load without a loader"
        for keyword in node.keywords:
            if keyword.arg == "shell" and getattr(keyword.value, "value", None):
                yield f"line {node.lineno}: starts a shell"
            if keyword.arg == "allow_pickle" and getattr(keyword.value, "value", None):
                yield f"line {node.lineno}: allows pickles"


def test_no_module_runs_what_it_reads() -> None:
    assert len(MODULES) > 300
    found = [
        f"{path.relative_to(ROOT)} {one}" for path in MODULES for one in unsafe(ast.parse(path.read_text()))
    ]
    assert found == []


def test_it_would_be_seen() -> None:
    text = "import pickle\nfrom marshal import loads\neval('1')\nimport os\nos.system('x')\nyaml.load(x)\nrun('x', shell=True)\n"
    assert len(list(unsafe(ast.parse(text)))) == 6
