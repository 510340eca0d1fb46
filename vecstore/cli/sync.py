"""`vecstore sync`: a collection holds what a source holds, and no more."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any, NamedTuple

import click

from ..collection import Collection, store_of
from ..loading.report import EmbedReport
from ..loading.sync import Sync
from ..readers import OpenedInput
from ..rows import CollectionRow
from ..values import quote
from .chunk_options import ChunkOptions, add_chunk_options
from .databases import is_there, open_collection_to_write, open_store_to_read
from .dry_run import describe_preview, open_to_preview, preview_entries
from .input_options import InputOptions, add_input_options
from .load_interrupts import LoadInterrupts
from .load_job import LoadJob
from .load_options import LoadOptions, add_load_options

_MAX_LISTED = 10  # ids that a dry run shows


@click.command()
@click.argument("collection")
@add_input_options
@add_chunk_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask, however many are to be deleted.")
@click.option(
    "list_ids", "--list", is_flag=True, help="Of --dry-run, all ids to delete, one a line."
)
@add_load_options
def sync(
    collection: str,
    input: InputOptions,
    chunks: ChunkOptions,
    load: LoadOptions,
    yes: bool,
    list_ids: bool,
) -> None:
    """Embed what is new or changed in a source, and delete what it has no more.

    \b
      vecstore sync docs --files docs '**/*.md' --store --chunk
      vecstore sync posts --sql "select id, body from posts" -d blog.db
      vecstore sync pets pets.csv --prefix csv/ --dry-run

    The options are those of embed-multi. Afterwards the collection, or with --prefix what of it
    has ids with that prefix, holds what the source holds. What was renamed and has the same content
    is not embedded again.

    Nothing is deleted before all of the source was read and stored, and nothing after ^C, with
    --limit, or where it cannot be known which entries could not be read. A file that is there and
    cannot be decoded keeps its entry, and so does an entry that --on-error skip leaves out.

    Where more than half would be deleted (but for a single entry), or the source is empty, it asks;
    where standard input is no terminal, that is an error without --yes. All else is stored then.
    """
    if list_ids and not load.dry_run:
        raise click.UsageError("--list must be used with --dry-run")
    job = LoadJob(collection, input, chunks, load)
    work = _Sync(job, joins=yes)
    with job.open_source() as opened:
        if load.dry_run:
            work.show_preview(opened, list_ids=list_ids)
        else:
            work.run(opened, asks=not yes)


class _Before(NamedTuple):
    """A collection, and the ids of what may be deleted from it."""

    row: CollectionRow
    ids: list[str]
    documents: dict[str, str]  # of chunks, by their ids


class _Sync:
    """One run of the command. What may be deleted is what there is now: the source comes later."""

    def __init__(self, job: LoadJob, *, joins: bool) -> None:
        self._job = job
        self._before = before = _find_entries(job)
        ids, documents = (before.ids, before.documents) if before else ([], {})
        splits = job.chunks.is_given
        self._sync = Sync(job.name, ids, job.input.prefix, documents, splits=splits, joins=joins)
        job.on_error = self._sync.keep_failed(job.on_error)

    def show_preview(self, opened: OpenedInput, *, list_ids: bool) -> None:
        """Print what would be done."""
        job = self._job
        with open_to_preview(job) as collection:
            entries = self._sync.watch(opened.entries)
            found = preview_entries(job, collection, entries)
        deletions = self._find_deletions()
        found = replace(found, deleted=found.deleted + len(deletions))
        click.echo("\n".join(describe_preview(found, has_deletions=True)), err=list_ids)
        # A document that comes twice may have chunks in between that were never there.
        there = self._before.ids if self._before else []
        ids = sorted(found.deleted_ids.intersection(there).union(deletions))
        if list_ids:
            click.echo("".join(f"{id}\n" for id in ids), nl=False)
        elif ids:
            click.echo("\n".join(_list_first(ids)))
        if self._sync.is_most(deletions):
            click.echo(f"{self._sync.describe(deletions)}: to delete that needs --yes", err=True)

    def run(self, opened: OpenedInput, *, asks: bool) -> None:
        """Embed and store what the source has, delete what it has not, and print what was done."""
        job = self._job
        with job.failures:
            first = list(islice(opened.entries, 1))
            if not first and not job.options.quiet:
                click.echo("There is nothing to embed", err=True)
            if first or self._before:
                entries = self._sync.watch(chain(first, opened.entries))
                with open_collection_to_write(
                    job.options.database, job.name, job.model
                ) as collection:
                    self._sync_entries(collection, entries, opened.total, asks=asks)
            else:
                self._show_report(EmbedReport())

    def _sync_entries(
        self,
        collection: Collection,
        entries: Iterable[tuple[Any, ...]],
        total: int | None,
        *,
        asks: bool,
    ) -> None:
        interrupts = LoadInterrupts()
        report = self._job.embed(collection, entries, total, interrupts)
        try:
            if interrupts.asked.is_set():  # when all was read already
                raise KeyboardInterrupt
            deletions = self._find_deletions()
            if asks and self._sync.is_most(deletions):
                self._ask(deletions)
            report += EmbedReport(deleted=self._delete(collection, deletions))
        finally:
            self._show_report(report)

    def _delete(self, collection: Collection, deletions: list[str]) -> int:
        if not (self._before and deletions):
            return 0
        return store_of(collection).delete(self._before.row, deletions)

    def _ask(self, deletions: list[str]) -> None:
        """Go on only if the user wants it: the source may not be whole."""
        found = self._sync.describe(deletions)
        if sys.stdin is None or not sys.stdin.isatty():
            raise click.ClickException(
                f"{found}: nothing was deleted, and all that it has is stored. If the source is "
                "whole, --yes deletes them"
            )
        click.confirm(f"{found}. Delete them?", abort=True, err=True)

    def _find_deletions(self) -> list[str]:
        """Return what is to be deleted; if nothing may be, say why."""
        for id in self._job.failures.unread_ids:
            self._sync.keep(id)
        reason = self._find_reason_to_keep_all()
        if reason is None:
            return self._sync.find_deletions()
        if self._before and not self._job.options.quiet:
            click.echo(f"Nothing is deleted: {reason}", err=True)
        return []

    def _find_reason_to_keep_all(self) -> str | None:
        unknown = self._job.failures.unknown
        if self._job.input.limit is not None:
            return "with --limit, the source is not read to its end"
        if unknown is not None:
            return f"{unknown} could not be read, which may be any entry"
        if self._sync.has_unknown:
            return "an entry that was left out has no id, and may be any"
        return None

    def _show_report(self, report: EmbedReport) -> None:
        if not self._job.options.quiet:
            click.echo(self._job.describe(report, has_deletions=True))


def _find_entries(job: LoadJob) -> _Before | None:
    """Return what there is; None where there is no such collection."""
    if not is_there(job.options.database):
        return None
    with open_store_to_read(job.options.database) as store:
        if not Collection.exists(store, job.name):
            return None
        collection = Collection(job.name, store, create=False)
        row, prefix = collection.row, job.input.prefix
        ids = collection.ids(prefix)  # first: what is added until the next line is not in it
        documents = store.documents_of_chunks(row, prefix)
        return _Before(row, ids, documents)


def _list_first(ids: list[str]) -> Iterator[str]:
    """Yield lines for people of what is to be deleted."""
    yield "To delete:"
    for id in ids[:_MAX_LISTED]:
        yield f"  {quote(id)}"
    more = len(ids) - _MAX_LISTED
    if more > 0:
        yield f"  ... and {more:,} more (--list shows all)"
