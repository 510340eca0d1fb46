"""The SQL of the migrations, from the folder `migrations`."""

import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .connection.database import Database


@cache
def migration_files(of: str = "") -> dict[str, str]:
    """Return the SQL of each migration by its name, in order.

    :param of: the folder in it of those for another kind of database; "" for SQLite's
    """
    package = Path(__file__).parents[1]
    folder = package / "migrations"
    if not folder.is_dir():  # a checkout, not an installed wheel
        folder = package.parent / "migrations"
    return {
        path.stem: path.read_text("utf-8") for path in sorted(folder.joinpath(of).glob("*.sql"))
    }


def run_script(db: Database, sql: str) -> None:
    """Run each statement in the transaction that is open."""
    for statement in statements(sql):
        db.execute(statement)


def statements(sql: str) -> Iterator[str]:
    """Yield the statements of a script.

    sqlite-utils' executescript() looks for their ends after each character, which takes longer than
    all else that a new file needs.
    """
    statement = ""
    for part in sql.strip().removesuffix(";").split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
