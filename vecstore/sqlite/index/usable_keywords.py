"""Which keyword index a search can use, inside the file or beside it, and what makes it ready."""

from contextlib import suppress
from typing import NamedTuple

from ...errors import (
    DatabaseBusyError,
    DatabaseDamagedError,
    DatabaseInterruptedError,
    DiskError,
    DiskFullError,
    VecstoreError,
)
from .. import journal
from ..connection import file_status, opening, sqlite_errors
from ..connection.database import Database
from ..connection.file_status import Status
from ..index_names import BESIDE, KEYWORD_TABLE, KEYWORDS, TEXTS, KeywordNames, keyword_names
from . import beside, beside_writing, following, keyword_building, tokenizers, usable
from .tokenizers import is_trigram

_NOT_OF_THE_INDEX = (DatabaseBusyError, DatabaseInterruptedError)


class UsableKeywords(NamedTuple):
    """The keyword index, its tokenizer, and how many changes of the table it has not followed."""

    names: KeywordNames
    tokenizer: str
    behind: int = 0


def find_keywords(db: Database) -> UsableKeywords | None:
    """Return the keyword index; None where there is none, or none that can be used."""
    found = dict(
        db.execute(
            """
            select name, sql
            from sqlite_master
            where name glob ?
              or name glob ?
              or name glob ?
            """,
            [f"{TEXTS}*", f"{KEYWORD_TABLE}*", f"{journal.TABLE}*"],
        ).fetchall()
    )
    if not journal.is_there_in(found):
        tokenizer = keyword_building.tokenizer_in(found)
        if tokenizer is None or not keyword_building.is_whole_in(found):
            return None
        return UsableKeywords(keyword_names(), tokenizer)
    standing = beside.find_standing(db, KEYWORDS) if journal.is_whole_in(found) else None
    parts = keyword_building.parts_of(db, BESIDE) if standing else {}
    tokenizer = keyword_building.tokenizer_in(parts)
    is_wrong = standing and keyword_building.wrong_parts(parts, is_beside=True)
    if standing is None or tokenizer is None or is_wrong:
        return None
    return UsableKeywords(keyword_names(BESIDE), tokenizer, standing.behind)


def find_tokenizer(db: Database) -> str:
    """Return the tokenizer of an index that is made now, for one search."""
    if not journal.is_there(db):
        return keyword_building.wanted_tokenizer(db)
    index = find_keywords(db)
    return index.tokenizer if index else tokenizers.new_tokenizer(db)


def may_be_at_fault(db: Database, index: UsableKeywords, match: str, error: Exception) -> bool:
    """Return whether an error of SQLite comes from the index, which fails without the rest too.

    :raises DatabaseDamagedError: it does, and the index is inside the file
    """
    is_beside = index.names.schema == BESIDE
    not_of_the_index = _NOT_OF_THE_INDEX if is_beside else (*_NOT_OF_THE_INDEX, DiskError)
    if issubclass(sqlite_errors.error_class(error), not_of_the_index):
        return False
    if _can_be_read(db, index, match):
        return False
    if is_beside:
        return True
    name = opening.name_of(db)
    message = (
        f"The keyword index of {name} is damaged ({error}): 'vecstore index build {name} "
        "--keywords' builds it anew"
    )
    raise sqlite_errors.to_ours(error, message, DatabaseDamagedError) from error


def identity_of_damaged(db: Database, index: UsableKeywords, error: Exception) -> Status | None:
    """Return which file beside is damaged, of now; None where it may be a disk that is full."""
    if issubclass(sqlite_errors.error_class(error), DiskFullError):
        return None
    return file_status.identity_of(beside.file_of(db)) if index.names.schema == BESIDE else None


def _can_be_read(db: Database, index: UsableKeywords, match: str) -> bool:
    """Return whether the index can be asked, and the texts that it finds are there."""
    try:
        if is_trigram(index.tokenizer):  # a search of short terms reads all texts
            db.execute(f"select sum(instr(content, '')) from {index.names.texts}").fetchall()
        # FTS5 makes no snippets in an aggregate.
        db.execute(
            f"""
            with found as materialized (
              select rank, snippet({KEYWORD_TABLE}, 0, '', '', '', 1) as snippet
              from {index.names.keywords}
              where {KEYWORD_TABLE} match ?
            )
            select count(*), sum(rank), max(length(snippet))
            from found
            """,
            [match],
        ).fetchall()
    except db.conn.Error:
        return False
    return True


def ensure_ready(db: Database) -> None:
    """Build the keyword index, or bring it into step, where that can be done now."""
    index = find_keywords(db)
    if index is not None and not index.behind:
        return
    if not journal.is_there(db):
        keyword_building.ensure_index(db)
        return
    usable.mend_journal(db)
    if index is None and beside.find_standing(db, KEYWORDS):
        with suppress(OSError, VecstoreError, db.conn.Error):  # it lacks a part: then without it
            beside_writing.remove_index(db, KEYWORDS)
    if following.follow(db, [KEYWORDS], tokenizer=tokenizers.new_tokenizer(db)):
        standing = beside.find_standing(db, KEYWORDS)
        if standing is None or standing.behind:
            beside.attach(db)  # another file may have taken the place of the one that is attached
