"""Builds and drops the keyword index of a database, and says how it stands."""

from dataclasses import dataclass
from pathlib import Path

from ...settings import IndexForm
from .. import databases, journal, schema, transactions
from ..connection.database import Database, has_table
from ..index import keyword_building, keyword_tables, tokenizers
from ..index_names import BESIDE, KEYWORDS
from . import beside_indexes


@dataclass(frozen=True)
class KeywordIndex:
    """The keyword index of a database, or that there is none.

    Attributes:
        texts: how many stored texts there are that it holds, or would
        state: "ready", "behind" (beside, the latest changes have yet to be followed),
            "incomplete" (a part is missing or altered; beside, also that it is still being built)
            or "missing"
        form: where it is, or is to be: "inside" the file, or "beside" it
        tokenizer: of FTS5, that it has or is to have
    """

    texts: int
    state: str
    form: IndexForm
    tokenizer: str


def build_keyword_index(db: Database | str | Path, tokenizer: str | None = None) -> int:
    """Build the keyword index anew from the stored texts; return how many it holds.

    What it was like before does not matter. Inside a file it is one transaction: readers see the
    old index until the end, writers wait, and after an error or a crash the database is as it was.
    Beside a file, the old one is removed first, and a new one built in portions: nobody waits,
    searches read all texts until it is done, and after an error or a crash the next search by
    keywords builds the rest.

    :param db: a sqlite_utils.Database, or the path of a file
    :param tokenizer: of FTS5, such as "unicode61" or "trigram"; it is noted in the file, for each
      index to come. By default that of the index that is there, or of an FTS5 table of the user's
      over `embeddings`, or "porter unicode61 remove_diacritics 2", which takes English words for
      the same that have the same stem
    :raises InvalidInputError: FTS5 has no such tokenizer
    :raises DatabaseError: the file, or that of the index, cannot be written now; a transaction is
      open, and the index is beside; a table or file of another program's has the name of one of it
    :raises MissingFileError: there is no such file
    """
    with databases.opened_database(db) as opened:
        chosen = None if tokenizer is None else tokenizers.require_tokenizer(opened, tokenizer)
        schema.ensure_schema(opened)
        if journal.is_there(opened):
            return beside_indexes.build_keywords(opened, chosen)
        with transactions.writing(opened):
            return rebuild_keywords(opened, chosen)


def rebuild_keywords(db: Database, chosen: str | None = None) -> int:
    """As build_keyword_index() inside a file, in the transaction that is open."""
    if chosen is not None:
        tokenizers.choose_tokenizer(db, chosen)
    keyword_building.create_index(db, chosen or keyword_building.wanted_tokenizer(db))
    return keyword_building.count_texts(db)


def drop_keyword_index(db: Database | str | Path) -> bool:
    """Remove the keyword index and its triggers; return whether there was one.

    The stored texts stay, and so does the choice of a tokenizer. The next search by keywords builds
    it anew. Inside a file it is one transaction: after an error or a crash the database is as it
    was. Beside one, the file of the index is deleted, if it holds nothing else.

    :param db: a sqlite_utils.Database, or the path of a file
    :raises DatabaseError: as build_keyword_index() does; but another program's table stays, and is
      no index
    :raises MissingFileError: there is no such file
    :raises NewerSchemaError: a later vecstore has migrated it
    """
    with databases.opened_database(db) as opened:
        schema.pending_migrations(opened)  # raises for a newer one
        if journal.is_there(opened):
            return bool(beside_indexes.drop(opened, KEYWORDS))
        with transactions.writing(opened):
            schema.pending_migrations(opened)
            return drop_keywords(opened)


def drop_keywords(db: Database) -> bool:
    """As drop_keyword_index() inside a file, in the transaction that is open."""
    is_there = keyword_building.is_there(db)
    if is_there:
        keyword_building.remove_index(db)
    return is_there


def keyword_index(db: Database | str | Path) -> KeywordIndex:
    """Return the state of the keyword index, or that of a file that has none.

    That it is whole does not say that it equals the table: check() does.

    :raises MissingFileError: there is no such file
    """
    with databases.opened_database(db, read_only=True) as opened:
        schema.refuse_foreign(opened)
        return find_status(opened)


def find_status(db: Database) -> KeywordIndex:
    """As keyword_index()."""
    form = schema.form_of(db)
    state, tokenizer = _find_beside(db) if form == "beside" else _find_inside(db)
    return KeywordIndex(count_texts(db), state, form, tokenizer)


def count_texts(db: Database) -> int:
    """Return how many stored texts there are that an index can hold."""
    if not has_table(db, "embeddings") or schema.lacks_columns(db):
        return 0
    [number] = db.execute(
        f"select count(*) from embeddings where {keyword_tables.has_text_sql('embeddings')}"
    ).fetchone()
    return int(number)


def _find_inside(db: Database) -> tuple[str, str]:
    state = "missing"
    if keyword_building.is_there(db):
        state = "ready" if keyword_building.index_exists(db) else "incomplete"
    return state, keyword_building.wanted_tokenizer(db)


def _find_beside(db: Database) -> tuple[str, str]:
    state = beside_indexes.find_states(db).get(KEYWORDS, "missing")
    present = None if state == "missing" else keyword_building.tokenizer_of(db, BESIDE)
    return state, present or tokenizers.new_tokenizer(db)
