"""Brings a database to the documented schema: migrations/*.sql, through sqlite_utils.Migrations.

That is imported where there is something to do. Whether there is, a query of ours tells.

The first file creates the tables as they are now, and the next four bring forward what an older
llm has made. They are recorded as llm's own five migrations, under llm's names in llm's set, so
that a database made here opens in llm and one made there, of whatever age, opens here. Those after
them are recorded in the set "vecstore".
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ..errors import DatabaseError, InvalidInputError, NewerSchemaError
from ..settings import IndexForm, default_index_form
from ..values import quote
from ..vectors import content_hash
from . import collection_prefixes, journal, related_tables, transactions
from .connection import filenames, opening, rights, turns
from .connection.database import Database, has_table, to_sqlite_utils
from .index_names import APPLICATION_ID, is_of_index
from .migration_files import migration_files, run_script

if TYPE_CHECKING:
    from sqlite_utils import Migrations

# What the tables of every llm and vecstore have, and that of sqlite-utils that records them.
_COLUMNS = {
    "collections": {"id", "name", "model"},
    "embeddings": {"collection_id", "id", "embedding"},
    "_sqlite_migrations": {"migration_set", "name"},
}
_LLM_SET, _OWN_SET = "llm.embeddings", "vecstore"
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
    "0010_documents": {"view vecstore_documents"},
    collection_prefixes.MIGRATION: {
        f"table {collection_prefixes.TABLE}",
        f"trigger {collection_prefixes.TABLE}_delete",
        f"trigger {collection_prefixes.TABLE}_insert",
        f"trigger {collection_prefixes.TABLE}_update",
    },
}
# What only some files have: that of the journal, where the index is beside, and the related items,
# where somebody has asked for them. All files record them.
_ON_DEMAND = (journal.MIGRATION, related_tables.MIGRATION)

_log = logging.getLogger("vecstore")


def ensure_schema(db: Database, form: IndexForm | None = None) -> None:
    """Create the tables, or bring older ones up to date with their data kept.

    All pending migrations are one transaction, and a database that is up to date is only read. A
    database that cannot be written is left as it is: what an older one holds can still be read.

    The first vecstore that opens a file chooses where its index is.

    :param form: where the index must be; by default what VECSTORE_INDEX says, or else beside a file
      that llm has made, and inside one of our own
    :raises NewerSchemaError: a later vecstore has migrated it; it is left untouched
    :raises DatabaseError: it has tables of these names that are neither llm's nor vecstore's
    :raises InvalidInputError: it has its index elsewhere already, or can have it inside alone
    """
    if form == "beside" and not filenames.main_file(db.conn):
        raise InvalidInputError(
            "A database in memory has its index inside: index='beside' is for a file"
        )
    _bring_up_to_date(db, form)
    if form is not None and form != form_of(db) and not pending_migrations(db):
        name = opening.name_of(db)
        raise InvalidInputError(
            f"{name} has its index {form_of(db)}, not {form}: 'vecstore index move {name} {form}' "
            "moves it"
        )


def form_of(db: Database) -> IndexForm:
    """Return where a file has its index, or is to have it once there is one."""
    if journal.is_there(db):
        return "beside"
    return "inside" if _has_form(db) else _choose_form(db, None, is_new=not is_ours(db))


def _has_form(db: Database) -> bool:
    """Return whether a vecstore has chosen where the index is."""
    return journal.MIGRATION in _applied(db, _OWN_SET)


def _bring_up_to_date(db: Database, form: IndexForm | None) -> None:
    if _is_current(db):
        return
    try:
        # Older files may hold embeddings whose collection is gone: they are copied as they are.
        with (
            turns.take_turn(db),
            transactions.without_foreign_keys(db),
            transactions.writing(db),
        ):
            _apply_pending(db, form)
    except db.conn.OperationalError as error:
        if not rights.is_read_only(error):
            raise


def is_ours(db: Database) -> bool:
    """Return whether llm or vecstore has made its tables in a database."""
    record = _named_objects(db).get("_sqlite_migrations")
    return bool(record and record.is_ours and _applied(db, _LLM_SET))


def lacks_columns(db: Database) -> bool:
    """Return whether an older llm made the table of embeddings, and not all columns are there."""
    return "content_blob" not in embeddings_columns(db)


def embeddings_columns(db: Database) -> set[str]:
    """Return the names of the columns of `embeddings`, without a look at what is attached."""
    rows = db.execute("select name from pragma_table_info('embeddings', 'main')")
    return {name for (name,) in rows.fetchall()}


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
    of_llm, known = _names()
    applied = _applied(db, _OWN_SET)
    newer = sorted(applied.difference(known))
    if newer:
        raise NewerSchemaError(
            f"{opening.name_of(db)} has the migrations {', '.join(newer)}, which this vecstore "
            "does not know: upgrade it with pip install -U sqlite-vecstore"
        )
    applied_of_llm = _applied(db, _LLM_SET)
    return [name for name in of_llm if name not in applied_of_llm] + [
        name for name in known if name not in applied
    ]


def _applied(db: Database, migration_set: str) -> set[str]:
    """Return the names of the migrations of a set that a database has."""
    if not has_table(db, "_sqlite_migrations"):
        return set()
    rows = db.execute(
        "select name from _sqlite_migrations where migration_set = ?", [migration_set]
    )
    return {name for (name,) in rows.fetchall()}


def is_renewable(kind: str, name: str) -> bool:
    """Return whether a part that is missing is made again when a Collection is opened."""
    return any(f"{kind} {name}" in made for made in _RENEWABLE.values())


def drop_ours(db: Database) -> None:
    """Remove our triggers and views, which the next vecstore that opens the file makes again.

    The index is llm's too, and stays. So do prefixes of collections, where there are some, with the
    triggers that keep them from other collections. Belongs inside a transaction.
    """
    found = {(kind, name) for kind, name in db.execute("select type, name from sqlite_master")}
    has_prefixes = bool(collection_prefixes.find_all(db))
    for migration, made in _RENEWABLE.items():
        if migration == collection_prefixes.MIGRATION and has_prefixes:
            continue
        for kind, name in (thing.split() for thing in sorted(made, reverse=True)):
            if kind != "index" and (kind, name) in found:
                db.execute(f"DROP {kind} {name}")
    if journal.is_there(db):
        journal.remove(db)
        # Without the record, the next vecstore chooses where the index is to be, as in a file that
        # another program made: not inside.
        db.execute(
            """
            delete from _sqlite_migrations
            where migration_set = ?
              and name = ?
            """,
            [_OWN_SET, journal.MIGRATION],
        )


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
    # A view is not asked for its columns: what it shows may be gone. Without 'main', SQLite would
    # read what is attached as well, such as an index that is being written.
    found = db.execute(
        """
        select type, name, case
          when type = 'table'
          then (select json_group_array(name) from pragma_table_info(sqlite_master.name, 'main'))
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
    return (
        not pending_migrations(db)
        and not _find_lost_migrations(db)
        and not journal.is_broken(db)
        and not related_tables.is_broken(db)
        and _has_key_of_today(db)
    )


def _has_key_of_today(db: Database) -> bool:
    """Return whether _sqlite_migrations has the key that llm gives it, from 0.32 on.

    An older llm gives it another, with transform(). llm changes it back when it opens the file,
    which SQLite refuses to a program without vec0 once there is an index: so we do it before.
    """
    rows = db.execute("select name from pragma_table_info('_sqlite_migrations', 'main') where pk")
    return [name for (name,) in rows.fetchall()] == ["id"]


def _find_lost_migrations(db: Database) -> list[str]:
    """Return the migrations whose triggers, views, tables or indexes are not all there.

    A table of the user's own that is named like a view stays in its place.
    """
    rows = db.execute("select type, lower(name) from sqlite_master")
    found = set()
    for kind, name in rows:
        found |= {f"{kind} {name}", f"view {name}"} if kind == "table" else {f"{kind} {name}"}
    return [migration for migration, made in _RENEWABLE.items() if made - found]


def _apply_pending(db: Database, form: IndexForm | None) -> None:
    if not _is_current(db):  # another process may have migrated it while we waited
        _apply(db, form)


def _apply(db: Database, form: IndexForm | None) -> None:
    is_new = not is_ours(db)
    if is_new:
        _refuse_index_file(db)
        unrecorded = sorted(_named_objects(db).keys() - {"_sqlite_migrations"})
        if unrecorded:
            raise DatabaseError(
                f"{opening.name_of(db)} has a table named {' and '.join(unrecorded)} "
                "already, without a record of the migrations that llm and vecstore keep: use "
                "another file"
            )
    _refuse_foreign_prefixes(db)
    has_form = _has_form(db)
    for migrations in (llm_migrations(), vecstore_migrations()):
        migrations.apply(to_sqlite_utils(db))
    for migration in _find_lost_migrations(db):
        run_script(db, migration_files()[migration])
    if journal.is_broken(db) or (not has_form and _choose_form(db, form, is_new) == "beside"):
        journal.create(db)
    if related_tables.is_broken(db):
        related_tables.create(db)


def _refuse_foreign_prefixes(db: Database) -> None:
    """Raise DatabaseError if what has the name of our table of prefixes is another program's."""
    table = collection_prefixes.TABLE
    found = db.execute(
        "select type, sql from sqlite_master where lower(name) = ? and type <> 'trigger'", [table]
    ).fetchone()
    if found and not (found[0] == "table" and "document_prefix" in found[1]):
        raise DatabaseError(
            f"{opening.name_of(db)} has a {found[0]} {table} that is not vecstore's: rename it"
        )


def _refuse_index_file(db: Database) -> None:
    """Raise DatabaseError if a file is the index beside another: it may be deleted at any time."""
    [id] = db.execute("pragma application_id").fetchone()
    if id == APPLICATION_ID:
        raise DatabaseError(
            f"{opening.name_of(db)} is the index of another file, and no database: name that file"
        )


def _choose_form(db: Database, form: IndexForm | None, is_new: bool) -> IndexForm:
    """Return where the index is to be of a file that vecstore opens for the first time."""
    names = (name for (name,) in db.execute("select name from sqlite_master"))
    if not filenames.main_file(db.conn) or any(map(is_of_index, names)):
        return "inside"
    chosen = form or default_index_form() or ("inside" if is_new else "beside")
    if chosen == "inside" and not is_new:
        name = opening.name_of(db)
        _log.warning(
            "%s gets its index inside, and programs without sqlite-vec can no longer write to it: "
            "'vecstore index move %s beside' changes that",
            name,
            name,
        )
    return chosen


def _make_creator(sql: str) -> Callable[[Database], None]:
    def run(db: Database) -> None:
        run_script(db, sql)

    return run


def _make_upgrader(sql: str) -> Callable[[Database], None]:
    """Return a migration that brings an older file forward, and has nothing to do in a new one."""

    def run(db: Database) -> None:
        if not lacks_columns(db):
            return
        if "vecstore_md5" in sql:
            db.conn.create_function("vecstore_md5", 1, content_hash)
        run_script(db, sql)

    return run


@cache
def llm_migrations() -> "Migrations":
    """Return those that are recorded as llm's own."""
    from sqlite_utils import Migrations

    migrations = Migrations(_LLM_SET)
    first, *others = _names()[0]
    scripts = migration_files()
    migrations(name=first)(_make_creator(scripts[_file_of(first)]))
    for name in others:
        migrations(name=name)(_make_upgrader(scripts[_file_of(name)]))
    return migrations


@cache
def vecstore_migrations() -> "Migrations":
    """Return those after them."""
    from sqlite_utils import Migrations

    migrations = Migrations(_OWN_SET)
    for name in _names()[1]:
        script = "" if name in _ON_DEMAND else migration_files()[name]
        migrations(name=name)(_make_creator(script))
    return migrations


@cache
def _names() -> tuple[list[str], list[str]]:
    """Return the names by which migrations are recorded, in order: in llm's set, and in ours."""
    names = [*migration_files()]
    return ["m" + name[1:] for name in names[:_LLM_MIGRATIONS]], names[_LLM_MIGRATIONS:]


def _file_of(name: str) -> str:
    """Return the name of the file of a migration in llm's set: 0001_... is llm's m001_..."""
    return "0" + name[1:]
