"""`vecstore shell` and `vecstore extension-path`: the file as SQL sees it."""

import io
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import apsw
import click

from .. import __version__
from ..errors import DatabaseError
from ..settings import default_database, user_dir
from ..sqlite import functions, schema
from ..sqlite.connection import dbapi, extension, frozen, opening
from ..sqlite.connection.database import Database, wrap_connection
from ..sqlite.connection.interruptible import make_interruptible
from ..sqlite.index import usable
from .databases import open_existing_file, require_file
from .progress import show_index_builds

_INDEX_TABLE = re.compile(r"vec_embeddings_([1-9][0-9]{0,3})", re.IGNORECASE)


@click.command("extension-path")
def extension_path() -> None:
    """Print where sqlite-vec is, for other programs to load it.

    \b
      vecstore extension-path

    It is without the suffix of the file, which SQLite appends: the sqlite3 shell takes it after
    .load, Datasette and sqlite-utils after --load-extension.
    """
    click.echo(extension.loadable_path())


@click.command()
@click.argument("database", metavar="[DB]", required=False)
@click.argument("sql", metavar="[SQL]...", nargs=-1)
@click.option(
    "-d",
    "--database",
    "named",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The SQLite file; then all arguments are SQL.",
)
def shell(database: str | None, sql: tuple[str, ...], named: str | None) -> None:
    """Type SQL, with sqlite-vec and functions of vecstore.

    \b
      vecstore shell
      vecstore shell pets.db
      vecstore shell pets.db "select * from vecstore_collections"
      vecstore shell pets.db ".mode json" "select * from vecstore_items"
      vecstore shell pets.db < query.sql

    Each SQL is one or more statements, or one of the commands that .help lists. Without any they
    are read from standard input. There, and in arguments, the first error is the end.

    DB is a SQLite file that there is, by default $VECSTORE_DB or else that of 'vecstore collections
    path'. One that cannot be written is opened for reading.
    """
    if named is not None and database is not None:
        sql = (database, *sql)
    chosen = named or (database if named is None else None) or default_database()
    path = require_file(chosen, "psql, or any other client of it, takes SQL")
    with _prepare_every_connection(), open_existing_file(path) as db:
        if schema.is_ours(db):
            schema.ensure_schema(db)
        _run_sql(db, sql)


def _run_sql(db: Database, sql: tuple[str, ...]) -> None:
    """Run the SQL, or else what is typed or comes from standard input; exit with 1 on an error."""
    shell = _make_shell(db)
    if not sql and shell.interactive:
        shell.history_file = str(user_dir() / "shell_history")
        with suppress(OSError):  # a history that cannot be written
            shell.cmdloop(_describe_connection(shell.db))
        return
    shell.bail = True
    try:
        if not sql:
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(encoding="utf-8")
            shell.cmdloop()
        for statements in sql:
            shell.run(statements)
    except Exception:
        if not shell.failed:
            raise
        sys.exit(1)  # the shell has said what is wrong


def _make_shell(db: Database) -> Any:
    """Return apsw's shell, on a database that is open."""
    import apsw.shell  # takes a while, and other commands do without

    conn: Any = db.conn

    class Shell(apsw.shell.Shell):
        failed = False
        ended = False
        ours = conn.apsw  # until .open

        def process_sql(self, sql: str, *args: Any, **options: Any) -> None:
            for statement in _split_where_index_is_named(sql):
                process = partial(super().process_sql, statement, *args, **options)
                _run_on_current_file(self, db, statement, process)

        def run(self, statements: str) -> None:
            try:
                self.process_complete_line(statements)  # type: ignore[no-untyped-call]
            except Exception:
                self.handle_exception()

        def get_line(self, prompt: str = "") -> str | None:
            """As in the sqlite3 shell, the last statement of a pipe needs no semicolon."""
            line: str | None = super().get_line(prompt)  # type: ignore[no-untyped-call]
            if line is None and prompt == self.moreprompt and not self.interactive:
                line, self.ended = None if self.ended else ";", True
            return line

        def handle_exception(self) -> None:
            if self.bail and isinstance(sys.exc_info()[1], KeyboardInterrupt | BrokenPipeError):
                raise
            self.failed = True
            super().handle_exception()  # type: ignore[no-untyped-call]

    try:
        return Shell(db=conn.apsw)
    except UnicodeDecodeError:
        raise DatabaseError(
            f"The shell cannot open {opening.name_of(db)}, whose name is not UTF-8: give it "
            "another name, or a link to it"
        ) from None


def _split_where_index_is_named(sql: str) -> Iterator[str]:
    """Yield the statements of SQL, or all at once if none names a table of an index."""
    if not _INDEX_TABLE.search(sql):
        yield sql
        return
    statement = ""
    for part in sql.split(";"):
        statement += f"{part};"
        if apsw.complete(statement):
            yield statement
            statement = ""
    if statement:
        yield statement  # with an error


def _run_on_current_file(shell: Any, db: Database, sql: str, process: Callable[[], None]) -> None:
    """Run SQL, unless it is for another file, on the connection that the Database has by then.

    An index that it names is brought into step before.
    """
    if shell.db is not shell.ours:
        process()
        return
    conn: Any = db.conn

    def run() -> None:
        if conn.apsw is not shell.ours:  # the file was changed: see frozen.py
            shell.ours = conn.apsw
            shell.db = conn.apsw, conn.apsw.filename
        named = {int(dimensions) for dimensions in _INDEX_TABLE.findall(sql)}
        if named:
            with show_index_builds():
                usable.bring_into_step(db, named)
        process()

    frozen.fail_if_changed(db, run)


def _describe_connection(conn: apsw.Connection) -> str:
    [[vec]] = conn.execute("select vec_version()")
    return (
        f"vecstore {__version__}, SQLite {apsw.sqlite_lib_version()}, sqlite-vec {vec}\n"
        f"{conn.filename}{' (read-only)' if conn.readonly('main') else ''}\n"
        'Enter ".help" for commands, and SQL that ends in ";"\n'
    )


@contextmanager
def _prepare_every_connection() -> Iterator[None]:
    """Load sqlite-vec and our functions into what is opened in a block, by .open for instance.

    And let ^C end a statement, however long SQLite is at it without a row.
    """
    kept = []

    def prepare(conn: apsw.Connection) -> None:
        wrapped: Any = dbapi.Connection(conn)
        extension.load_sqlite_vec(wrapped)
        db = wrap_connection(wrapped, in_memory=False)
        functions.register_functions(db)
        kept.append(db)  # its functions end with it
        make_interruptible(conn)

    apsw.connection_hooks.append(prepare)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(prepare)
        for db in kept:
            db.close()
