"""Whether a database is sound: the file, its schema, the rows, and the index against the rows.

Every statement reads a few thousand rows and is done. So no writer waits for long, nothing is kept
in memory, and each row is compared with the index as of one moment. Only `integrity_check`, of
SQLite, reads the whole file at once, and of FTS5, which the keyword index is copied for.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

from ...checking.report import CheckProgress, CheckReport
from ...checking.rows import RowFindings
from ...errors import DatabaseError
from .. import databases, schema
from ..connection import frozen, opening, sqlite_errors
from ..connection.database import Database
from ..connection.sqlite_errors import CALLING_OTHERS
from ..index import keyword_building
from ..rowid_spans import rowid_spans
from . import (
    beside_checks,
    beside_states,
    graph_checks,
    index_checks,
    keyword_checks,
    model_checks,
    reference,
    related_checks,
    soundness,
)
from .row_checks import read_rows

_ROWS = 5000  # that one statement reads
_UNREADABLE = ("integrity", "schema")  # what of the rows may not be there to be read
_FROM_LLM = "m005_add_content_blob"  # the last of llm's migrations: all columns are there


def check(
    db: Database | str | Path,
    *,
    progress: CheckProgress | None = None,
    model: bool = False,
) -> CheckReport:
    """Look for damage in a database, and change nothing.

    Problems are: what SQLite's integrity_check finds; missing or altered tables, triggers and
    indexes; rows without a collection, vectors that are no float32, collections with vectors of
    several dimensions, content that is not what was embedded, and any difference between an index
    and the rows, or a graph and the index. Notes are: rows that cannot be compared with anything,
    an index or a graph that is not built yet, a schema that the next writer brings up to date, a
    collection whose hashes are all of another function.

    :param db: a sqlite_utils.Database, or the path of a file, which is opened for reading
    :param progress: a function that is called with the number of rows read so far, and of all
    :param model: embed up to 20 entries of each collection again, where its model is installed and
      content is stored. Where it gives another vector, with a cosine below 0.99, that is a
      problem; what was compared is a note
    :raises DatabaseError: there is no such file, it is no SQLite database, it is cut off at its
      beginning, or it has no tables of llm or vecstore
    :raises NewerSchemaError: a later vecstore has migrated it
    """
    with databases.opened_database(db, read_only=True) as opened:
        report = frozen.repeat_if_changed(opened, lambda: _check(opened, progress))
        if model and not any(problem.kind in _UNREADABLE for problem in report.problems):
            model_checks.check_models(opened, report)
        return report


def _check(db: Database, progress: CheckProgress | None) -> CheckReport:
    report = CheckReport(opening.name_of(db))
    try:
        pending = schema.pending_migrations(db)
        is_complete = _check_file(db, report) and _check_schema(db, report, pending)
        if is_complete:
            _check_contents(db, report, pending, progress)
    except db.conn.DatabaseError as error:
        is_io_error = sqlite_errors.primary_code(error) == apsw.SQLITE_IOERR
        is_of_statement = isinstance(error, db.conn.OperationalError) and not is_io_error
        if is_of_statement or sqlite_errors.is_settled(error):
            raise
        _unreadable(report, str(error))
    return report


def _unreadable(report: CheckReport, message: str, count: int = 1) -> None:
    report.problem(
        "integrity",
        f"SQLite finds the file damaged: {message}",
        "restore a backup; '.recover' of the sqlite3 shell saves what can be read",
        count=count,
    )


def _check_file(db: Database, report: CheckReport) -> bool:
    """Return whether the pages of the file are sound, which is needed to check anything else."""
    found = soundness.integrity_errors(db)
    if found:
        _unreadable(report, "; ".join(found[:3]), len(found))
    return not found


def _check_schema(db: Database, report: CheckReport, pending: list[str]) -> bool:
    """Return whether there are tables that can be read as ours."""
    found = reference.parts_of(db)
    present = {"collections", "embeddings"} & found.keys()
    if not present and not schema.is_ours(db):
        raise DatabaseError(
            f"{report.file} has no tables of vecstore or llm: there is nothing to check"
        )
    if not schema.is_ours(db):
        report.problem(
            "schema",
            "The record of the migrations, _sqlite_migrations, is missing",
            "restore a backup, or export the collections from one",
        )
    elif pending:
        report.note(
            "schema",
            f"The schema is older ({', '.join(pending)} missing)",
            "the next command that opens it for writing brings it up to date",
        )
    complete = _check_tables(db, report, pending)
    if complete and not pending:
        _check_parts(db, report, found)
    return complete


def _check_tables(db: Database, report: CheckReport, pending: list[str]) -> bool:
    columns = {
        "collections": ["id", "name", "model"],
        "embeddings": ["collection_id", "id", "embedding"],
    }
    if _FROM_LLM not in pending:
        columns["embeddings"] += ["content", "content_blob", "content_hash", "metadata", "updated"]
    keys = {"collections": ["id"], "embeddings": ["collection_id", "id"]}
    complete = True
    for table, names in columns.items():
        found = dict(
            db.execute("select name, pk from pragma_table_info(?, 'main')", [table]).fetchall()
        )
        missing = [name for name in names if name not in found]
        key = sorted((place, name) for name, place in found.items() if place)
        if missing or [name for _, name in key] != keys[table]:
            complete = complete and not missing
            what = f"lacks the columns {', '.join(missing)}" if missing else "lacks its primary key"
            what = what if found else "is missing"
            report.problem("schema", f"The table {table} {what}", "restore a backup")
    return complete


def _check_parts(db: Database, report: CheckReport, found: dict[str, str]) -> None:
    """Compare indexes, triggers and views with those of a new database."""
    missing: dict[str, list[str]] = {"index": [], "trigger": [], "view": []}
    for part in reference.schema_parts(db):
        if part.kind == "table":
            continue
        if part.name not in found and schema.is_renewable(part.kind, part.name):
            missing[part.kind].append(f"{part.kind} {part.name}")
        elif part.name not in found:
            remedy = f"run {' '.join(part.sql.split())}"
            report.problem("schema", "An index of the tables is missing", remedy)
        elif part.kind == "trigger" and not part.is_in(found):
            remedy = "drop it: a Collection that is opened makes it again"
            report.problem("schema", f"The trigger {part.name} was altered", remedy)
    beside_checks.check_journal(db, report)
    related_checks.check_parts(db, report)
    # Without them, a write can get an index out of step; no such write can do anything to none.
    has_index = (
        reference.indexed_dimensions(db)
        or keyword_building.is_there(db)
        or (schema.form_of(db) == "beside" and beside_states.has_file(db))
    )
    if missing["trigger"] and has_index:
        _missing(report.problem, missing.pop("trigger"))
    _missing(report.note, [name for names in missing.values() for name in names])


def _missing(add: Callable[..., None], names: list[str]) -> None:
    if names:
        remedy = "a Collection that is opened makes what is missing again"
        add("schema", f"Missing: {', '.join(names)}", remedy, count=len(names))


def _check_contents(
    db: Database, report: CheckReport, pending: list[str], progress: CheckProgress | None
) -> None:
    report.form = schema.form_of(db)
    dimensions = reference.indexed_dimensions(db)
    beside = None
    if report.form == "beside":
        beside = beside_checks.BesideIndexes(db, report)
    else:
        beside_checks.note_leftover(db, report)
    report.collections, report.embeddings = db.execute(
        "select (select count(*) from collections), (select count(*) from embeddings)"
    ).fetchone()
    total = report.embeddings + sum(index_checks.rows_to_read(db, d) for d in dimensions)
    total += beside.rows_to_read if beside else keyword_checks.rows_to_read(db)
    steps = _Steps(progress, total)
    rows = RowFindings()
    for after, last, number in rowid_spans(db, "embeddings", _ROWS):
        read_rows(db, after, last, rows, has_hashes=_FROM_LLM not in pending)
        steps.add(number)
    names = dict(db.execute("select id, name from collections"))
    rows.tell(report, names, lambda dimensions: f"length(embedding) <> {4 * dimensions}")
    related_checks.note_lost_lists(db, report)

    def spans(table: str) -> Iterator[tuple[int, int, int]]:
        return steps.of(rowid_spans(db, table, _ROWS))

    for d in dimensions:
        index_checks.check_index(db, d, report, names, spans)
    if beside:
        for index in beside.compared:
            beside.compare(index, names, spans)
        beside.note_missing(rows.dimensions)
    else:
        keyword_checks.check_keywords(db, report, names, spans)
    for d, number in sorted(rows.dimensions.items()):
        if not beside and d not in dimensions:
            index_checks.note_missing_index(d, number, report)
    graph_checks.check_graphs(db, report)


class _Steps:
    """How far the check has come."""

    def __init__(self, progress: CheckProgress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def add(self, number: int) -> None:
        self._done += number
        self._total = max(self._total, self._done)
        if self._progress:
            with CALLING_OTHERS:
                self._progress(self._done, self._total)

    def of(self, ranges: Iterator[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
        for after, last, number in ranges:
            yield after, last, number
            self.add(number)
