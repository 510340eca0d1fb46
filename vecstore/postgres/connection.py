"""A PostgreSQL database as vecstore uses it: one connection for each thread, and its transactions.

What the server or the network has ended is opened again by the next call. A forked child opens
connections of its own.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg.pq import PipelineStatus, TransactionStatus

from ..errors import DatabaseConnectionError, DatabaseError, InvalidInputError
from ..postgres_url import has_unclear_password, without_password
from ..sqlite.connection.interrupts import block
from .errors import describe, may_go_well_again, raising_ours
from .vectors import register

_TRIES = 10  # of a transaction that others prevent: each time one of them has got through
# Over shards: a collection's row cannot be changed after its entries were in parallel.
_ONE_AFTER_THE_OTHER = "set local citus.multi_shard_modify_mode = 'sequential'"
_Result = TypeVar("_Result")
_Args = Sequence[Any] | Mapping[str, Any]

# A parent's, in a forked child: to close one would end the parent's session, and to let go of it
# would warn.
_of_parents: list[psycopg.Connection[Any]] = []


class _OfThread:
    """The connection of one thread, and which collections its transaction has locked."""

    def __init__(self, connection: psycopg.Connection[Any], has_citus: bool) -> None:
        self.connection = connection
        self.has_citus = has_citus
        self.process = os.getpid()
        self.has_block = False
        self.savepoints = count(1)  # their names: each has one of its own
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
        held = self._find_held()
        if held is not None and _is_stuck(held):
            held.connection.close()
        if held is None or held.connection.closed:
            if held is not None and held.has_block:
                raise self._lost()  # what comes next in the block would be committed by itself
            self.close()
            held = self._threads.held = self._connect()
        return held

    def _find_held(self) -> _OfThread | None:
        """Return what this thread has; None in a forked child: the parent's is none of its own."""
        held: _OfThread | None = getattr(self._threads, "held", None)
        return None if held is None or held.process != os.getpid() else held

    def _connect(self) -> _OfThread:
        try:
            with raising_ours(self.shown):
                connection = psycopg.connect(
                    self.url,
                    autocommit=True,
                    fallback_application_name="vecstore",
                    client_encoding="UTF8",  # whatever the environment says: SQL is sent as such
                    # A plan that fits any collection fits none well, and a pooler between the
                    # server and us may not know of statements that were prepared.
                    prepare_threshold=None,
                )
        except DatabaseError as error:
            cause = error.__cause__
            if isinstance(cause, psycopg.ProgrammingError):
                # What libpq says of it quotes a part of it, which may be of the password.
                raise InvalidInputError(
                    f"{self.shown} is no URL of a PostgreSQL database: it must be "
                    "postgresql://user:password@host:port/name, with signs such as @ and % in the "
                    "password as %40 and %25, and after ? what libpq has parameters for"
                ) from None
            if has_unclear_password(self.url):
                # The host that it names may be a part of the password.
                raise DatabaseConnectionError(
                    f"{self.shown} cannot be opened: in a password, signs such as @, / and % are "
                    "written as %40, %2F and %25"
                ) from None
            if isinstance(error, DatabaseConnectionError) and isinstance(cause, psycopg.Error):
                raise DatabaseConnectionError(
                    f"{self.shown} cannot be opened ({describe(cause)}): correct the URL, or try "
                    "again when the server answers"
                ) from cause
            raise
        with raising_ours(self.shown):
            connection.isolation_level = IsolationLevel.READ_COMMITTED
            _find_extension(connection)
            return _OfThread(connection, _use_citus(connection))

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

    def is_on_shards(self) -> bool:
        """Return whether the server has Citus, which cannot run all that one server can."""
        return self._held().has_citus

    def has_transaction(self) -> bool:
        """Return whether this thread has a transaction open, which a forked child has not."""
        held = self._find_held()
        return held is not None and _is_in_transaction(held.connection)

    @block
    def writing(self) -> Iterator[None]:
        """Give a block that is one transaction, or a savepoint inside one.

        :raises DatabaseConnectionError: the connection was lost; nothing of the block is left,
          unless it was lost at the end of the outermost one: then all may be there
        """
        held = self._held()
        was_writing = held.is_writing
        try:
            held.is_writing = True
            with self._transaction(held, "begin isolation level read committed"):
                if held.has_citus:
                    held.connection.execute(_ONE_AFTER_THE_OTHER)
                yield
        except BaseException:
            held.locked.clear()  # a savepoint that is undone may have been that of a lock
            raise
        finally:
            held.is_writing = was_writing
            if not was_writing:
                held.locked.clear()

    @block
    def reading(self) -> Iterator[None]:
        """Give a block whose statements read what there is at one moment, and write nothing.

        Settings that they make end with it. In a transaction of the caller's own, it is a savepoint
        that reads what that one sees.

        :raises DatabaseConnectionError: the connection was lost
        """
        held = self._held()
        # Undone at the end: a setting that was made for good, as a function may do, is so too.
        with self._transaction(held, "begin isolation level repeatable read", is_undone=True):
            held.connection.execute("set transaction read only")
            yield

    @block
    def reading_at_once(self) -> Iterator[None]:
        """Do the same for statements of which only the last gives rows: one way there and back."""
        connection = self.connection()
        if _is_in_transaction(connection):
            with self.reading():
                yield
            return
        try:
            with raising_ours(self.shown), connection.pipeline() as pipeline, self.reading():
                try:
                    yield
                except Exception:
                    # The server leaves out all up to here, the end of the transaction as well.
                    with suppress(psycopg.Error):
                        pipeline.sync()
                    raise
        except BaseException as error:
            if not isinstance(error, Exception) or _is_in_transaction(connection):
                connection.close()
            raise

    @block
    def _transaction(
        self, held: _OfThread, begin: str, *, is_undone: bool = False
    ) -> Iterator[None]:
        """Give a block that is a transaction, or a savepoint inside one.

        Those of psycopg are counted, and ^C between a statement and its count is an error later.
        """
        connection, had_block = held.connection, held.has_block
        name = f"vecstore_{next(held.savepoints)}" if _is_in_transaction(connection) else None
        try:
            held.has_block = True
            with raising_ours(self.shown):
                connection.execute((f"savepoint {name}" if name else begin).encode())
                yield
                if is_undone:
                    _undo(connection, name)
                elif name:
                    connection.execute(f"release {name}".encode())
                else:
                    self._commit(connection)
        except BaseException as error:
            if not (name or isinstance(error, Exception)):
                connection.close()  # ^C may have come between anything that psycopg does
            with suppress(psycopg.Error):  # of a connection that is lost, nothing is to be undone
                _undo(connection, name)
            raise
        finally:
            held.has_block = had_block

    def _commit(self, connection: psycopg.Connection[Any]) -> None:
        if connection.execute("commit").statusmessage == "ROLLBACK":
            raise DatabaseError(
                f"{self.shown}: nothing was written, as a statement of the transaction failed"
            )

    def _lost(self) -> DatabaseConnectionError:
        return DatabaseConnectionError(
            f"{self.shown}: the connection was lost in a transaction, of which nothing is left: "
            f"{DatabaseConnectionError.remedy}"
        )

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
        held = self._find_held()
        return held is not None and held.is_writing

    def locked(self) -> set[int]:
        """Return the ids of the collections that this thread's transaction has locked."""
        return self._held().locked


def _undo(connection: psycopg.Connection[Any], savepoint: str | None) -> None:
    """Undo what was done since a savepoint, or in a transaction, and end it."""
    if savepoint is None:
        connection.execute("rollback")
        return
    connection.execute(f"rollback to {savepoint}".encode())
    connection.execute(f"release {savepoint}".encode())


def _is_stuck(held: _OfThread) -> bool:
    """Return whether ^C has come between a statement and the end of its answer."""
    if held.connection.closed:
        return False
    info = held.connection.info
    is_pipeline = info.pipeline_status != PipelineStatus.OFF  # of which answers are to come
    return info.transaction_status == TransactionStatus.ACTIVE and not is_pipeline


def _is_in_transaction(connection: psycopg.Connection[Any]) -> bool:
    status = connection.info.transaction_status
    return not connection.closed and status != TransactionStatus.IDLE


def _use_citus(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the server has Citus; have it hand the settings of a transaction to shards."""
    row = connection.execute(
        """
        select set_config('citus.propagate_set_commands', 'local', false)
        where current_setting('citus.propagate_set_commands', true) is not null
        """
    ).fetchone()
    return row is not None


def _find_extension(connection: psycopg.Connection[Any]) -> bool:
    """Have a connection know pgvector's types, in whatever schema; return whether it is there.

    Not while none of the schemas of the search path exists: the extension's would be the first that
    does, and its tables be taken for those that are to be made in another.
    """
    row = connection.execute(
        """
        select nspname, nspname = any(current_schemas(false)), pg_type.oid, typarray
        from pg_extension
        join pg_namespace on pg_namespace.oid = extnamespace
        join pg_type on typnamespace = extnamespace and typname = 'vector'
        where extname = 'vector'
          and current_schema() is not null
        """
    ).fetchone()
    if row is None:
        return False
    schema, is_found, oid, array_oid = row
    if not is_found:
        connection.execute(
            """
            select set_config(
              'search_path',
              concat_ws(', ', nullif(current_setting('search_path'), ''), quote_ident(%s)),
              false
            )
            """,
            [schema],
        )
    register(connection, oid, array_oid)
    return True
