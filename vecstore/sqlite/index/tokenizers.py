"""The tokenizer of the keyword index: which one FTS5 is to use, and which the file says.

A user may choose one. That is noted in the file, in vecstore_tokenizer, as an index beside it can
be lost at any time and must come back as it was.
"""

import re

from ...errors import DatabaseError, InvalidInputError
from ...values import quote, surrogate_position
from ..connection import opening
from ..connection.database import Database, has_table
from ..index_names import TOKENIZER_TABLE, KeywordNames
from . import keyword_tables
from .keyword_tables import DEFAULT_TOKENIZER

_OPTION = re.compile(
    r"""
    tokenize \s* = \s*
    (?: "(?P<double>(?:[^"]|"")*)" | '(?P<single>(?:[^']|'')*)' | (?P<bare>\w+) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_OVER_EMBEDDINGS = re.compile(
    r"""\bcontent \s* = \s* ["'\[`]? embeddings ["'\]`]? \s* [,)]""", re.VERBOSE | re.IGNORECASE
)
_CASE_SENSITIVE = re.compile(r"\bcase_sensitive\W+1\b", re.IGNORECASE)
_OF_FTS5 = "unicode61"  # what FTS5 takes by itself


def tokenizer_in_sql(sql: str) -> str | None:
    """Return the tokenizer of an FTS5 table, of which this is the SQL; None for none."""
    if not sql:
        return None
    found = _OPTION.search(sql)
    if found is None:
        return _OF_FTS5
    if found["double"] is not None:
        return found["double"].replace('""', '"')
    return found["bare"] or found["single"].replace("''", "'")


def is_trigram(tokenizer: str) -> bool:
    """Return whether a tokenizer takes each three characters for a word."""
    return tokenizer.lstrip(" '\"").lower().startswith("trigram")


def is_case_sensitive(tokenizer: str) -> bool:
    """Return whether `trigram` tells upper case from lower case, which is an option of it alone."""
    return bool(_CASE_SENSITIVE.search(tokenizer))


def new_tokenizer(db: Database) -> str:
    """Return the tokenizer of a new index: what the user has chosen, or uses, or the default.

    The second is that of an FTS5 table of the user's over `embeddings`. Such a table itself is left
    alone, and not searched: it loses step where a row is replaced, and where VACUUM changes rowids.
    """
    chosen = _chosen_tokenizer(db)
    if chosen is not None:
        return chosen
    rows = db.execute(
        """
        select sql
        from main.sqlite_master
        where type = 'table'
          and sql like '%virtual%table%using%fts5%'
          and sql like '%embeddings%'
        order by name
        """
    )
    for (sql,) in rows.fetchall():
        tokenizer = tokenizer_in_sql(sql) if _OVER_EMBEDDINGS.search(sql) else None
        if tokenizer is not None and _why_not(db, tokenizer) is None:
            return tokenizer
    return DEFAULT_TOKENIZER


def choose_tokenizer(db: Database, tokenizer: str) -> None:
    """Note in the file which tokenizer its index is to have. Belongs inside a transaction.

    :raises DatabaseError: another program's table has the name of ours
    """
    if has_table(db, TOKENIZER_TABLE) and not _is_noted(db):
        raise DatabaseError(
            f"{opening.name_of(db)} has a table {TOKENIZER_TABLE} that is not vecstore's: rename it"
        )
    db.execute(f"CREATE TABLE IF NOT EXISTS main.{TOKENIZER_TABLE} (tokenizer TEXT NOT NULL)")
    db.execute(f"delete from main.{TOKENIZER_TABLE}")
    db.execute(f"insert into main.{TOKENIZER_TABLE} (tokenizer) values (?)", [tokenizer])


def require_tokenizer(db: Database, tokenizer: object) -> str:
    """Return a tokenizer of FTS5's. Leaves no trace.

    :raises InvalidInputError: FTS5 has no such tokenizer, or it is no text
    """
    reason = "it must be text"
    if isinstance(tokenizer, str):
        why_not = _why_not(db, tokenizer)
        if why_not is None:
            return tokenizer
        reason = why_not
    raise InvalidInputError(
        f"The tokenizer {quote(tokenizer)} is none of FTS5's ({reason}): such as "
        f"'{DEFAULT_TOKENIZER}', or 'trigram' for languages without spaces between words"
    )


def _chosen_tokenizer(db: Database) -> str | None:
    if not _is_noted(db):
        return None
    row = db.execute(f"select tokenizer from main.{TOKENIZER_TABLE} limit 1").fetchone()
    return None if row is None or not isinstance(row[0], str) else row[0]


def _is_noted(db: Database) -> bool:
    row = db.execute(
        "select 1 from pragma_table_info(?, 'main') where name = 'tokenizer'", [TOKENIZER_TABLE]
    ).fetchone()
    return row is not None


def _why_not(db: Database, tokenizer: str) -> str | None:
    """Return why FTS5 cannot use a tokenizer; None if it can."""
    if not tokenizer.strip():
        return "it is empty"
    if "\0" in tokenizer or surrogate_position(tokenizer) is not None:
        return "it has a NUL, or a lone surrogate"
    sql = keyword_tables.keyword_tables(KeywordNames("temp", "temp.a", "temp.b"), tokenizer)[1]
    conn = opening.open_bare_connection(":memory:", opening.driver_of(db))
    try:
        conn.execute(sql)
    except conn.Error as error:
        return str(error)
    finally:
        conn.close()
    return None
