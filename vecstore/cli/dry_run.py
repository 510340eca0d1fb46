"""`vecstore embed-multi --dry-run`: what a load would do, without a model and without a write."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import click
from sqlite_utils import Database

from ..collection import Collection, store_of
from ..errors import DatabaseError
from ..loading.preview import Preview, preview
from ..models import EmbeddingModel
from ..readers import InputEntry
from ..sqlite import schema
from ..sqlite.databases import connect
from .databases import open_file_to_read
from .failures import Failures
from .load_options import LoadOptions


def show_preview(
    name: str,
    model: EmbeddingModel | None,
    entries: Iterator[InputEntry],
    load: LoadOptions,
    failures: Failures,
) -> None:
    """Print what loading these entries into a collection would do.

    :param model: of a collection that is new; None for one that has its own
    """
    with ExitStack() as opened:
        collection = _open_collection(name, model, load.database, opened)
        found = preview(
            store_of(collection),
            collection.row,
            collection.model(),
            entries,
            load.batch_size,
            content_hash=collection.content_hash,
            stores_content=load.store,
            on_error=failures.add if failures.skip else "stop",
        )
    _print_preview(found)


def _open_collection(
    name: str, model: EmbeddingModel | None, path: Path, opened: ExitStack
) -> Collection:
    db = opened.enter_context(open_file_to_read(path)) if path.exists() else None
    if db is not None and Collection.exists(db, name):
        _refuse_older_schema(db)
        return Collection(name, db, model=model, create=False)
    # To a new one, in memory, everything is new.
    empty = opened.enter_context(closing(connect(driver="apsw")))
    return Collection(name, empty, model=model)


def _print_preview(found: Preview) -> None:
    click.echo(
        f"{found.new:,} new, {found.changed:,} changed, {found.reused:,} reused, "
        f"{found.updated:,} updated, {found.unchanged:,} unchanged"
    )
    sizes = [(found.characters, "characters"), (found.bytes, "bytes")]
    size = " and ".join(f"{number:,} {unit}" for number, unit in sizes if number) or "nothing"
    click.echo(f"To embed: {size}")


def _refuse_older_schema(db: Database) -> None:
    if schema.lacks_columns(db):
        raise DatabaseError(
            "The file was made by an older llm, and is brought up to date when it is written to, "
            "which a dry run does not do: run 'vecstore similar' on it once"
        )
