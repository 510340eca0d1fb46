"""The journal of changes, in a file whose index is in a file beside it.

Triggers write it, whichever program changes the table. Whether there is one tells which form a file
has. An index beside has noted the number and the token of the last change that it has followed;
where the journal does not have that change, the index is of another file, or of another time.
"""

from functools import cache
from typing import NamedTuple

from ..errors import DatabaseError
from .connection import opening
from .connection.database import Database
from .connection.identifiers import quote_identifier
from .migration_files import migration_files, run_script, statements

MIGRATION = "0009_changes"
TABLE = "vecstore_changes"
_EVENTS = ("insert", "update", "delete")
_MOST_AT_ONCE = 50_000  # are removed, as nobody else can write meanwhile
_TRIGGERS = {f"{TABLE}_{event}" for event in _EVENTS}


class Change(NamedTuple):
    """One change of the journal; the numbers go up by one."""

    seq: int
    token: bytes


def is_there(db: Database) -> bool:
    """Return whether a file has a journal, or a part of one: then its index is beside it."""
    return is_there_in(_parts(db))


def is_whole(db: Database) -> bool:
    """Return whether all of the journal is there, so that it has missed nothing."""
    return is_whole_in(_parts(db))


def is_broken(db: Database) -> bool:
    """Return whether a journal has lost a part, as sqlite-utils' transform() drops triggers.

    Or whether another program's trigger is on it, as of sqlite-utils enable-counts: those use OR
    REPLACE, which is no replacement within an upsert, and fails.
    """
    found = _parts(db)
    return is_there_in(found) and not (is_whole_in(found) and not _foreign_triggers(db))


def is_there_in(found: dict[str, str]) -> bool:
    """Return whether any part is among those of a file, which have their SQL by their names.

    A table of a user's own may have the name.
    """
    return "token" in found.get(TABLE, "") or not _TRIGGERS.isdisjoint(found)


def is_whole_in(found: dict[str, str]) -> bool:
    """Return whether all parts are among those of a file, the triggers unaltered."""
    return TABLE in found and _triggers() <= {*found.values()}


def create(db: Database) -> None:
    """Make the journal, or begin it anew, as from now on it can be relied on.

    Belongs inside a transaction. An index that has followed an older one is built anew.

    :raises DatabaseError: another program's table has its name
    """
    found = _parts(db)
    if TABLE in found and not is_there_in(found):
        raise DatabaseError(
            f"{opening.name_of(db)} has a table {TABLE} that is not vecstore's: rename it, or have "
            "the index inside the file, with VECSTORE_INDEX=inside"
        )
    for trigger in sorted(_TRIGGERS):
        db.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    for trigger in _foreign_triggers(db):
        db.execute(f"DROP TRIGGER {quote_identifier(trigger)}")
    run_script(db, migration_files()[MIGRATION])
    db.execute(f"delete from {TABLE}")
    begin(db)


def begin(db: Database) -> None:
    """Write a first change, which is of no row, for an index to note."""
    db.execute(f"insert into {TABLE} (token) values (randomblob(8))")


def remove(db: Database) -> None:
    """Remove the journal. Belongs inside a transaction."""
    for trigger in sorted(_TRIGGERS):
        db.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    db.execute(f"DROP TABLE IF EXISTS {TABLE}")


def last_change(db: Database) -> Change | None:
    """Return the last change; None if somebody has removed even that."""
    row = db.execute(f"select seq, token from {TABLE} order by seq desc limit 1").fetchone()
    return None if row is None else Change(*row)


def changes_after(db: Database, noted: Change, number: int) -> Change | None:
    """Return the last of so many changes after one, which may be that itself.

    None if the journal does not have that one, or not all after it: they were of another file, or
    of another time.
    """
    row = db.execute(
        f"""
        select seq, token, (
          select count(*)
          from {TABLE}
          where seq between ?1 and last.seq
        ), (
          select token
          from {TABLE}
          where seq = ?1
        )
        from {TABLE} as last
        where seq between ?1 and ?1 + ?2
        order by seq desc
        limit 1
        """,
        [noted.seq, number],
    ).fetchone()
    if row is None:
        return None
    last, token, found, token_of_noted = row
    is_known = token_of_noted is not None and token_of_noted == noted.token
    return Change(last, token) if is_known and found == last - noted.seq + 1 else None


def count_since(db: Database, noted: Change) -> int | None:
    """Return how many changes came after one; None if the journal does not have all of them."""
    [last] = db.execute(f"select max(seq) from {TABLE}").fetchone()
    behind = 0 if last is None else last - noted.seq
    return None if changes_after(db, noted, behind) is None else behind


def changed_keys_sql(first: str, last: str = "9223372036854775807") -> str:
    """Return a SELECT of the keys that have changed after one number and up to another, each once.

    :param first: the SQL of the first number, such as a parameter
    """
    return f"""select distinct collection_id, id
          from {TABLE}
          where seq > {first}
            and seq <= {last}
            and typeof(collection_id) = 'integer'
            and id is not null"""


def forget(db: Database, followed: Change, kept: int) -> None:
    """Remove the changes before one that the index has followed, where there are more than kept."""
    [first] = db.execute(f"select min(seq) from {TABLE}").fetchone()
    if first is not None and first < followed.seq - kept:
        end = min(followed.seq, first + _MOST_AT_ONCE)
        db.execute(f"delete from {TABLE} where seq < ?", [end])


def _foreign_triggers(db: Database) -> list[str]:
    rows = db.execute(
        "select name from sqlite_master where type = 'trigger' and tbl_name = ?", [TABLE]
    )
    return [name for (name,) in rows.fetchall()]


def _parts(db: Database) -> dict[str, str]:
    found = db.execute("select name, sql from sqlite_master where name glob ?", [f"{TABLE}*"])
    return dict(found.fetchall())


@cache  # each search asks for it
def _triggers() -> set[str]:
    """Return the SQL of the triggers as SQLite keeps it."""
    script = [sql.strip().removesuffix(";") for sql in statements(migration_files()[MIGRATION])]
    return {sql for sql in script if sql.startswith("CREATE TRIGGER")}
