"""Makes, removes and lists the indexes of metadata, of a file or an open database."""

from pathlib import Path

from .. import databases, metadata_indexes, schema
from ..connection.database import Database
from ..metadata_indexes import MetadataIndex


def index_metadata(db: Database | str | Path, key: str) -> MetadataIndex:
    """Index the values of a key of the metadata; return the index, also one that was there.

    It is an index of SQLite's on `json_extract(metadata, '$.key')`, for all collections of the
    file. A condition that compares this expression, written so, is then answered by the index:
    `where=` of a search, and SQL in whatever program. The table and the index of vectors stay as
    they are.

    From then on, SQLite refuses a row whose metadata is no JSON ("malformed JSON"), from whatever
    program. vecstore and llm write no such row.

    :param db: a sqlite_utils.Database, or the path of a file
    :param key: such as "year", or a path of SQLite's for what lies deeper, such as "$.author.name"
    :raises InvalidInputError: the key cannot be indexed, or there is metadata that is no JSON, of
      the id that is named; nothing was changed
    :raises DatabaseError: the file cannot be written now; nothing was changed
    :raises MissingFileError: there is no such file
    """
    with databases.opened_database(db) as opened:
        schema.ensure_schema(opened)
        return metadata_indexes.create(opened, key)


def drop_metadata_index(db: Database | str | Path, key: str) -> list[str]:
    """Remove the index of the values of a key; return the names of what was removed.

    One that another program made of the same expression is removed, too; not a unique one.

    :param db: a sqlite_utils.Database, or the path of a file
    :param key: as index_metadata() takes it
    :raises InvalidInputError: it is no key
    :raises DatabaseError: the file cannot be written now; nothing was changed
    :raises MissingFileError: there is no such file
    """
    with databases.opened_database(db) as opened:
        schema.refuse_foreign(opened)
        return metadata_indexes.drop(opened, key)


def list_metadata_indexes(db: Database | str | Path) -> list[MetadataIndex]:
    """Return the indexes of the values of a key, in the order of the keys' paths.

    :raises MissingFileError: there is no such file
    """
    with databases.opened_database(db, read_only=True) as opened:
        schema.refuse_foreign(opened)
        return metadata_indexes.find_indexes(opened)
