"""Store: what was measured, kept on disk as it comes, so that it is measured once."""

from __future__ import annotations

import ast
import json
import platform
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np


class Store:
    """A file of lines, each a key and what was measured under it.

    A line is written at once and in one piece: what a run that was killed had measured
    is there for the next.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "measured.jsonl"
        self._found: dict[str, dict[str, Any]] = {}
        for line in self._lines():
            self._found[line["key"]] = line["found"]
        if self._path.exists() and not self._path.read_bytes().endswith(b"\n"):
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n")  # else the next line would be lost as well

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self._path.exists():
            return
        for line in self._path.read_text("utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue  # the end of a run that was killed while it wrote

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._found[key]

    def __setitem__(self, key: str, found: Mapping[str, Any]) -> None:
        self._found[key] = dict(found)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "found": found}) + "\n")


@cache
def fingerprint(*modules: str) -> str:
    """What is measured depends on these modules' code, on torch, and on the data."""
    code = []
    for name in modules:
        found = find_spec(name, __package__)
        code.append(bare(Path(found.origin).read_text("utf-8")))
    versions = metadata.version("torch"), metadata.version("scikit-learn")
    parts = "".join(code), *versions, np.__version__, platform.python_version()
    return sha256("\n".join(parts).encode()).hexdigest()[:12]


def bare(source: str) -> str:
    """A module's code without comments, docstrings and layout.

    >>> bare('def f(x):  # so\\n    "Says."\\n    return (x)')
    'def f(x):\\n    return x'
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and ast_docstring(body[0]):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def ast_docstring(statement: ast.stmt) -> bool:
    """Whether a statement is a bare string."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
