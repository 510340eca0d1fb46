"""The tables of related items: which of their parts a file has, and how they come to be.

A file has them from the first `Collection.related_table()` on, and triggers on `collections`, which
any SQLite runs, see to it that no collection has those of another that had its id before.
"""

from ..errors import DatabaseError
from .connection import opening
from .connection.database import Database
from .migration_files import migration_files, run_script

MIGRATION = "0012_related"
TABLE = "vecstore_related"
STATE = f"{TABLE}_state"
RUNS = f"{TABLE}_runs"

# By the column that tells that a table is ours.
_TABLES = {TABLE: "related_id", STATE: "listed", RUNS: "token"}
_TRIGGERS = tuple(f"{TABLE}_{event}" for event in ("delete", "insert", "update"))


def is_whole(db: Database) -> bool:
    """Return whether a file has all of the tables and triggers."""
    return _is_whole_in(_parts(db))


def is_broken(db: Database) -> bool:
    """Return whether a file has some of them and lacks others.

    sqlite-utils' transform() of `collections` drops the triggers; and where a table is dropped by
    hand, they fail whatever writes to `collections`.
    """
    found = _parts(db)
    return is_ours_in(found) and not _is_whole_in(found)


def create(db: Database) -> None:
    """Make what is missing. Belongs inside a transaction.

    Lists may have missed that their collection is gone, where triggers were: these go.

    :raises DatabaseError: another program's table, or view, has the name of one
    """
    found = _parts(db)
    for table, column in _TABLES.items():
        if table in found and not _is_ours(found[table], column):
            raise DatabaseError(
                f"{opening.name_of(db)} has a table or view {table} that is not vecstore's: rename "
                "it, for related items to be kept there"
            )
    run_script(db, migration_files()[MIGRATION])
    for table in _TABLES:
        db.execute(
            f"delete from main.{table} where collection_id not in (select id from main.collections)"
        )


def is_ours_in(found: dict[str, str]) -> bool:
    """Return whether any part is among those of a file, which have their SQL by their names."""
    tables = any(_is_ours(found.get(table, ""), column) for table, column in _TABLES.items())
    return tables or any(trigger in found for trigger in _TRIGGERS)


def _is_whole_in(found: dict[str, str]) -> bool:
    tables = all(_is_ours(found.get(table, ""), column) for table, column in _TABLES.items())
    return tables and all(trigger in found for trigger in _TRIGGERS)


def _is_ours(sql: str, column: str) -> bool:
    return sql.lstrip().upper().startswith("CREATE TABLE") and column in sql


def _parts(db: Database) -> dict[str, str]:
    found = db.execute(
        "select lower(name), sql from main.sqlite_master where name like ? and sql is not null",
        [f"{TABLE}%"],
    )
    return dict(found.fetchall())
