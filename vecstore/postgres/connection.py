"""A PostgreSQL database as vecstore uses it: one connection for each thread, and its transactions.

What the server or the network has ended is opened again by the next call. A forked child opens
connections of its own.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

from ..errors import DatabaseError, InvalidInputError
from ..postgres_url import without_password
from .errors import may_go_well_again, raising_ours
from .vectors import register

_TRIES = 10  # of a transaction that others prevent: each time one of them has got through
_Result = TypeVar("_Result")
_Args = Sequence[Any] | Mapping[str, Any]

# A parent's, in a forked child: to close one would end the parent's session, and to let go of it
# would warn.
_of_parents: list[psycopg.Connection[Any]] = []


class _OfThread:
    """The connection of one thread, and which collections its transaction has locked."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.process = os.getpid()
        self.is_writing = False
        self.locked: set[int] = set()
        weakref.finalize(self, _close, connection, self.process)


def _close(connection: psycopg.Connection[Any], process: int) -> None:
    if os.getpid() == process:
        connection.close()
    else:
        _of_parents.append(connection)


class PostgresDatabase:
    """A database on a server. Its methods raise errors of ours in place of PostgreSQL's.

    :param url: as libpq has it, `postgresql://user@host/name?option=value`
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.shown = without_password(url)  # in messages
        self._threads = threading.local()

    def __repr__(self) -> str:
        return f"<PostgresDatabase {self.shown}>"

    def close(self) -> None:
        """Close this thread's connection; those of others close with their threads."""
        held: _OfThread | None = self._threads.__dict__.pop("held", None)
        if held is not None:
            _close(held.connection, held.process)

    def connection(self) -> psycopg.Connection[Any]:
        """Return this thread's connection, which commits each statement that is in no transaction.

        :raises DatabaseConnectionError: the server cannot be reached, or lets nobody in
        """
        return self._held().connection

    def _held(self) -> _OfThread:
        held: _OfThread | None = getattr(self._threads, "held", None)
        if held is None or held.connection.closed or held.process != os.getpid():
            self.close()
            held = self._threads.held = _OfThread(self._connect())
        return held

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            with raising_ours(self.shown):
                connection = psycopg.connect(
                    self.url,
                    autocommit=True,
                    fallback_application_name="vecstore",
                    # A plan that fits any collection fits none well, and a pooler between the
                    # server and us may not know of statements that were prepared.
                    prepare_threshold=None,
                )
        except DatabaseError as error:
            if isinstance(error.__cause__, psycopg.ProgrammingError):
                # What libpq says of it quotes a part of it, which may be of the password.
                raise InvalidInputError(
                    f"{self.shown} is no URL of a PostgreSQL database: it must be "
                    "postgresql://user:password@host:port/name, with signs such as @ and % in the "
                    "password as %40 and %25"
                ) from None
            raise
        with raising_ours(self.shown):
            connection.isolation_level = IsolationLevel.READ_COMMITTED
            _find_extension(connection)
        return connection

    def know_vectors(self) -> bool:
        """Have this thread's connection know the extension's types; return whether it is there."""
        with raising_ours(self.shown):
            return _find_extension(self.connection())

    def rows(self, sql: str, args: _Args = ()) -> list[Any]:
        """Return all rows of a statement."""
        with raising_ours(self.shown):
            return self.connection().execute(sql.encode(), args, binary=True).fetchall()

    def run(self, sql: str, args: _Args = ()) -> int:
        """Run a statement; return how many rows it has changed."""
        with raising_ours(self.shown):
            return self.connection().execute(sql.encode(), args, binary=True).rowcount

    def run_each(self, sql: str, args: Sequence[_Args]) -> None:
        """Run a statement once for each of many arguments, of which none waits for the others."""
        if args:
            with raising_ours(self.shown), self.connection().cursor(binary=True) as cursor:
                cursor.executemany(sql.encode(), args)

    def run_script(self, sql: str) -> None:
        """Run many statements, which have no arguments."""
        with raising_ours(self.shown):
            self.connection().execute(sql.encode())

    def has_transaction(self) -> bool:
        """Return whether this thread has a transaction open."""
        held: _OfThread | None = getattr(self._threads, "held", None)
        return held is not None and _is_in_transaction(held.connection)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Give a block that is one transaction, or a savepoint inside one."""
        held = self._held()
        was_writing, held.is_writing = held.is_writing, True
        try:
            with raising_ours(self.shown), held.connection.transaction():
                yield
        except BaseException:
            held.locked.clear()  # a savepoint that is undone may have been that of a lock
            raise
        finally:
            held.is_writing = was_writing
            if not was_writing:
                held.locked.clear()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Give a block whose statements read what there is at one moment, and write nothing.

        In a transaction of the caller's own, that reads what that one sees.
        """
        connection = self.connection()
        if _is_in_transaction(connection):
            yield
            return
        # What a condition of the user's may have set, as by set_config(), ends with a rollback.
        with raising_ours(self.shown), connection.transaction(force_rollback=True):
            connection.execute("set transaction isolation level repeatable read, read only")
            yield

    def write(self, work: Callable[[], _Result]) -> _Result:
        """Return what `work` returns, called in writing(): anew where others have prevented it."""
        tries = 1 if self.has_transaction() else _TRIES
        while True:
            try:
                with self.writing():
                    return work()
            except DatabaseError as error:
                tries -= 1
                if not tries or not may_go_well_again(error.__cause__):
                    raise

    def is_writing(self) -> bool:
        """Return whether this thread is in a block of writing()."""
        held: _OfThread | None = getattr(self._threads, "held", None)
        return held is not None and held.is_writing

    def locked(self) -> set[int]:
        """Return the ids of the collections that this thread's transaction has locked."""
        return self._held().locked


def _is_in_transaction(connection: psycopg.Connection[Any]) -> bool:
    status = connection.info.transaction_status
    return not connection.closed and status != TransactionStatus.IDLE


def _find_extension(connection: psycopg.Connection[Any]) -> bool:
    """Have a connection know pgvector's types, in whatever schema; return whether it is there."""
    row = connection.execute(
        """
        select nspname, nspname = any(current_schemas(false))
        from pg_extension
        join pg_namespace on pg_namespace.oid = extnamespace
        where extname = 'vector'
        """
    ).fetchone()
    if row is None:
        return False
    if not row[1]:
        connection.execute(
            """
            select set_config(
              'search_path',
              concat_ws(', ', nullif(current_setting('search_path'), ''), quote_ident(%s)),
              false
            )
            """,
            [row[0]],
        )
    return register(connection)
