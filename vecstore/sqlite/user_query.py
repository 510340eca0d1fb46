"""Runs the SELECT of a user, and holds its rows without a lock of the files that it reads."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from ..errors import DatabaseError
from .connection import frozen
from .connection.database import Database
from .connection.filenames import read_only_uri
from .connection.identifiers import quote_identifier
from .connection.interruptible import make_interruptible
from .connection.interrupts import Result
from .connection.pragmas import unmap_file
from .databases import open_database

# Unlikely in a query: a name in `temp` goes before the same name in `main`.
_COPY_TABLE = 'temp."rows of the query"'


@dataclass(frozen=True)
class UndecodableText:
    """What comes in place of a row that has text which is not UTF-8.

    Attributes:
        column: the first that cannot be read; None if each can, on its own
        byte: the first that is wrong in it
        position: where that is, in bytes
    """

    column: str | None = None
    byte: int = 0
    position: int = 0


class UserQueryResult:
    """The rows of a query as they were when it ran: a context manager.

    Attributes:
        total: how many rows there are
    """

    def __init__(self, db: Database, columns: list[str], total: int, resources: ExitStack) -> None:
        self.total = total
        self._connection = _apsw_connection(db)
        self._columns = columns
        self._resources = resources

    def read(self) -> Iterator[dict[str, Any] | UndecodableText]:
        """Yield the rows in the order of the query, each as its values by column."""
        rows = self._connection.execute(f"select * from {_COPY_TABLE} order by rowid")
        for number in range(1, self.total + 1):
            try:
                row = next(rows)
            except UnicodeDecodeError:
                yield self._find_undecodable(number)
            else:
                yield dict(zip(self._columns, row, strict=True))

    def _find_undecodable(self, rowid: int) -> UndecodableText:
        for number, name in enumerate(self._columns):
            sql = f"select c{number} from {_COPY_TABLE} where rowid = ?"
            try:
                self._connection.execute(sql, [rowid]).fetchall()
            except UnicodeDecodeError as error:
                return UndecodableText(name, error.object[error.start], error.start)
        return UndecodableText()

    def __enter__(self) -> "UserQueryResult":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the copy of the rows, and close the files."""
        self._resources.close()


def run_user_query(
    sql: str, database: str | Path | None, attach: Sequence[tuple[str, str | Path]] = ()
) -> UserQueryResult:
    """Run a SELECT, which cannot write, and copy its result to a temporary file.

    Afterwards nothing of the databases is locked, and rows that are written to them do not show up.

    :param database: the file that is `main` in the query; empty if it is None or not there
    :param attach: aliases, and the files that they are for
    :raises DatabaseError: the query fails, or a file cannot be read
    :raises TwoLibrariesError: the sqlite3 of this process has one of the files open
    """
    sql = sql.rstrip("; \t\r\n")
    return frozen.repeat_while_changing(lambda: _run_once(sql, database, attach))


def _run_once(
    sql: str, database: str | Path | None, attach: Sequence[tuple[str, str | Path]]
) -> UserQueryResult:
    with ExitStack() as resources:
        if database is None or not Path(database).exists():
            database = resources.enter_context(_make_empty_file())
        db = open_database(database, "apsw", read_only=True)
        resources.callback(db.close)

        def copy() -> tuple[list[str], int]:
            try:
                columns = _read_columns(db, sql)
                return columns, _copy_rows(_apsw_connection(db), sql, len(columns))
            except apsw.Error as error:  # of a file that was changed, perhaps
                raise db.conn.OperationalError(str(error)) from error

        try:
            columns, total = frozen.fail_if_changed(db, lambda: _attach_and_work(db, attach, copy))
        except db.conn.Error as error:
            raise DatabaseError(f"The query failed: {error}") from error
        except UnicodeError as error:
            raise DatabaseError(
                "The query, or the name of a column, is not UTF-8: name columns with AS"
            ) from error
        return UserQueryResult(db, columns, total, resources.pop_all())


def _attach_and_work(
    db: Database, attach: Sequence[tuple[str, str | Path]], work: Callable[[], Result]
) -> Result:
    """Return what `work` returns with these files attached, none of which changes meanwhile."""
    if not attach:
        return work()
    (alias, path), *others = attach
    # The connection that checks the file stays: in between, the sqlite3 of this process could open
    # it, and neither would see the other's locks.
    with closing(open_database(path, "apsw", read_only=True)) as other:

        def attach_and_work() -> Result:
            _attach(db, alias, path, other)
            result = _attach_and_work(db, others, work)
            db.conn.execute(f"detach {quote_identifier(alias)}")
            return result

        return frozen.fail_if_changed_since_opened(other, attach_and_work)


def _attach(db: Database, alias: str, path: str | Path, other: Database) -> None:
    uri = read_only_uri(str(path), is_frozen=frozen.is_frozen(other))
    if frozen.is_frozen(other):
        unmap_file(db.conn)
    try:
        db.conn.execute(f"attach ? as {quote_identifier(alias)}", [uri])
    except db.conn.Error as error:
        raise DatabaseError(f"{path} cannot be attached as {alias!r}: {error}") from error


def _read_columns(db: Database, sql: str) -> list[str]:
    """Return the columns of a query, which has been compiled but not run.

    :raises DatabaseError: it is not one SELECT, or two columns have one name
    """
    columns: list[str] = []

    def note_instead_of_running(cursor: apsw.Cursor, *_: object) -> bool:
        columns.extend(column[0] for column in cursor.get_description())
        return False

    cursor = _apsw_connection(db).cursor()
    cursor.exec_trace = note_instead_of_running
    with suppress(apsw.ExecTraceAbort):
        cursor.execute(sql)
    # Between parentheses nothing but a SELECT can stand; a comment may be at its end.
    db.conn.execute(f"select * from ({sql}\n) limit 0")
    for name in columns:
        if columns.count(name) > 1:
            raise DatabaseError(
                f"The query has more than one column {name!r}: rename them with AS, such as "
                f'{name} AS "other {name}"'
            )
    return columns


def _copy_rows(connection: apsw.Connection, sql: str, width: int) -> int:
    """Copy the rows of a query to a temporary table, and return how many there are.

    The table is there before: `create table as`, and already a subquery, gives a column one type,
    and makes 1.0 of the id 1 where a UNION has integers and reals in it. Values do not pass through
    Python, which cannot take text that is not UTF-8.
    """
    connection.execute("pragma temp_store = file")
    names = ", ".join(f"c{i}" for i in range(width))
    connection.execute(f"create temp table {_COPY_TABLE.removeprefix('temp.')} ({names})")
    make_interruptible(connection)
    connection.execute(f"insert into {_COPY_TABLE} ({names}) {sql}")
    return connection.changes()


def _apsw_connection(db: Database) -> apsw.Connection:
    connection: Any = db.conn  # not of sqlite3
    wrapped: apsw.Connection = connection.apsw
    return wrapped


@contextmanager
def _make_empty_file() -> Iterator[Path]:
    """Give an empty database that, unlike one in memory, takes URIs to attach others."""
    with tempfile.TemporaryDirectory(prefix="vecstore-") as folder:
        path = Path(folder) / "empty.db"
        path.touch()
        yield path
