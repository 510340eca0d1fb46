"""Reads what is documented in Python's standard library, from its source, importing nothing."""

import ast
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# What users know by another name. posixpath is os.path; others are twins, in Python, of modules
# that are written in C, or hold what another module imports from them.
PUBLIC_NAMES = {
    "posixpath": "os.path",
    "_collections_abc": "collections.abc",
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_pyio": "io",
    "concurrent.futures._base": "concurrent.futures",
    "pathlib._local": "pathlib",
}
# Tests and applications, and what later versions of Python have removed.
NOT_LIBRARY = {"distutils", "idlelib", "lib2to3", "test", "tests", "turtledemo"}

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.ClassDef | FUNCTIONS
Documented = ast.Module | Definition


class Doc(NamedTuple):
    """Something documented: its dotted name, its docstring, and where that is."""

    name: str
    docstring: str
    kind: str
    file: str
    line: int

    def entry(self) -> tuple[str, str, dict[str, Any]]:
        """Return the id, what to embed, and the metadata.

        The local model's vector is the mean of a text's words, and what a function does must not
        drown in details. So it gets the name and two paragraphs: with these, more questions found
        their answer than with one, or with all, or with the parameters added.
        """
        paragraphs = self.docstring.split("\n\n")[:2]
        metadata = {"kind": self.kind, "file": self.file, "line": self.line}
        return self.name, "\n\n".join([self.name, *paragraphs]), metadata


def read_docs(folder: Path) -> list[Doc]:
    """Return what is documented in a folder of Python source, each name once."""
    docs: dict[str, Doc] = {}
    for name, path in source_files(folder):
        for doc in module_docs(name, path, path.relative_to(folder).as_posix()):
            docs.setdefault(doc.name, doc)
    return list(docs.values())


def source_files(folder: Path) -> list[tuple[str, Path]]:
    """Return the public modules under a folder and their files, those under another name last."""
    own, renamed = [], []
    for directory, subfolders, files in os.walk(folder):
        # In place: this is how os.walk() is told where to go, and in which order.
        subfolders[:] = sorted(filter(is_public, subfolders))
        for path in sorted(Path(directory, file) for file in files if file.endswith(".py")):
            name = ".".join(path.relative_to(folder).with_suffix("").parts)
            if name in PUBLIC_NAMES:
                renamed.append((PUBLIC_NAMES[name], path))
            elif all(map(is_public, name.removesuffix(".__init__").split("."))):
                own.append((name.removesuffix(".__init__"), path))
    return own + renamed


def is_public(name: str) -> bool:
    """Return whether a module's or folder's name is one to read; site-packages is none, say."""
    return name.isidentifier() and not name.startswith("_") and name not in NOT_LIBRARY


def module_docs(name: str, path: Path, file: str) -> Iterator[Doc]:
    """Yield what is documented in one module; nothing for a file that is no valid Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about invalid escapes and the like in the source
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    yield from node_docs(name, tree, "module", file)


def node_docs(name: str, node: Documented, kind: str, file: str) -> Iterator[Doc]:
    """Yield the docstring of a module, class or function, and those of what is public in it."""
    if docstring := ast.get_docstring(node):
        yield Doc(name, docstring, kind, file, getattr(node, "lineno", 1))
    if isinstance(node, FUNCTIONS):
        return
    for child in definitions(node):
        if not child.name.startswith("_"):
            yield from node_docs(f"{name}.{child.name}", child, kind_of(child, node), file)


def kind_of(node: Definition, parent: Documented) -> str:
    if isinstance(node, ast.ClassDef):
        return "class"
    return "method" if isinstance(parent, ast.ClassDef) else "function"


def definitions(node: ast.AST) -> Iterator[Definition]:
    """Yield the classes and functions of a module or class, also those under if, try and with."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | FUNCTIONS):
            yield child
        elif isinstance(child, ast.If | ast.Try | ast.ExceptHandler | ast.With):
            yield from definitions(child)
