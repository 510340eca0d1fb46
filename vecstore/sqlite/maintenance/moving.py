"""Moves the index of a file: inside it, or into a file beside it."""

from pathlib import Path

from ...errors import InvalidInputError
from ...settings import IndexForm, to_index_form
from .. import databases, journal, schema, transactions
from ..connection import filenames
from ..connection.database import Database
from ..index import keyword_building, tokenizers
from . import beside_indexes, collection_graphs, indexes, reference, soundness


def move_index(db: Database | str | Path, form: IndexForm) -> dict[int, int] | None:
    """Have the index inside a file, or in a file beside it; return how many vectors it then holds.

    That is by dimension, and of all vectors that can be compared. None: it is there already.

    "beside" removes the index from the file in one transaction, whereupon any program with SQLite
    can write to it, and then builds the one in `NAME-vec`. "inside" builds the index in the file in
    one transaction, and then deletes `NAME-vec`. So the file has its index in one of the two ways
    at any moment, whatever fails or is killed: after an error it is as it was, or it has been
    moved, and then the next search builds what is missing. A `NAME-vec` that is left beside a file
    with its index inside does no harm: the same call once more deletes it. A keyword index
    goes with it, with its tokenizer. The graphs that collections have are built anew.

    :param db: a sqlite_utils.Database, or the path of a file
    :param form: "inside" or "beside"
    :raises InvalidInputError: `form` is something else, or the database is in memory
    :raises DatabaseError: it cannot be written now, a transaction is open, or another program's
      file has the name of the index
    :raises MissingFileError: there is no such file
    """
    form = to_index_form(form, "form")
    with databases.opened_database(db) as opened:
        if not filenames.main_file(opened.conn):
            raise InvalidInputError("A database in memory has its index inside, and nowhere else")
        soundness.refuse_transaction(opened, "An index cannot be moved")
        schema.ensure_schema(opened)
        moved = _move_beside(opened) if form == "beside" else _move_inside(opened)
        if moved is not None:
            collection_graphs.rebuild_graphs(opened)
        return moved


def _move_beside(db: Database) -> dict[int, int] | None:
    has_keywords = keyword_building.is_there(db)
    if journal.is_there(db) and not has_keywords and not reference.indexed_dimensions(db):
        return None
    beside_indexes.refuse_foreign(db)
    with transactions.writing(db):
        has_keywords = keyword_building.is_there(db)
        tokenizer = keyword_building.wanted_tokenizer(db)
        indexes.drop_indexes(db)
        if journal.is_there(db):  # another process has moved it while we waited
            return None
        journal.create(db)
        if has_keywords:
            _keep_tokenizer(db, tokenizer)
    return beside_indexes.build(
        db, indexes.numbers_of_vectors(db), tokenizer=tokenizer if has_keywords else None
    )


def _move_inside(db: Database) -> dict[int, int] | None:
    built = None
    is_beside = journal.is_there(db)
    tokenizer = beside_indexes.find_tokenizer(db) if is_beside else None
    with transactions.writing(db):
        if journal.is_there(db):
            journal.remove(db)
            built = indexes.rebuild_indexes(db)
            if tokenizer is not None:
                _keep_tokenizer(db, tokenizer)
                keyword_building.create_index(db, tokenizer)
    beside_indexes.discard_leftover(db)
    return built


def _keep_tokenizer(db: Database, tokenizer: str) -> None:
    """Note the tokenizer of an index that is moved, unless each new one has it anyway."""
    if tokenizer != tokenizers.new_tokenizer(db):
        tokenizers.choose_tokenizer(db, tokenizer)
