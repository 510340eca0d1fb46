"""The keyword index inside a file: whether it is there, made, filled, dropped."""

from collections.abc import Iterator, Sequence
from functools import cache

from ...errors import DatabaseError
from .. import journal, transactions
from ..connection import opening, sqlite_errors
from ..connection.database import Database
from ..connection.identifiers import quote_identifier
from ..index_names import (
    INSIDE,
    KEYWORD_SHADOWS,
    KEYWORD_TABLE,
    KEYWORD_TRIGGERS_ON_EMBEDDINGS,
    KEYWORD_TRIGGERS_ON_TEXTS,
    TEXTS,
    KeywordNames,
    keyword_names,
)
from ..rowid_spans import rowid_spans
from . import keyword_tables, tokenizers
from .build_progress import BuildProgress

_PORTION = 2000  # rows that one statement reads

# What the SQL of each of our tables has, in whatever version.
_SIGNS = {
    TEXTS: "collection_id",
    KEYWORD_TABLE: f'content="{TEXTS}"',
    **dict(zip(KEYWORD_SHADOWS, ("block", "segid", "sz", "k PRIMARY KEY"), strict=True)),
}


def ensure_index(db: Database) -> bool:
    """Make sure that the index exists and is in step; return whether it is.

    A missing index is built, and one that lost a trigger is built anew, in one transaction. False,
    with the database unchanged, if it cannot be written now.

    :raises DatabaseError: a table of another program's has the name of one of its tables
    """
    if index_exists(db):
        return True
    if not journal.is_there(db):
        refuse_foreign(db)
    return transactions.try_to_write(db, lambda: _build_if_missing(db))


def _build_if_missing(db: Database) -> None:
    # Another process may have built it while we waited, or moved it.
    if not index_exists(db) and not journal.is_there(db):
        create_index(db, wanted_tokenizer(db))


def index_exists(db: Database) -> bool:
    """Return whether the index and all its triggers are there, unaltered."""
    return is_whole_in(parts_of(db))


def is_there(db: Database) -> bool:
    """Return whether any part of an index is in the file."""
    found = parts_of(db)
    return not foreign_in(found) and is_there_in(found)


def is_there_in(found: dict[str, str]) -> bool:
    """Return whether any part is among those of a file, which have their SQL by their names."""
    return any(name in found for name in _our_names())


def is_whole_in(found: dict[str, str]) -> bool:
    """Return whether all parts are among those of a file, unaltered."""
    return tokenizer_in(found) is not None and not wrong_parts(found)


def wrong_parts(found: dict[str, str], *, is_beside: bool = False) -> list[str]:
    """Return what is missing or altered, among the parts of a file.

    :param is_beside: it is the index beside a file, without the triggers on `embeddings`
    """
    tokenizer = tokenizer_in(found) or keyword_tables.DEFAULT_TOKENIZER
    wrong = [
        f"the {kind} {name} is {'altered' if name in found else 'missing'}"
        for kind, name, sql in _parts_with(tokenizer, is_beside)
        if found.get(name) != sql
    ]
    shadows = [name for name in KEYWORD_SHADOWS if name not in found]
    return wrong + [f"the table {name} is missing" for name in shadows]


def wanted_tokenizer(db: Database) -> str:
    """Return the tokenizer that the index is to have: the present one, or that of a new one."""
    found = parts_of(db)
    present = None if foreign_in(found) else tokenizer_in(found)
    return present or tokenizers.new_tokenizer(db)


def tokenizer_of(db: Database, schema: str = INSIDE) -> str | None:
    """Return the tokenizer of the index; None where there is no index."""
    return tokenizer_in(parts_of(db, schema))


def tokenizer_in(found: dict[str, str]) -> str | None:
    """Return the tokenizer of an index whose parts are among those of a file."""
    return tokenizers.tokenizer_in_sql(found.get(KEYWORD_TABLE, ""))


def create_index(db: Database, tokenizer: str) -> None:
    """Create the index from the stored texts, in place of any older one.

    Belongs inside a transaction. Needs no model.

    :raises DatabaseError: a table of another program's has the name of one of its tables
    """
    names = keyword_names()
    remove_index(db)
    for sql in keyword_tables.keyword_statements(names, tokenizer):
        db.execute(sql)
    progress = BuildProgress(db)
    keys = "select collection_id, id from embeddings where rowid > ? and rowid <= ?"
    for after, last, number in rowid_spans(db, "embeddings", _PORTION):
        fill(db, names, keys, [after, last])
        progress.add(number)


def remove_index(db: Database) -> None:
    """Remove the index with its triggers, whatever is left of it; the stored texts stay.

    Belongs inside a transaction.

    :raises DatabaseError: a table of another program's has the name of one of its tables
    """
    names = keyword_names()
    refuse_foreign(db)
    for event in KEYWORD_TRIGGERS_ON_EMBEDDINGS:
        db.execute(f"DROP TRIGGER IF EXISTS {INSIDE}.{names.trigger(event)}")
    found = parts_of(db)
    if KEYWORD_TABLE in found and not _can_be_dropped(db, found):
        _replace_shadows(db)
    for table in names.tables:
        db.execute(f"DROP TABLE IF EXISTS {INSIDE}.{table}")
    for table in KEYWORD_SHADOWS:  # without their table, as '.recover' leaves them
        db.execute(f"DROP TABLE IF EXISTS {INSIDE}.{table}")


def _can_be_dropped(db: Database, found: dict[str, str]) -> bool:
    """Return whether FTS5 can open its table, which it does before it drops it."""
    if any(name not in found for name in KEYWORD_SHADOWS):
        return False
    try:
        db.execute(f"select 1 from {INSIDE}.{KEYWORD_TABLE} limit 0").fetchall()
    except db.conn.Error as error:
        if sqlite_errors.is_unwritable(error):
            raise
        return False
    return True


def _replace_shadows(db: Database) -> None:
    """Make the tables of FTS5's own anew, as those of an empty table that has never been opened."""
    for table in KEYWORD_SHADOWS:
        db.execute(f"DROP TABLE IF EXISTS {INSIDE}.{table}")
    for sql in keyword_tables.shadow_tables():
        db.execute(sql)


def refuse_foreign(db: Database) -> None:
    """Raise DatabaseError if a table of another program's has the name of one of ours."""
    for table in foreign_in(parts_of(db)):
        raise DatabaseError(
            f"{opening.name_of(db)} has a table {table} that is not vecstore's, and that the "
            "keyword index would replace: rename it"
        )


def foreign_in(found: dict[str, str]) -> list[str]:
    """Return what has the name of one of our tables, in any case, and is none of ours."""
    return sorted(
        name
        for name, sql in found.items()
        if name.lower() in _SIGNS
        and not (
            sql.startswith(("CREATE TABLE", "CREATE VIRTUAL TABLE"))
            and _SIGNS[name.lower()] in sql
            and name in _SIGNS
        )
    )


def count_texts(db: Database, schema: str = INSIDE) -> int:
    """Return how many texts the index holds."""
    [number] = db.execute(f"select count(*) from {keyword_names(schema).texts}").fetchone()
    return int(number)


def fill(db: Database, names: KeywordNames, keys: str, args: Sequence[object] = ()) -> None:
    """Bring entries of the index into step with their rows, whatever has become of these.

    Belongs inside a transaction.

    :param keys: a SELECT of (collection_id, id), each once, of rows that are there or were
    """
    db.execute(
        f"""
        delete from {names.texts}
        where rowid in (
          select texts.rowid
          from ({keys}) as keys
          cross join {names.texts} as texts
            on texts.collection_id = keys.collection_id
            and texts.id = keys.id
          left join main.embeddings as there
            on there.collection_id = keys.collection_id
            and there.id = keys.id
          where not ({keyword_tables.has_text_sql("there")})
        )
        """,
        args,
    )
    db.execute(
        f"""
        insert into {names.texts} (rowid, collection_id, id, content)
        select
          {keyword_tables.next_rowid_sql("there.collection_id", names)} - 1 + row_number() over (
            partition by there.collection_id
            order by there.id
          ),
          there.collection_id,
          there.id,
          there.content
        from ({keys}) as keys
        cross join main.embeddings as there
          on there.collection_id = keys.collection_id
          and there.id = keys.id
        where {keyword_tables.has_text_sql("there")}
        on conflict (collection_id, id)
        do update set content = excluded.content
        where content is not excluded.content
        """,
        args,
    )


def parts_of(db: Database, schema: str = INSIDE) -> dict[str, str]:
    """Return the SQL of what is named as the parts of the index are, by name; of any case."""
    found = db.execute(
        f"""
        select name, sql
        from {quote_identifier(schema)}.sqlite_master
        where name like ?
          or name like ?
        """,
        [f"{TEXTS}%", f"{KEYWORD_TABLE}%"],
    )
    return {name: sql for name, sql in found.fetchall() if sql is not None}


def _our_names() -> Iterator[str]:
    names = keyword_names()
    yield from names.tables
    yield from KEYWORD_SHADOWS
    yield from map(names.trigger, KEYWORD_TRIGGERS_ON_EMBEDDINGS)
    yield from map(names.texts_trigger, KEYWORD_TRIGGERS_ON_TEXTS)


@cache  # each search asks for it
def _parts_with(tokenizer: str, is_beside: bool) -> list[tuple[str, str, str]]:
    """Return the kind, name and SQL of each part that is not of FTS5's own."""
    make = keyword_tables.keyword_tables if is_beside else keyword_tables.keyword_statements
    return [(_kind(sql), _name(sql), sql) for sql in make(keyword_names(), tokenizer)]


def _kind(sql: str) -> str:
    return "trigger" if sql.startswith("CREATE TRIGGER") else "table"


def _name(sql: str) -> str:
    """Return the name of the table or trigger that a statement of ours creates."""
    words = sql.split(maxsplit=4)
    return words[3] if words[1] == "VIRTUAL" else words[2]
