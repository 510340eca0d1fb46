"""Brings a database to the documented schema: migrations/*.sql, through sqlite_utils.Migrations.

The first file creates the tables as they are now, and the next four bring forward what an older
llm has made. They are recorded as llm's own five migrations, under llm's names in llm's set, so
that a database made here opens in llm and one made there, of whatever age, opens here. Those after
them are recorded in the set "vecstore".
"""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database, Migrations

from ..errors import DatabaseError, NewerSchemaError
from ..values import quote
from ..vectors import content_hash
from . import transactions
from .connection import opening, rights, turns

# What the tables of every llm and vecstore have, and that of sqlite-utils that records them.
_COLUMNS = {
    "collections": {"id", "name", "model"},
    "embeddings": {"collection_id", "id", "embedding"},
    "_sqlite_migrations": {"migration_set", "name"},
}
_NAMED = 8  # columns, in a message
_LLM_MIGRATIONS = 5
# What a file may lose after it was migrated, and the migration that makes it again: triggers, as
# sqlite-utils' transform() drops them, views, which must go before some changes of a table, and an
# index, which older ones of transform() dropped.
_RENEWABLE = {
    "0006_guard_embeddings": {
        "trigger embeddings_guard_insert",
        "trigger embeddings_guard_rowid",
        "trigger embeddings_guard_update",
    },
    "0007_views": {"view vecstore_collections", "view vecstore_items"},
    "0008_content_hash_index": {"index idx_embeddings_content_hash"},
}

llm_migrations = Migrations("llm.embeddings")
vecstore_migrations = Migrations("vecstore")


def ensure_schema(db: Database) -> None:
    """Create the tables, or bring older ones up to date with their data kept.

    All pending migrations are one transaction, and a database that is up to date is only read. A
    database that cannot be written is left as it is: what an older one holds can still be read.

    :raises NewerSchemaError: a later vecstore has migrated it; it is left untouched
    :raises DatabaseError: it has tables of these names that are neither llm's nor vecstore's
    """
    if _is_current(db):
        return
    try:
        # Older files may hold embeddings whose collection is gone: they are copied as they are.
        with (
            turns.take_turn(db),
            transactions.without_foreign_keys(db),
            transactions.writing(db),
        ):
            _apply_pending(db)
    except db.conn.OperationalError as error:
        if not rights.is_read_only(error):
            raise


def is_ours(db: Database) -> bool:
    """Return whether llm or vecstore has made its tables in a database."""
    record = _named_objects(db).get("_sqlite_migrations")
    return bool(record and record.is_ours and llm_migrations.applied(db))


def lacks_columns(db: Database) -> bool:
    """Return whether an older llm made the table of embeddings, and not all columns are there."""
    return "content_blob" not in db["embeddings"].columns_dict


def refuse_foreign(db: Database) -> None:
    """Raise DatabaseError if another program's table, or view, has the name of one of ours.

    A database that llm or vecstore has recorded as its own may be damaged, but it is theirs.
    """
    things = _named_objects(db)
    record = things.pop("_sqlite_migrations", None)
    is_whole = len(things) == 2 and all(thing.is_ours for thing in things.values())
    if things and not is_whole and not is_ours(db):
        raise _foreign_error(db, min(things.values(), key=lambda thing: thing.is_ours))
    if record and not record.is_ours:
        raise _foreign_error(db, record)


def pending_migrations(db: Database) -> list[str]:
    """Return the migrations that a database does not have, llm's and ours.

    :raises NewerSchemaError: it has some that this version does not know
    :raises DatabaseError: it has tables of these names that are neither llm's nor vecstore's
    """
    refuse_foreign(db)
    known = {migration.name for migration in vecstore_migrations._migrations}
    applied = {migration.name for migration in vecstore_migrations.applied(db)}
    if applied - known:
        raise NewerSchemaError(
            f"{opening.name_of(db)} has the migrations {', '.join(sorted(applied - known))}, "
            "which this vecstore does not know: upgrade it with pip install -U sqlite-vecstore"
        )
    of_llm = [migration.name for migration in llm_migrations.pending(db)]
    return of_llm + sorted(known - applied)


def is_renewable(kind: str, name: str) -> bool:
    """Return whether a part that is missing is made again when a Collection is opened."""
    return any(f"{kind} {name}" in made for made in _RENEWABLE.values())


def drop_ours(db: Database) -> None:
    """Remove our triggers and views, which the next vecstore that opens the file makes again.

    The index is llm's too, and stays. Belongs inside a transaction.
    """
    found = {(kind, name) for kind, name in db.execute("select type, name from sqlite_master")}
    for made in _RENEWABLE.values():
        for kind, name in (thing.split() for thing in sorted(made)):
            if kind != "index" and (kind, name) in found:
                db.execute(f"DROP {kind} {name}")


@dataclass(frozen=True)
class _NamedObject:
    """What has the name of one of our tables: a table, a view, an index."""

    kind: str
    name: str
    columns: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        """Whether it is a table with the columns of ours."""
        return self.kind == "table" and _COLUMNS[self.name.lower()] <= set(self.columns)


def _named_objects(db: Database) -> dict[str, _NamedObject]:
    """Return what has the names of our tables, whose case is all one to SQLite."""
    # A view is not asked for its columns: what it shows may be gone.
    found = db.execute(
        """
        select type, name, case
          when type = 'table'
          then (select json_group_array(name) from pragma_table_info(sqlite_master.name))
          else '[]'
        end
        from sqlite_master
        where type in ('table', 'view', 'index')
          and lower(name) in ('collections', 'embeddings', '_sqlite_migrations')
        """
    ).fetchall()
    return {
        name.lower(): _NamedObject(kind, name, tuple(json.loads(columns)))
        for kind, name, columns in found
    }


def _foreign_error(db: Database, thing: _NamedObject) -> DatabaseError:
    columns = ", ".join(map(quote, thing.columns[:_NAMED]))
    if len(thing.columns) > _NAMED:
        columns += ", ..."
    kind = "an index" if thing.kind == "index" else f"a {thing.kind}"
    return DatabaseError(
        f"{opening.name_of(db)} has {kind} named {thing.name} already"
        f"{f', with the columns {columns}' if columns else ''}, which is neither llm's nor "
        "vecstore's: use another file"
    )


def _is_current(db: Database) -> bool:
    return not pending_migrations(db) and not _find_lost_migrations(db) and _has_key_of_today(db)


def _has_key_of_today(db: Database) -> bool:
    """Return whether _sqlite_migrations has the key that llm gives it, from 0.32 on.

    An older llm gives it another, with transform(). llm changes it back when it opens the file,
    which SQLite refuses to a program without vec0 once there is an index: so we do it before.
    """
    return db.table(llm_migrations.migrations_table).pks == ["id"]


def _find_lost_migrations(db: Database) -> list[str]:
    """Return the migrations whose triggers, views or indexes are not all there.

    A table of the user's own that is named like a view stays in its place.
    """
    rows = db.execute(
        """
        select
          case when type in ('trigger', 'index') then type else 'view' end || ' ' || lower(name)
        from sqlite_master
        """
    )
    found = {name for (name,) in rows}
    return [migration for migration, made in _RENEWABLE.items() if made - found]


def _apply_pending(db: Database) -> None:
    if not _is_current(db):  # another process may have migrated it while we waited
        _apply(db)


def _apply(db: Database) -> None:
    if not is_ours(db):
        unrecorded = sorted(_named_objects(db).keys() - {"_sqlite_migrations"})
        if unrecorded:
            raise DatabaseError(
                f"{opening.name_of(db)} has a table named {' and '.join(unrecorded)} "
                "already, without a record of the migrations that llm and vecstore keep: use "
                "another file"
            )
    llm_migrations.apply(db)
    vecstore_migrations.apply(db)
    for migration in _find_lost_migrations(db):
        _run_script(db, _migration_files()[migration])


def _migration_files() -> dict[str, str]:
    """Return the SQL of each migration by its name, in order."""
    package = Path(__file__).parents[1]
    folder = package / "migrations"
    if not folder.is_dir():  # a checkout, not an installed wheel
        folder = package.parent / "migrations"
    return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.sql"))}


def _run_script(db: Database, sql: str) -> None:
    """Run each statement in the transaction that is open.

    sqlite-utils' executescript() looks for their ends after each character, which takes longer than
    all else that a new file needs.
    """
    statement = ""
    for part in sql.strip().removesuffix(";").split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


def _make_creator(sql: str) -> Callable[[Database], None]:
    def run(db: Database) -> None:
        _run_script(db, sql)

    return run


def _make_upgrader(sql: str) -> Callable[[Database], None]:
    """Return a migration that brings an older file forward, and has nothing to do in a new one."""

    def run(db: Database) -> None:
        if not lacks_columns(db):
            return
        if "vecstore_md5" in sql:
            db.conn.create_function("vecstore_md5", 1, content_hash)
        _run_script(db, sql)

    return run


def _register() -> None:
    for number, (name, sql) in enumerate(_migration_files().items(), start=1):
        if number > _LLM_MIGRATIONS:
            vecstore_migrations(name=name)(_make_creator(sql))
            continue
        llm_name = "m" + name[1:]  # 0001_create_tables is llm's m001_create_tables
        llm_migrations(name=llm_name)((_make_creator if number == 1 else _make_upgrader)(sql))


_register()
