"""What goes wrong with the condition of a search, which is SQL of the user's."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from ...errors import (
    DatabaseBusyError,
    DatabaseInterruptedError,
    DiskError,
    InvalidInputError,
)
from ...query import Query
from ...values import quote
from ..connection import opening, sqlite_errors
from ..connection.database import Database

_DATABASE_ERRORS = (DatabaseBusyError, DatabaseInterruptedError, DiskError)


@contextmanager
def explain_where_errors(db: Database, query: Query) -> Iterator[None]:
    """Raise InvalidInputError, in place of SQLite's error, where the condition is at fault."""
    try:
        if query.where:
            # Alone, so that its parameters are counted too. In a CASE: what would go on after the
            # parenthesis of the search, with UNION or GROUP BY, is no condition here.
            db.execute(
                f"""
                explain select 1
                from embeddings
                where case when (\n{query.where}\n) then 1 end
                """,
                query.where_args,
            ).fetchall()
        yield
    except (
        db.conn.OperationalError,
        db.conn.ProgrammingError,
        db.conn.InterfaceError,
        db.conn.DataError,
        db.conn.IntegrityError,  # datatype mismatch, as of `limit 'x'`
        db.conn.Warning,
        OverflowError,
        UnicodeEncodeError,
    ) as error:
        if not query.where or not _is_of_condition(error):
            raise
        number = len(query.where_args)
        # Where a few are left, it is the search's own that have no place any more.
        too_many = sqlite_errors.says(error, sqlite_errors.TOO_MANY_PARAMETERS) or (
            number > 999 and sqlite_errors.says(error, sqlite_errors.PARAMETER_NUMBER)
        )
        raise InvalidInputError(
            f"where={quote(query.where)} with where_args={quote(query.where_args)} cannot be "
            f"applied to the rows of `embeddings`: {_too_many(db, number) if too_many else error}"
        ) from error


def _is_of_condition(error: Exception) -> bool:
    return not (
        issubclass(sqlite_errors.error_class(error), _DATABASE_ERRORS)
        or sqlite_errors.primary_code(error) == apsw.SQLITE_CONSTRAINT
        or sqlite_errors.says(error, *sqlite_errors.NOT_OF_SQL)
    )


def _too_many(db: Database, number: int) -> str:
    limit = opening.max_parameters(db)
    most = (
        "has a limit" if limit is None else f"takes {limit:,} at most, a few of them the search's"
    )
    return (
        f"where_args has {number:,} values, and SQLite {most}: pass many as one, such as "
        'where="id in (select value from json_each(?))", where_args=[json.dumps(ids)]'
    )
