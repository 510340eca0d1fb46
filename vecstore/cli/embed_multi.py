"""`vecstore embed-multi`: rows, files or the result of a query become entries of a collection."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click
from sqlite_utils import Database

from .. import readers
from ..collection import Collection
from ..entries import Item
from ..errors import DatabaseError, InvalidInputError, RejectedInputError, TemporaryError
from ..loading.items import make_item
from ..loading.preview import preview
from ..loading.report import EmbedReport
from ..models import EmbeddingModel, retries
from ..readers import Columns, InputEntry
from ..sqlite import schema
from ..sqlite.connection.pragmas import unmap_file
from ..sqlite.databases import connect
from ..store import open_store
from .failures import Failures
from .options import (
    database_option,
    key_option,
    model_option,
    model_to_write,
    open_collection,
    open_to_read,
    store_option,
)
from .progress import Interrupts, Progress, count
from .row_options import RowOptions, row_options
from .sources import Source


@click.command("embed-multi")
@click.argument("collection")
@click.argument("path", type=click.Path(allow_dash=True), required=False)
@click.option(
    "--format",
    type=click.Choice(readers.FORMATS),
    help="The format of PATH, if it is not to be detected; nl is newline-delimited JSON.",
)
@row_options
@click.option(
    "--files",
    type=(str, str),
    multiple=True,
    metavar="DIR GLOB",
    help="Embed the files of a folder that match a pattern. Their paths in it become the ids.",
)
@click.option("--all", is_flag=True, help="Of --files, also what is hidden or in a .gitignore.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="GLOB",
    help="Leave out --files, or folders of them, that match a pattern as in a .gitignore.",
)
@click.option(
    "encodings",
    "--encoding",
    multiple=True,
    metavar="NAME",
    help="The encoding of PATH, or one to try on --files: the first that decodes a file counts. "
    "By default utf-8, and for --files then latin-1.",
)
@click.option("--binary", is_flag=True, help="Embed --files as bytes.")
@click.option("--sql", metavar="QUERY", help="Embed the rows of a query, which cannot write.")
@click.option(
    "--attach",
    type=(str, click.Path()),
    multiple=True,
    metavar="ALIAS FILE",
    help="Another database for --sql, opened read-only.",
)
@click.option("id_column", "--id", metavar="COLUMN", help="The column of ids, if not the first.")
@click.option(
    "content_columns",
    "--content",
    multiple=True,
    metavar="COLUMN",
    help="A column to embed. By default all but those of ids and metadata, joined by spaces.",
)
@click.option(
    "metadata_columns",
    "--metadata",
    multiple=True,
    metavar="COLUMN",
    help="A column to store as metadata.",
)
@click.option("--metadata-rest", is_flag=True, help="Store all other columns as metadata.")
@click.option("--prefix", default="", metavar="TEXT", help="Text to put before each id.")
@click.option("--prepend", default="", metavar="TEXT", help="Text to put before each content.")
@click.option("--limit", type=click.IntRange(0), metavar="N", help="Only the first N entries.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="Entries that are embedded by one request, and written in one transaction.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    metavar="N",
    help="Requests at once. By default what the model says: 8 for OpenAI's, 1 for local ones.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do with an entry that cannot be read or embedded.",
)
@click.option(
    "--errors",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file for the ids that were left out and why, as JSON lines.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done; send and write nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no report.")
@model_option
@key_option
@store_option
@database_option
def embed_multi(
    collection: str,
    path: str | None,
    format: str | None,
    files: tuple[tuple[str, str], ...],
    all: bool,
    exclude: tuple[str, ...],
    encodings: tuple[str, ...],
    binary: bool,
    sql: str | None,
    attach: tuple[tuple[str, str], ...],
    id_column: str | None,
    content_columns: tuple[str, ...],
    metadata_columns: tuple[str, ...],
    metadata_rest: bool,
    prefix: str,
    prepend: str,
    limit: int | None,
    on_error: str,
    errors: Path | None,
    dry_run: bool,
    model: str | None,
    database: Path,
    store: bool,
    of_rows: RowOptions,
    **options: Any,
) -> None:
    """Embed many texts or files, and store their vectors in a collection.

    \b
    Rows: CSV, TSV, JSON or newline-delimited JSON; '-' is standard input.
      vecstore embed-multi pets pets.csv -m local --store
      vecstore embed-multi pets - --id name --content text < pets.jsonl

    \b
    The result of a query:
      vecstore embed-multi posts --sql "select id, body from posts" -d blog.db

    \b
    Files:
      vecstore embed-multi docs --files docs '**/*.md' --store

    The first column is the id, and the others are joined as the content, unless options say
    otherwise. What is embedded and stored already costs nothing: after ^C or an error, the same
    command goes on where it stopped.
    """
    if metadata_rest and not content_columns:
        raise click.UsageError("--metadata-rest needs --content: which columns are embedded?")
    columns = Columns(id_column, content_columns, metadata_columns, metadata_rest, prefix, prepend)
    skip = on_error == "skip"
    source = Source(
        path,
        format,
        sql,
        attach,
        files,
        encodings,
        binary,
        columns,
        limit,
        skip,
        of_rows,
        all,
        exclude,
    )
    source.check()
    if errors and path and errors.exists() and Path(path).exists() and errors.samefile(path):
        raise click.UsageError("--errors names the file that is read, and would replace it")
    failures = Failures(errors, skip=skip)
    failures.check()
    chosen = model_to_write(database, collection, model)
    if dry_run:
        _dry_run(source, failures, database, collection, chosen, store, options["batch_size"])
    else:
        _load(source, failures, database, collection, chosen, store=store, **options)
    if not options["quiet"]:
        failures.show_left_out()
    failures.raise_if_any()


def _load(
    source: Source,
    failures: Failures,
    database: Path,
    name: str,
    model: EmbeddingModel | None,
    quiet: bool,
    **options: Any,
) -> None:
    report = EmbedReport()
    with source.open(database, failures) as (entries, total), failures:
        first = list(islice(entries, 1))
        if first:
            with open_collection(database, name, model) as collection:
                report = _embed(
                    collection,
                    chain(first, entries),
                    failures,
                    Progress(total, quiet=quiet),
                    options,
                )
        elif not quiet:
            click.echo("There is nothing to embed", err=True)
    if not quiet:
        click.echo(
            f"{report.embedded:,} embedded, {report.reused:,} reused, {report.updated:,} updated, "
            f"{report.unchanged:,} unchanged"
        )


def _embed(
    collection: Collection,
    entries: Iterable[InputEntry],
    failures: Failures,
    progress: Progress,
    options: dict[str, Any],
) -> EmbedReport:
    unmap_file(collection.db.conn)
    try:
        with Interrupts() as interrupts, retries.stop_waiting_on(interrupts.asked), progress:
            report = collection.embed_multi_with_metadata(
                interrupts.watch(entries),
                on_error=failures.add if failures.skip else "stop",
                progress=progress.show,
                **options,
            )
    except RejectedInputError as error:
        raise click.ClickException(f"{error} (--on-error skip leaves it out)") from error
    except (KeyboardInterrupt, TemporaryError):
        if not interrupts.asked.is_set():
            raise
        click.echo("What was embedded is stored: the same command goes on from there", err=True)
        raise KeyboardInterrupt from None
    repeated = interrupts.read - count(report)
    if repeated:
        of_all = f"{repeated:,} of {interrupts.read:,} entries"
        click.echo(f"{of_all} had the id of a later one, which was stored", err=True)
    return report


def _dry_run(
    source: Source,
    failures: Failures,
    database: Path,
    name: str,
    model: EmbeddingModel | None,
    store: bool,
    batch_size: int,
) -> None:
    with source.open(database, failures) as (entries, _), ExitStack() as opened:
        db = opened.enter_context(open_to_read(database)) if database.exists() else None
        if db is not None and Collection.exists(db, name):
            collection = Collection(name, _check_schema(db), model=model, create=False)
        else:  # to a new one, in memory, everything is new
            empty = opened.enter_context(closing(connect(driver="apsw")))
            collection = Collection(name, empty, model=model)
        items = _items(entries, collection, failures)
        rows = min(batch_size, collection.model().batch_size or batch_size)
        found = preview(
            open_store(collection.db),
            collection.row,
            items,
            stores_content=store,
            batch_size=rows,
        )
    click.echo(
        f"{found.new:,} new, {found.changed:,} changed, {found.reused:,} reused, "
        f"{found.updated:,} updated, {found.unchanged:,} unchanged"
    )
    sizes = [(found.characters, "characters"), (found.bytes, "bytes")]
    size = " and ".join(f"{number:,} {unit}" for number, unit in sizes if number) or "nothing"
    click.echo(f"To embed: {size}")


def _items(
    entries: Iterator[InputEntry], collection: Collection, failures: Failures
) -> Iterator[Item]:
    for entry in entries:
        try:
            yield make_item(entry, collection.model(), collection.content_hash)
        except InvalidInputError as error:
            if not failures.skip:
                raise
            failures.add(entry[0], error)


def _check_schema(db: Database) -> Database:
    if schema.lacks_columns(db):
        raise DatabaseError(
            "The file was made by an older llm, and is brought up to date when it is written to, "
            "which a dry run does not do: run 'vecstore similar' on it once"
        )
    return db
