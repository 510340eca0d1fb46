"""Makes records of the rows of a SQL query."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import DatabaseError
from ..sqlite.user_query import UndecodableText, UserQueryResult, run_user_query
from .records import OnUnreadable, Record, raise_unreadable


class QueryRows:
    """The rows of a query as they were when it ran: a context manager, and an iterable of Record.

    Attributes:
        total: how many rows there are
    """

    def __init__(self, result: UserQueryResult) -> None:
        self.total = result.total
        self._result = result

    def __iter__(self) -> Iterator[Record]:
        """Yield the rows in the order of the query; DatabaseError at text that is not UTF-8."""
        return self.read()

    def read(self, on_unreadable: OnUnreadable = raise_unreadable) -> Iterator[Record]:
        """Yield the rows in the order of the query.

        :param on_unreadable: what to do about a row with text that is not UTF-8
        """
        for number, row in enumerate(self._result.read(), 1):
            place = f"row {number} of the query"
            if isinstance(row, UndecodableText):
                on_unreadable(place, _make_undecodable_error(place, row))
            else:
                yield Record(place, row)

    def __enter__(self) -> "QueryRows":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the copy of the rows, and close the files."""
        self._result.close()


def read_query(
    sql: str, database: str | Path | None, attach: Sequence[tuple[str, str | Path]] = ()
) -> QueryRows:
    """Run a SELECT, as `run_user_query()` says: nothing is locked while its rows are used.

    :raises DatabaseError: the query fails, or a file cannot be read
    :raises TwoLibrariesError: the sqlite3 of this process has one of the files open
    """
    return QueryRows(run_user_query(sql, database, attach))


def _make_undecodable_error(place: str, text: UndecodableText) -> DatabaseError:
    subject, byte = place, ""
    if text.column is not None:
        subject = f"The column {text.column!r} of {place}"
        byte = f" (byte {text.byte:#04x} at position {text.position})"
    return DatabaseError(
        f"{subject} is text that is not UTF-8{byte}: correct it, do not select it, or leave "
        "such rows out with --on-error skip (cast(... as blob) is for models that take bytes)"
    )
