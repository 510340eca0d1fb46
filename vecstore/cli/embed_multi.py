"""`vecstore embed-multi`: rows, files or the result of a query become entries of a collection."""

from collections.abc import Iterable
from itertools import chain, islice

import click

from ..collection import Collection
from ..errors import RejectedInputError, TemporaryError
from ..loading.report import EmbedReport
from ..models import EmbeddingModel, retries
from ..readers import InputEntry, OpenedInput
from ..sqlite.connection.pragmas import unmap_file
from .databases import open_collection_to_write
from .dry_run import show_preview
from .failures import Failures
from .input_options import InputOptions, add_input_options
from .load_interrupts import LoadInterrupts
from .load_options import LoadOptions, add_load_options
from .model_choice import choose_model_to_write
from .progress import ProgressLine, count_done
from .sources import open_input


@click.command("embed-multi")
@click.argument("collection")
@add_input_options
@add_load_options
def embed_multi(collection: str, input: InputOptions, load: LoadOptions) -> None:
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
    input.refuse_conflicts()
    load.refuse_to_replace(input.path)
    failures = Failures(load.errors, skip=load.on_error == "skip")
    failures.refuse_to_replace()
    model = choose_model_to_write(load.database, collection, load.model)
    with open_input(input, load.database, failures) as opened:
        if load.dry_run:
            show_preview(collection, model, opened.entries, load, failures)
        else:
            _load_entries(collection, model, opened, load, failures)
    if not load.quiet:
        failures.show_left_out()
    failures.raise_if_any()


def _load_entries(
    name: str,
    model: EmbeddingModel | None,
    opened: OpenedInput,
    load: LoadOptions,
    failures: Failures,
) -> None:
    """Embed and store entries, and print what was done. A collection is made for the first."""
    report = EmbedReport()
    with failures:
        first = list(islice(opened.entries, 1))
        if first:
            entries = chain(first, opened.entries)
            progress = ProgressLine(opened.total, quiet=load.quiet)
            with open_collection_to_write(load.database, name, model) as collection:
                report = _embed_entries(collection, entries, progress, load, failures)
        elif not load.quiet:
            click.echo("There is nothing to embed", err=True)
    if not load.quiet:
        click.echo(
            f"{report.embedded:,} embedded, {report.reused:,} reused, {report.updated:,} updated, "
            f"{report.unchanged:,} unchanged"
        )


def _embed_entries(
    collection: Collection,
    entries: Iterable[InputEntry],
    progress: ProgressLine,
    load: LoadOptions,
    failures: Failures,
) -> EmbedReport:
    unmap_file(collection.db.conn)
    try:
        with LoadInterrupts() as interrupts, retries.stop_waiting_on(interrupts.asked), progress:
            report = collection.embed_multi_with_metadata(
                interrupts.watch(entries),
                load.store,
                load.batch_size,
                key=load.key,
                concurrency=load.concurrency,
                on_error=failures.add if failures.skip else "stop",
                progress=progress.show_report,
            )
    except RejectedInputError as error:
        raise click.ClickException(f"{error} (--on-error skip leaves it out)") from error
    except (KeyboardInterrupt, TemporaryError):
        if not interrupts.asked.is_set():
            raise
        click.echo("What was embedded is stored: the same command goes on from there", err=True)
        raise KeyboardInterrupt from None
    repeated = interrupts.read - count_done(report)
    if repeated:
        of_all = f"{repeated:,} of {interrupts.read:,} entries"
        click.echo(f"{of_all} had the id of a later one, which was stored", err=True)
    return report
