"""The house rules of the package, read from its source: floors, the seam, imports, names."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import vecstore

PACKAGE = Path(vecstore.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

# What stands above the seam asks a store, and speaks no SQL itself.
ABOVE_THE_SEAM = ("collection", "loading", "readers", "exchange")
DRIVERS = {"apsw", "sqlite3", "pysqlite3", "sqlite_vec"}
SQL = re.compile(
    r"\s*(select|insert (or|into)|update .* set|delete from|create|drop|alter|pragma|begin)\s"
    r"|.*(vec0|vec_embeddings|vec_distance)",
    re.IGNORECASE | re.DOTALL,
)


Floor = tuple[int, ...]


def floors() -> Iterator[tuple[Floor, set[str]]]:
    """Yield the rooms in the table of AGENTS.md: the floor of each, and its modules or packages."""
    text = PACKAGE.parent.joinpath("AGENTS.md").read_text("utf-8")
    for floor, names in re.findall(r"^\| ([\d.]+) \| ([^|]+) \|", text, re.MULTILINE):
        for room in names.split(";"):
            yield tuple(map(int, floor.split("."))), set(re.findall(r"`([^`]+)`", room))


ROOMS = list(floors())


def module_name(path: Path) -> str:
    """Return a module's dotted name within the package; "" for the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES}


def room_of(module: str) -> tuple[Floor, set[str]]:
    """Return the floor and the room of a module: those of its package, if it has none itself."""
    name = module or "the package"
    while True:
        for floor, names in ROOMS:
            if name in names:
                return floor, names
        assert "." in name, f"{module} is on no floor of AGENTS.md"
        name = name.rpartition(".")[0]


@cache
def own_imports(module: str) -> list[str]:
    """Return the modules of the package that a module imports, wherever in it that is written."""
    return list(_own_imports(module))


def _own_imports(module: str) -> Iterator[str]:
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


def test_every_room_of_the_table_is_there():
    named = set().union(*(names for _, names in ROOMS)) - {"the package"}
    assert named - MODULES.keys() == set()


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_fall(module):
    if module == "sqlite":
        assert not own_imports(module)  # it is on no floor
        return
    floor, room = room_of(module)
    wrong = [
        name
        for name in own_imports(module)
        if room_of(name)[1] is not room and room_of(name)[0] >= floor
    ]
    assert not wrong, f"{module} is on floor {floor}"


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith(ABOVE_THE_SEAM)])
def test_above_the_seam_a_store_is_asked(module):
    # The rows of a query of the user's are input, as those of a file are.
    assert {n for n in own_imports(module) if n.startswith("sqlite")} <= {"sqlite.user_query"}
    assert "conn" not in attributes_in(module)


WITHOUT_SQL = [m for m in MODULES if m.startswith((*ABOVE_THE_SEAM, "cli")) and m != "cli.shell"]


@pytest.mark.parametrize("module", WITHOUT_SQL)
def test_no_sql_is_spoken_above_the_seam(module):
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    assert not {name.partition(".")[0] for name in imports(tree)} & DRIVERS
    running = {"execute", "executemany", "executescript", "query"}
    assert not attributes_in(module) & running
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in docstrings
    )
    assert not [text for text in strings if isinstance(text, str) and SQL.match(text)]


def attributes_in(module: str) -> set[str]:
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith(ABOVE_THE_SEAM)])
def test_what_a_command_is_made_of_does_not_print(module):
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    assert "click" not in {name.partition(".")[0] for name in imports(tree)}


@pytest.mark.parametrize("package", [m for m in MODULES if MODULES[m].name == "__init__.py" and m])
def test_a_package_names_what_others_use_of_it(package):
    source = MODULES[package].read_text("utf-8")
    used = {
        name.removeprefix(f"{package}.").partition(".")[0]
        for module in MODULES
        if module != package and not module.startswith(f"{package}.")
        for name in own_imports(module)
        if name.startswith(f"{package}.")
    }
    text = ast.get_docstring(ast.parse(source)) or ""
    assert not [name for name in sorted(used) if not re.search(rf"\b{name}\b", text)]


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the names of all modules that are imported, as they are written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


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
    assert {"", "errors", "cli.load_interrupts"} <= set(own_imports("cli.root"))


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


def is_ours(name: str) -> bool:
    return name.partition(".")[0] == "vecstore"


def test_the_public_names_are_sorted_and_all_there():
    tree = ast.parse(MODULES[""].read_text("utf-8"))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if not (alias.asname or "").startswith("_")
    }
    assert vecstore.__all__ == sorted(imported)
    assert all(hasattr(vecstore, name) for name in vecstore.__all__)
