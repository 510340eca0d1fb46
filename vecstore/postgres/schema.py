"""The migrations of a PostgreSQL database: its tables are made, or brought up to date."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from ..errors import (
    DatabaseError,
    DatabaseReadOnlyError,
    ExtensionError,
    NewerSchemaError,
)
from ..sqlite.migration_files import migration_files
from ..values import quote
from .connection import PostgresDatabase
from .errors import is_forbidden

_FOLDER = "postgres"  # of our migrations
_LOCK = 7_303_014_618_325_614_593  # of advisory locks: of whoever creates tables of vecstore's
_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,]*))')
_OLDEST_EXTENSION = (0, 8)  # the first whose planner knows when an index finds too few


def ensure_schema(db: PostgresDatabase) -> None:
    """Make the tables, or bring them up to date, in the first schema of the search path.

    Where several processes do so at once, one does, and the others wait for it.

    :raises ExtensionError: the server has no pgvector, or one that is too old
    :raises NewerSchemaError: a later vecstore has migrated the tables
    :raises DatabaseReadOnlyError: there is something to do, and it cannot be written
    :raises DatabaseError: another program's tables have the names of ours
    """
    if pending_migrations(db):
        with _explaining_read_only(db), db.writing():
            db.rows("select pg_advisory_xact_lock(%s)", [_LOCK])
            _refuse_encoding(db)
            _ensure_place(db)
            _ensure_extension(db)
            _migrate(db)
    check_extension(db)


@contextmanager
def _explaining_read_only(db: PostgresDatabase) -> Iterator[None]:
    try:
        yield
    except DatabaseReadOnlyError as error:
        what = "only older tables" if has_tables(db) else "no tables"
        raise DatabaseReadOnlyError(
            f"{db.shown} has {what} of vecstore's, and cannot be written ({error}): open it once "
            "as a user who may create them, on a server that is no replica"
        ) from error


def pending_migrations(db: PostgresDatabase) -> list[str]:
    """Return the names of the migrations that are to be run, in order.

    :raises NewerSchemaError: the database has some that this version does not know
    """
    done = _migrations_done(db)
    newer = sorted(done - migration_files(_FOLDER).keys())
    if newer:
        raise NewerSchemaError(
            f"{db.shown} has the migration {newer[0]!r}, which this version of vecstore does not "
            "know: upgrade vecstore to use it"
        )
    return [name for name in migration_files(_FOLDER) if name not in done]


def has_tables(db: PostgresDatabase) -> bool:
    """Return whether the database has tables of vecstore's."""
    return bool(_migrations_done(db))


def _migrations_done(db: PostgresDatabase) -> set[str]:
    if not _has_table(db, "vecstore_migrations"):
        return set()
    return {name for (name,) in db.rows("select name from vecstore_migrations")}


def _has_table(db: PostgresDatabase, name: str) -> bool:
    """Return whether the first schema of the search path has a table of that name."""
    [[found]] = db.rows(
        """
        select exists (
          select 1
          from pg_class
          join pg_namespace on pg_namespace.oid = relnamespace
          where nspname = current_schema()
            and relname = %s
        )
        """,
        [name],
    )
    return bool(found)


def _refuse_encoding(db: PostgresDatabase) -> None:
    encoding = db.connection().info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseError(
            f"{db.shown} has the encoding {encoding}, which cannot hold every text: use a database "
            "made with ENCODING 'UTF8'"
        )


def _ensure_place(db: PostgresDatabase) -> None:
    """Have a schema for the tables, where the search path names one that there is not yet."""
    if db.rows("select current_schema()")[0][0] is not None:
        return
    [[path]] = db.rows("select current_setting('search_path')")
    name = _first_name(path)
    if not name or name == "$user":
        raise DatabaseError(
            f"{db.shown} has the search_path {quote(path)}, and none of these schemas: create one, "
            "or name another with ?options=-csearch_path%3DNAME"
        )
    made = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name))
    db.run_script(made.as_string())


def _first_name(search_path: str) -> str:
    """Return the first name of a list of identifiers, of which PostgreSQL folds what has no quotes.

    It is "" where there is none.
    """
    quoted, plain = _NAME.match(search_path).groups("")  # type: ignore[union-attr]  # fits any text
    return str(quoted).replace('""', '"') or str(plain).strip().lower()


def _ensure_extension(db: PostgresDatabase) -> None:
    if db.know_vectors():
        return
    try:
        with db.writing():
            db.run(f"CREATE EXTENSION IF NOT EXISTS vector {_extension_schema(db)}")
    except DatabaseReadOnlyError as error:
        if not is_forbidden(error):
            raise
        raise ExtensionError(
            f"{db.shown} has no pgvector, and this user may not create it: have an administrator "
            "run CREATE EXTENSION vector in this database"
        ) from error
    except DatabaseError as error:
        raise ExtensionError(
            f"The server of {db.shown} has no pgvector ({error}): install it there, from "
            "https://github.com/pgvector/pgvector"
        ) from error
    db.know_vectors()


def _extension_schema(db: PostgresDatabase) -> str:
    """Return the SQL of where the extension is to be: who drops one schema leaves others whole."""
    [[may_create]] = db.rows(
        """
        select coalesce(
          (
            select has_schema_privilege(oid, 'CREATE')
            from pg_namespace
            where nspname = 'public'
          ),
          false
        )
        """
    )
    return "SCHEMA public" if may_create else ""


def check_extension(db: PostgresDatabase) -> None:
    """Raise ExtensionError unless the database has a pgvector that is new enough."""
    if not db.know_vectors():
        raise ExtensionError(f"{db.shown} has tables of vecstore's, and pgvector is gone")
    [[version]] = db.rows("select extversion from pg_extension where extname = 'vector'")
    if tuple(map(int, version.split(".")[:2])) < _OLDEST_EXTENSION:
        oldest = ".".join(map(str, _OLDEST_EXTENSION))
        raise ExtensionError(
            f"{db.shown} has pgvector {version}, and vecstore needs {oldest} or later: upgrade it "
            "on the server, then run ALTER EXTENSION vector UPDATE"
        )


def _migrate(db: PostgresDatabase) -> None:
    pending = pending_migrations(db)  # another process may have done so meanwhile
    if len(pending) == len(migration_files(_FOLDER)):
        _refuse_foreign(db)
        db.run(
            """
            CREATE TABLE vecstore_migrations (
              name text PRIMARY KEY,
              applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
    for name in pending:
        db.run_script(migration_files(_FOLDER)[name])
        db.run("insert into vecstore_migrations (name) values (%s)", [name])


def _refuse_foreign(db: PostgresDatabase) -> None:
    for name in ("collections", "embeddings"):
        if _has_table(db, name):
            raise DatabaseError(
                f"{db.shown} has a table {name!r} that is not vecstore's: use a schema of its own, "
                "with ?options=-csearch_path%3DNAME at the end of the URL"
            )
