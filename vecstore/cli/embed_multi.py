"""`vecstore embed-multi`: rows, files or the result of a query become entries of a collection."""

from itertools import chain, islice

import click

from ..loading.report import EmbedReport
from ..readers import OpenedInput
from .chunk_options import ChunkOptions, add_chunk_options
from .databases import open_collection_to_write
from .dry_run import describe_preview, open_to_preview, preview_entries
from .input_options import InputOptions, add_input_options
from .load_interrupts import LoadInterrupts
from .load_job import LoadJob
from .load_options import LoadOptions, add_load_options


@click.command("embed-multi")
@click.argument("collection")
@add_input_options
@add_chunk_options
@add_load_options
def embed_multi(
    collection: str, input: InputOptions, chunks: ChunkOptions, load: LoadOptions
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

    \b
    What is longer than a page, in chunks that are found by themselves:
      vecstore embed-multi docs --files docs '**/*.md' --store --chunk

    \b
    Vectors that were computed elsewhere:
      vecstore embed-multi pictures siglip.jsonl --vector embedding -m siglip

    The first column is the id, and the others are joined as the content, unless options say
    otherwise. What is embedded and stored already costs nothing: after ^C or an error, the same
    command goes on where it stopped.
    """
    job = LoadJob(collection, input, chunks, load)
    with job.open_source() as opened:
        if load.dry_run:
            with open_to_preview(job) as previewed:
                found = preview_entries(job, previewed, opened.entries)
            click.echo("\n".join(describe_preview(found)))
        else:
            _load_entries(job, opened)


def _load_entries(job: LoadJob, opened: OpenedInput) -> None:
    """Embed and store entries, and print what was done. A collection is made for the first."""
    report = EmbedReport()
    with job.failures:
        first = list(islice(opened.entries, 1))
        if first:
            entries = chain(first, opened.entries)
            with open_collection_to_write(job.options.database, job.name, job.model) as collection:
                report = job.embed(collection, entries, opened.total, LoadInterrupts())
        elif not job.options.quiet:
            click.echo("There is nothing to embed", err=True)
    if not job.options.quiet:
        click.echo(job.describe(report))
