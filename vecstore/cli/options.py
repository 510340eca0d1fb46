"""What the commands share: options, and how a database, a model and content come from them."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import click
from click_default_group import DefaultGroup
from sqlite_utils import Database
from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]

from ..collection import Collection
from ..entries import collection_name
from ..errors import DatabaseError, DoesNotExist, ModelMismatchError
from ..models import EmbeddingModel, get_embedding_model, get_embedding_models
from ..settings import default_database, default_model, user_dir
from ..sqlite import catalog, transactions
from ..sqlite.connection import rights
from ..sqlite.connection.interruptible import keep_interruptible
from ..sqlite.connection.pragmas import unmap_file
from ..sqlite.databases import connect, connect_to_read

_Command = Callable[..., Any]

# Seconds to wait for another process that writes: what was embedded is in hand, and paid for.
_PATIENCE = 60.0


class ListByDefault(DefaultGroup):  # type: ignore[misc]
    """A group whose command `list` is run where none is named."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, default="list", default_if_no_args=True, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # A shell that completes the command is still to be told all of them.
        self.default_if_no_args = not ctx.resilient_parsing
        rest: list[str] = super().parse_args(ctx, args)
        return rest


database_option = click.option(
    "-d",
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    default=default_database,
    help="The SQLite file, by default $VECSTORE_DB or else that of 'vecstore collections path'.",
)


def _remember(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    ctx.meta[str(param.name)] = value


def _choose(ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path:
    named = ctx.meta["named"]
    if named and value:
        raise click.UsageError("Name the database once: as DB, or with -d")
    return value or named or default_database()


def database_argument(command: _Command) -> _Command:
    """Add the argument DB, which can be given as -d as well."""
    path = click.Path(dir_okay=False, path_type=Path)
    for add in (
        click.option(
            "named",
            "-d",
            "--database",
            type=path,
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_remember,
            help="The SQLite file, as DB; by default $VECSTORE_DB or else that of 'vecstore "
            "collections path'.",
        ),
        click.argument("database", metavar="[DB]", type=path, required=False, callback=_choose),
    ):
        command = add(command)
    return command


model_option = click.option(
    "-m",
    "--model",
    metavar="MODEL",
    help="The id or alias of a model, by default $VECSTORE_EMBEDDING_MODEL or else that of "
    "'vecstore embed-models default'.",
)

key_option = click.option(
    "--key", metavar="KEY", help="The model's API key, in place of the one in the environment."
)

store_option = click.option(
    "--store", is_flag=True, help="Store the content itself beside its vector."
)


def content_options(command: _Command) -> _Command:
    """Add the options of `read_content()`: -c, -i and --binary."""
    for option in (
        click.option("--binary", is_flag=True, help="Read bytes, not text, from FILE or '-'."),
        click.option(
            "-i",
            "--input",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True),
            metavar="FILE",
            help="A file to embed; '-' is standard input.",
        ),
        click.option("-c", "--content", metavar="TEXT", help="A text to embed."),
    ):
        command = option(command)
    return command


def read_content(content: str | None, file: str | None, binary: bool) -> str | bytes:
    """Return what is to be embedded: `content`, or else what the file or standard input holds."""
    value = _read(file or "-", binary) if content is None else content
    if not value:
        raise click.ClickException("No content provided")
    return value


def standard_input() -> BinaryIO:
    """Return the bytes of standard input, which a program that is started without it lacks."""
    if sys.stdin is None:
        raise click.UsageError("Standard input is closed: there is nothing to read")
    return sys.stdin.buffer


def _read(file: str, binary: bool) -> str | bytes:
    data = standard_input().read() if file == "-" else Path(file).read_bytes()
    if binary:
        return data
    try:
        # As text is read everywhere else, and by llm, whose hash of it then is the same.
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        name = "Standard input" if file == "-" else file
        raise click.ClickException(
            f"{name} is not UTF-8 text (byte {data[error.start]:#04x} at position {error.start}): "
            "convert it, or embed it as it is with --binary, if the model takes bytes"
        ) from None


def choose_model(name: str | None) -> EmbeddingModel:
    """Return the model of that id or alias, or else the default; an error lists the installed."""
    name = name or default_model()
    if not name:
        installed = sorted(model.model_id for model in get_embedding_models())
        raise click.ClickException(
            "You need to specify an embedding model (no default model is set): use -m MODEL, or "
            f"'vecstore embed-models default MODEL'; installed are {', '.join(installed)}"
        )
    return get_embedding_model(name)


def model_to_write(path: Path, collection: str, name: str | None) -> EmbeddingModel | None:
    """Return the model for `open_collection()`; None for a collection that is to use its own.

    It is found before anything is created, and before any content is read.
    """
    collection_name(collection)
    if not name and path.exists():
        with open_to_read(path) as db:
            if Collection.exists(db, collection):
                return None
    return choose_model(name)


@contextmanager
def open_collection(path: Path, name: str, model: EmbeddingModel | None) -> Iterator[Collection]:
    """Open a collection to write to it; without it or the file, they are created.

    :param model: what `model_to_write()` returned
    :raises ModelMismatchError: the collection was made with another model
    """
    _make_user_dir(path)
    outcome = "the same command goes on from there"
    with (
        _named(path, "written", outcome),
        closing(connect(path, driver="apsw", timeout=_PATIENCE)) as db,
    ):
        is_new = not Collection.exists(db, name)
        collection = Collection(name, db, model=model, create=model is not None)
        try:
            yield collection
        except db.conn.OperationalError:
            raise
        except BaseException:
            if is_new:
                _delete_if_empty(collection)
            raise
        if is_new:
            _delete_if_empty(collection)


def _delete_if_empty(collection: Collection) -> None:
    """Delete a collection unless it has entries: a mistake must not bind the next try to its model.

    Another process may write to it until now, and may have deleted it.
    """

    def delete() -> None:
        if not collection.count():
            collection.delete()

    with suppress(DoesNotExist, ModelMismatchError):
        transactions.write(collection.db, delete)


@contextmanager
def existing_collection(path: Path, name: str) -> Iterator[Collection]:
    """Open a collection that there is, for reading only where the file cannot be written.

    A file that is missing, or has no such collection, is left as it is.
    """
    with open_existing(path) as db:
        catalog.find_or_fail(db, name)
        yield Collection(name, db, create=False)


@contextmanager
def open_existing(path: Path) -> Iterator[Database]:
    """Open a file that there is, for reading only where it cannot be written."""
    _check_exists(path)
    with (
        _named(path),
        closing(connect(path, driver="apsw", read_only=not rights.is_writable(path))) as db,
    ):
        yield db


@contextmanager
def open_to_read(path: Path) -> Iterator[Database]:
    """Open a file that there is, for reading only."""
    _check_exists(path)
    with _named(path), closing(connect_to_read(path, driver="apsw")) as db:
        yield db


@contextmanager
def open_for_maintenance(
    path: Path, *, read_only: bool = False, create: bool = False
) -> Iterator[Database]:
    """Open a file for work on all of it: patiently, and so that ^C ends a statement."""
    if create:
        _make_user_dir(path)
    else:
        _check_exists(path)
    with _named(path, "read" if read_only else "written", "nothing was changed"):
        opened = (
            connect_to_read(path, driver="apsw")
            if read_only
            else connect(path, driver="apsw", timeout=_PATIENCE)
        )
        with closing(opened) as db:
            unmap_file(db.conn)
            keep_interruptible(db)
            yield db


@contextmanager
def _named(
    path: Path, what: str = "used", outcome: str = "try again, or see what 'vecstore check' says"
) -> Iterator[None]:
    """Name the file, and what becomes of it, in an error of SQLite."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if path.name in str(error):
            raise DatabaseError(str(error)) from error
        raise DatabaseError(f"{path} cannot be {what} now ({error}): {outcome}") from error


def _make_user_dir(path: Path) -> None:
    """Make the folder of the default database: the only one that is ours to make."""
    if path == default_database() and not os.environ.get("VECSTORE_DB"):
        user_dir()


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise DatabaseError(
            f"There is no database {path}: 'vecstore embed' makes one, and -d or VECSTORE_DB names "
            "another"
        )
