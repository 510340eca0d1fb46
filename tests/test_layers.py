"""The house rules of the package, read from its source: layers, imports, names, sizes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vecstore

PACKAGE = Path(vecstore.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 350

# A module imports from its own layer and those below, never in a circle. The longest name counts.
LAYERS = {
    "errors": 0,
    "values": 0,
    "vectors": 0,
    "metadata": 0,
    "settings": 0,
    "models": 1,
    "sqlite": 2,
    "entries": 2,
    "query": 2,
    "readers": 2,
    "loading": 3,
    "exchange": 3,
    "similarity": 3,
    "collection": 3,
    "": 3,  # the package itself: the public names
    "cli": 4,
    "datasette_plugin": 4,
    "__main__": 4,
}


def module_name(path: Path) -> str:
    """Return a module's dotted name within the package; "" for the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES}


def layer(module: str) -> int:
    return LAYERS[module.split(".")[0]]


def own_imports(module: str) -> Iterator[str]:
    """Yield the modules of the package that a module imports, wherever in it that is written."""
    path = MODULES[module]
    package = ["vecstore", *module.split(".")] if module else ["vecstore"]
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            # `from .. import errors` names modules, `from ..errors import ModelError` does not.
            names = [
                name if name.removeprefix("vecstore.") in MODULES else source
                for name in (f"{source}.{alias.name}" for alias in node.names)
            ]
        else:
            continue
        for name in names:
            if name == "vecstore" or name.startswith("vecstore."):
                yield name.removeprefix("vecstore").removeprefix(".")


def test_every_module_has_a_layer():
    assert {module.split(".")[0] for module in MODULES} == LAYERS.keys()


@pytest.mark.parametrize("module", MODULES)
def test_no_import_climbs(module):
    climbing = [name for name in own_imports(module) if layer(name) > layer(module)]
    assert not climbing, f"{module} is in layer {layer(module)}"


def test_no_import_goes_in_a_circle():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for name in own_imports(module):
                visit(name, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_the_imports_that_are_read_are_those_that_are_there():
    assert {"sqlite.connection.guard", "errors"} <= set(own_imports("sqlite.connection.opening"))
    assert {"errors", "models.base", "models.hooks"} <= set(own_imports("models.local"))
    assert {"", "errors", "cli.collections"} <= set(own_imports("cli.root"))


@pytest.mark.parametrize("module", MODULES)
def test_nothing_of_ours_is_imported_inside_a_function(module):
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    inside = [
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, functions)
        for node in ast.walk(function)
        if (isinstance(node, ast.ImportFrom) and (node.level or is_ours(node.module or "")))
        or (isinstance(node, ast.Import) and any(is_ours(alias.name) for alias in node.names))
    ]
    assert not inside


WITHOUT_SQL = [m for m in MODULES if m.startswith(("readers", "cli")) and m != "cli.shell"]


@pytest.mark.parametrize("module", WITHOUT_SQL)
def test_readers_and_commands_run_no_sql(module):
    nodes = list(ast.walk(ast.parse(MODULES[module].read_text("utf-8"))))
    imported = {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
    assert not {"apsw", "sqlite3", "sqlite_vec"} & imported
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not {"execute", "query"} & attributes


def is_ours(name: str) -> bool:
    return name.partition(".")[0] == "vecstore"


def test_the_public_names_are_sorted_and_all_there():
    tree = ast.parse(MODULES[""].read_text("utf-8"))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert vecstore.__all__ == sorted(imported)
    assert all(hasattr(vecstore, name) for name in vecstore.__all__)


@pytest.mark.parametrize("module", MODULES)
def test_no_file_is_long(module):
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= MAX_LINES
