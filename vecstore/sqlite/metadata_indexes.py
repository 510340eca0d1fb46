"""Indexes of metadata: of the value that each row of `embeddings` has for a key.

An ordinary index of SQLite's, on an expression, which any program uses and keeps:

    CREATE INDEX "idx_embeddings_metadata_year" ON "embeddings" (
       json_extract("metadata", '$.year'), "collection_id"
    )

The expression is the one that people write. It comes first, so that SQL which names no collection
uses the index too; with the collection beside it, a search learns from the index alone which rows
meet a condition. `metadata ->> 'year'` is another expression, and one of which a SQLite before 3.38
cannot open a file that has it in an index.
"""

import re
from typing import NamedTuple

from .. import values
from ..errors import InvalidInputError
from ..values import quote
from . import transactions
from .connection import opening
from .connection.database import Database
from .connection.identifiers import quote_identifier

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Older versions of SQLite notice what is no path only in a row whose JSON goes so far.
_PATH = re.compile(
    r"""
    \$ \. (?: [^."\[\]\\\x00-\x1f]+ | "[^"\\\x00-\x1f]+" )
    (?: \. (?: [^."\[\]\\\x00-\x1f]+ | "[^"\\\x00-\x1f]+" ) | \[ (?: \#- )? [0-9]+ \] )*
    """,
    re.VERBOSE,
)
_INDEX_SQL = re.compile(
    r"""
    CREATE \s+ INDEX \s .* \s ON \s* ["`\[]? embeddings ["`\]]? \s* \( \s*
    json_extract \s* \( \s* ["`\[]? metadata ["`\]]? \s* , \s* '(?P<path>(?:[^']|'')*)' \s* \) \s*
    (?:, \s* ["`\[]? collection_id ["`\]]? \s*)? \) \s*
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


class MetadataIndex(NamedTuple):
    """An index of the values that rows have for a key of their metadata.

    Attributes:
        name: of the index
        path: of the value in the metadata, as SQLite's JSON functions take it
    """

    name: str
    path: str

    @property
    def expression(self) -> str:
        """The SQL that is indexed: a condition has to say it so."""
        return expression_of(self.path)


def path_of(key: str) -> str:
    """Return the path of a key, or of what is a path already: it begins with `$.`.

    :raises InvalidInputError: it is no key, or no path that every SQLite reads alike
    """
    if not isinstance(key, str) or not key or values.surrogate_position(key) is not None:
        raise InvalidInputError(
            f"key is {quote(key)}: it must be a key of metadata, such as 'year'"
        )
    key = values.to_plain(key)
    if key.startswith("$."):
        path = key
    else:
        path = f"$.{key}" if _PLAIN_KEY.fullmatch(key) else f'$."{key}"'
    if not _PATH.fullmatch(path):
        raise InvalidInputError(
            f"key is {quote(key)}, which SQLite's versions do not all take for a path: pass a key "
            "without quotes, backslashes and control characters, or a path such as "
            '$.author.name, $."date of birth" or $.tags[0]'
        )
    return path


def expression_of(path: str) -> str:
    """Return the SQL for the value that is at a path of the metadata."""
    return f"json_extract(metadata, {_text(path)})"


def find_indexes(db: Database) -> list[MetadataIndex]:
    """Return the indexes of metadata, whoever made them, in the order of paths."""
    found = db.execute(
        """
        select name, sql
        from sqlite_master
        where type = 'index'
          and lower(tbl_name) = 'embeddings'
          and sql is not null
        """
    ).fetchall()
    matches = ((name, _INDEX_SQL.fullmatch(sql)) for name, sql in found)
    indexes = [MetadataIndex(name, m["path"].replace("''", "'")) for name, m in matches if m]
    return sorted(indexes, key=lambda index: (index.path, index.name))


def create(db: Database, key: str) -> MetadataIndex:
    """Make an index of a key's values, unless there is one, and return it.

    Other programs wait for the end, as for any writer; after an error, the file is as it was.

    :raises InvalidInputError: the key is none, or there is metadata that is no JSON, which is named
    """
    path = path_of(key)
    with transactions.writing(db):
        for index in find_indexes(db):
            if index.path == path:
                return index
        index = MetadataIndex(_free_name(db, key), path)
        sql = f"""
CREATE INDEX main.{quote_identifier(index.name)} ON "embeddings" (
   json_extract("metadata", {_text(path)}), "collection_id"
)
"""
        try:
            db.execute(sql.strip())
        except db.conn.OperationalError as error:
            _refuse_malformed(db, key, error)
            raise
    return index


def drop(db: Database, key: str) -> list[str]:
    """Remove the indexes of a key's values; return their names.

    :raises InvalidInputError: the key is none
    """
    path = path_of(key)
    with transactions.writing(db):
        names = [index.name for index in find_indexes(db) if index.path == path]
        for name in names:
            db.execute(f"DROP INDEX main.{quote_identifier(name)}")
    return names


def _free_name(db: Database, key: str) -> str:
    """Return a name that nothing has: to SQLite, names that differ in case alone are one."""
    taken = {name.lower() for (name,) in db.execute("select name from main.sqlite_master")}
    name = first = f"idx_embeddings_metadata_{key.removeprefix('$.')}".replace("\0", "")
    number = 2
    while name.lower() in taken:
        name, number = f"{first}_{number}", number + 1
    return name


def _refuse_malformed(db: Database, key: str, error: Exception) -> None:
    """Raise InvalidInputError if there is metadata that is no JSON, which SQLite cannot index."""
    found = db.execute(
        """
        select embeddings.id, collections.name
        from embeddings
        left join collections on collections.id = embeddings.collection_id
        where embeddings.metadata is not null
          and not json_valid(embeddings.metadata)
        limit 1
        """
    ).fetchone()
    if found is not None:
        id, collection = found
        raise InvalidInputError(
            f"The metadata of {quote(id)} in the collection {quote(collection)} is no JSON "
            f"({error}), so {quote(key)} of {opening.name_of(db)} cannot be indexed: mend it with "
            "UPDATE embeddings SET metadata = ..., or set it to NULL. Nothing was changed"
        ) from error


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
