"""Indexes of metadata: of the value that each row of `embeddings` has for a key, as text.

An ordinary index of PostgreSQL's, on an expression, for all collections:

    CREATE INDEX "idx_embeddings_metadata_year" ON embeddings ((metadata ->> 'year'), collection_id)

The expression is the one that people write; for what lies deeper, `metadata #>> '{author,name}'`.
"""

import hashlib
import re
from typing import NamedTuple

from psycopg import sql

from ..errors import InvalidInputError, VecstoreError
from ..sqlite.metadata_indexes import path_of
from ..values import quote
from .connection import PostgresDatabase

_STEP = re.compile(r'\.(?:"(?P<quoted>[^"]*)"|(?P<key>[^."\[\]]+))|\[#?(?P<place>-?\d+)\]')
_MOST_BYTES = 63  # of a name; PostgreSQL cuts off the rest
_TOO_LONG = "54000"  # program_limit_exceeded: a value that no page of an index can hold

# Of the first column, as PostgreSQL writes it; the second is the collection, if there is one.
_EXPRESSION = re.compile(
    r"\(\(metadata (?P<operator>->>|#>>) (?P<literal>E?'(?:[^'\\]|''|\\.)*')::text(?:\[\])?\)\)"
)


class MetadataIndex(NamedTuple):
    """An index of the values that rows have for a key of their metadata.

    Attributes:
        name: of the index
        steps: the keys that lead to the value, and places in arrays
    """

    name: str
    steps: tuple[str, ...]

    @property
    def path(self) -> str:
        """The keys as one text."""
        return ".".join(self.steps)

    @property
    def expression(self) -> str:
        """The SQL that is indexed: a condition has to say it so."""
        return expression_of(self.steps)


def steps_of(key: str) -> tuple[str, ...]:
    """Return the keys that lead to a value, of a key or a path such as `$.author.name`.

    :raises InvalidInputError: it is no key
    """
    steps = _STEP.finditer(path_of(key), 1)
    return tuple(found["quoted"] or found["key"] or found["place"] for found in steps)


def expression_of(steps: tuple[str, ...]) -> str:
    """Return the SQL for the value that keys lead to."""
    if len(steps) == 1:
        return f"metadata ->> {_text(steps[0])}"
    quoted = (step.replace("\\", "\\\\").replace('"', '\\"') for step in steps)
    plain = all(re.fullmatch(r"[A-Za-z0-9_-]+", step) and step.lower() != "null" for step in steps)
    listed = ",".join(steps) if plain else ",".join(f'"{step}"' for step in quoted)
    return f"metadata #>> {_text(f'{{{listed}}}')}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def list_all(db: PostgresDatabase) -> list[MetadataIndex]:
    """Return the indexes of metadata, whoever made them, in the order of keys."""
    found = db.rows(
        """
        select relname, pg_get_indexdef(indexrelid, 1, false)
        from pg_index
        join pg_class on pg_class.oid = indexrelid
        where indrelid = 'embeddings'::regclass
          and indkey[0] = 0
          and indpred is null
          and not indisunique
          and indisvalid
          and (
            indnkeyatts = 1
            or indnkeyatts = 2 and pg_get_indexdef(indexrelid, 2, false) = 'collection_id'
          )
        """
    )
    matches = ((name, _EXPRESSION.fullmatch(column)) for name, column in found)
    indexes = [
        MetadataIndex(name, _steps_in(db, match["operator"], match["literal"]))
        for name, match in matches
        if match
    ]
    return sorted(indexes, key=lambda index: (index.steps, index.name))


def _steps_in(db: PostgresDatabase, operator: str, literal: str) -> tuple[str, ...]:
    """Return the keys that a literal in the definition of an index has."""
    escaped = literal.replace("%", "%%")
    if operator == "->>":
        [[key]] = db.rows(f"select {escaped}::text")
        return (key,)
    [[keys]] = db.rows(f"select {escaped}::text[]")
    return tuple(keys)


def create(db: PostgresDatabase, key: str) -> MetadataIndex:
    """Make an index of a key's values, unless there is one, and return it.

    Writers wait for the end, and searches do not; after an error, the database is as it was. From
    then on PostgreSQL refuses a row whose value, compressed, has more than 2,704 bytes.

    :raises InvalidInputError: the key is none, or a value is too long, of the id that is named
    """
    steps = steps_of(key)

    def work() -> MetadataIndex:
        # Another process may be about to do the same.
        db.run("lock table embeddings in share row exclusive mode")
        for index in list_all(db):
            if index.steps == steps:
                return index
        index = MetadataIndex(_free_name(db, steps), steps)
        db.run(
            f"CREATE INDEX {_quoted(index.name)} ON embeddings "
            f"(({index.expression}), collection_id)".replace("%", "%%")
        )
        return index

    try:
        index = db.write(work)
    except VecstoreError as error:
        if getattr(error.__cause__, "sqlstate", None) == _TOO_LONG:
            raise _too_long(db, key, error) from error
        raise
    db.run("analyze embeddings")  # what values there are, for whoever plans
    return index


def drop(db: PostgresDatabase, key: str) -> list[str]:
    """Remove the indexes of a key's values; return their names.

    One that another program made of the same expression is removed, too; not a unique one.

    :raises InvalidInputError: the key is none
    """
    steps = steps_of(key)

    def work() -> list[str]:
        names = [index.name for index in list_all(db) if index.steps == steps]
        for name in names:
            db.run(f"DROP INDEX {_quoted(name)}".replace("%", "%%"))
        return names

    return db.write(work)


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _free_name(db: PostgresDatabase, steps: tuple[str, ...]) -> str:
    """Return a name that nothing has, of as many bytes as a name may have."""
    name = "idx_embeddings_metadata_" + ".".join(steps)
    if len(name.encode()) > _MOST_BYTES or _is_taken(db, name):
        digest = hashlib.sha256("\0".join(steps).encode()).hexdigest()[:12]
        shortened = name.encode()[: _MOST_BYTES - len(digest) - 1].decode(errors="ignore")
        name = f"{shortened}_{digest}"
    return name


def _is_taken(db: PostgresDatabase, name: str) -> bool:
    rows = db.rows(
        """
        select 1
        from pg_class
        join pg_namespace on pg_namespace.oid = relnamespace
        where relname = %s
          and nspname = current_schema()
        """,
        [name],
    )
    return bool(rows)


def _too_long(db: PostgresDatabase, key: str, error: Exception) -> InvalidInputError:
    """Return the error that names the entry with the longest value."""
    expression = expression_of(steps_of(key)).replace("%", "%%")
    [[id, collection, length]] = db.rows(
        f"""
        select embeddings.id, collections.name, length({expression})
        from embeddings
        join collections on collections.id = collection_id
        order by length({expression}) desc nulls last
        limit 1
        """
    )
    return InvalidInputError(
        f"{quote(key)} of {quote(id)} in the collection {quote(collection)} has {length:,} "
        f"characters, and is too long for an index ({error}): shorten it, or search without one. "
        "Nothing was changed"
    )
