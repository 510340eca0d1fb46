"""Whether the keyword index equals the stored texts, compared both ways, and FTS5 its texts.

FTS5 checks itself by an INSERT. As a check changes nothing, it is done in a copy of its tables, in
memory.
"""

from collections import defaultdict
from contextlib import closing, nullcontext
from typing import Any

from ...checking.report import CheckReport, Tally
from ...values import describe_count
from .. import transactions
from ..connection import opening, sqlite_errors
from ..connection.database import Database
from ..index import keyword_building, keyword_tables
from ..index_names import (
    BESIDE,
    INSIDE,
    KEYWORD_SHADOWS,
    KEYWORD_TABLE,
    TEXTS,
    KeywordNames,
    keyword_names,
)
from .beside_states import ReplacedError
from .index_checks import NOT_OF_THE_INDEX, Moment, Ranges, is_followed, rows_without

REMEDY = "rebuild it: vecstore index build --keywords"
TITLE = "The keyword index"
_CONFIG = f"{KEYWORD_TABLE}_config"
_VERSIONS = (4, 5)  # of what FTS5 keeps in its tables
_PORTION = 1000  # rows of a table that are copied at once


def check_keywords(db: Database, report: CheckReport, names: dict[Any, str], spans: Ranges) -> None:
    """Add to the report where the keyword index inside a file is not whole, or not as the texts.

    :param spans: yields ranges of the rowids of a table
    """
    found = keyword_building.parts_of(db)
    for table in keyword_building.foreign_in(found):
        report.note(
            "index",
            f"The table {table} is not vecstore's: there can be no keyword index",
            "rename it",
        )
        return
    if not keyword_building.is_there_in(found):
        return
    wrong = keyword_building.wrong_parts(found)
    if wrong:
        message = f"{TITLE} is not whole: {', '.join(wrong)}"
        report.problem("index", message, REMEDY, count=len(wrong))
        return
    # A statement is of one moment, and the triggers leave nothing to be followed.
    compare_keywords(db, keyword_names(), report, names, spans, lambda: nullcontext(""))


def rows_to_read(db: Database) -> int:
    """Return how many rows `check_keywords()` reads."""
    return rows_to_compare(db, keyword_names()) if keyword_building.index_exists(db) else 0


def rows_to_compare(db: Database, index: KeywordNames) -> int:
    """Return how many rows `compare_keywords()` reads."""
    [rows] = db.execute("select count(*) from embeddings").fetchone()
    return int(rows) + keyword_building.count_texts(db, index.schema)


def compare_keywords(
    db: Database,
    index: KeywordNames,
    report: CheckReport,
    names: dict[Any, str],
    spans: Ranges,
    moment: Moment,
) -> None:
    """Add to the report where an index, all of which is there, is not equal to the table."""
    try:
        tallies = _compare(db, index, spans, moment)
        fault = _fault_of_fts5(db, index)
    except db.conn.DatabaseError as error:
        is_of_index = not issubclass(sqlite_errors.error_class(error), NOT_OF_THE_INDEX)
        if not is_of_index or sqlite_errors.is_settled(error):
            raise
        if index.schema == BESIDE and sqlite_errors.says(error, sqlite_errors.NO_SUCH_TABLE):
            raise ReplacedError from error  # they were all there
        if index.schema == INSIDE and not keyword_building.is_there(db):
            return  # it was dropped meanwhile
        report.problem("index", f"{TITLE} cannot be read: {error}", REMEDY)
        return
    for kind, tally in sorted(tallies.items()):
        message = f"{TITLE} is out of step: {describe_count(tally.count, 'text', 'is')} {kind}"
        report.problem("index", message, REMEDY, **tally.details(names))
    if fault is not None:
        report.problem("index", f"FTS5 finds the keyword index damaged: {fault}", REMEDY)


def _compare(
    db: Database, index: KeywordNames, spans: Ranges, moment: Moment
) -> defaultdict[str, Tally]:
    """Return the rows in which table and index differ, by what is wrong with them."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    has_text = keyword_tables.has_text_sql("embeddings")
    for after, last, _ in spans("embeddings"):
        with moment() as pending:
            for collection_id, id in rows_without(db, has_text, index.texts, after, last, pending):
                tallies["missing"].add(collection_id, id)
    for after, last, _ in spans(index.texts):
        with moment() as pending:
            for kind, collection_id, id in _texts_that_differ(db, index, after, last, pending):
                tallies[kind].add(collection_id, id)
    return tallies


def _texts_that_differ(
    db: Database, index: KeywordNames, after: int, last: int, pending: str
) -> list[Any]:
    """Return texts whose row is gone or has none, or another, or that no search would find."""
    first_row = f"texts.collection_id << {keyword_tables.ROWID_BITS}"
    end = f"(texts.collection_id + 1) << {keyword_tables.ROWID_BITS}"
    return db.execute(
        f"""
        select *
        from (
          select
            case
              when there.collection_id is null or not ({keyword_tables.has_text_sql("there")})
              then 'orphaned'
              when texts.content is not there.content
              then 'stale'
              when texts.rowid < {first_row} or texts.rowid >= {end}
              then 'missing'
            end as kind,
            texts.collection_id,
            texts.id
          from {index.texts} as texts
          left join embeddings as there
            on there.collection_id = texts.collection_id
            and there.id = texts.id
          where texts.rowid > ?
            and texts.rowid <= ?
            and {is_followed("texts.collection_id, texts.id", pending)}
        )
        where kind is not null
        """,
        [after, last],
    ).fetchall()


def _fault_of_fts5(db: Database, index: KeywordNames) -> str | None:
    """Return what FTS5 finds wrong with its tables, as of one moment; None if nothing."""
    tokenizer = keyword_building.tokenizer_of(db, index.schema)
    if tokenizer is None:
        return None  # it was dropped meanwhile
    with closing(opening.open_bare_connection(":memory:", opening.driver_of(db))) as copy:
        copy.execute(f"pragma encoding = '{db.execute('pragma encoding').fetchone()[0]}'")
        copy.execute(f"CREATE TABLE {TEXTS} (rowid INTEGER PRIMARY KEY, content TEXT)")
        copy.execute(keyword_tables.keyword_tables(keyword_names(), tokenizer)[1])
        copy.execute("begin")
        with transactions.reading(db):
            _flush(db)
            _copy_texts(db, index, copy)
            for table in KEYWORD_SHADOWS:
                _copy_shadow(db, index, copy, table)
        copy.execute("commit")
        # The copy has read its own before.
        row = copy.execute(f"select v from {_CONFIG} where k = 'version'").fetchone()
        if row is None or row[0] not in _VERSIONS:
            return f"its tables have the version {row and row[0]!r}"
        try:
            copy.execute(
                f"insert into {KEYWORD_TABLE} ({KEYWORD_TABLE}, rank) values ('integrity-check', 1)"
            )
        except copy.Error as error:
            return str(error)
    return None


def _flush(db: Database) -> None:
    """Have FTS5 write what it keeps in memory until the end of the transaction of the caller's."""
    if db.conn.in_transaction:
        db.conn.execute("savepoint vecstore_check")
        db.conn.execute("release vecstore_check")


def _copy_texts(db: Database, index: KeywordNames, copy: Any) -> None:
    """Copy the texts, which need not be UTF-8, without their keys."""
    rows = db.execute(f"select rowid, cast(content as blob) from {index.texts}")
    _insert(rows, copy, f"insert into {TEXTS} (rowid, content) values (?, cast(? as text))")


def _copy_shadow(db: Database, index: KeywordNames, copy: Any, table: str) -> None:
    """Copy a table of FTS5's own, in place of that of the empty copy."""
    found = copy.execute(f"select name from pragma_table_info('{table}')").fetchall()
    columns = ", ".join(name for (name,) in found)
    marks = ", ".join("?" * len(found))
    copy.execute(f"delete from {table}")
    rows = db.execute(f"select {columns} from {index.schema}.{table}")
    _insert(rows, copy, f"insert into {table} ({columns}) values ({marks})")


def _insert(rows: Any, copy: Any, sql: str) -> None:
    while portion := rows.fetchmany(_PORTION):
        copy.executemany(sql, portion)
