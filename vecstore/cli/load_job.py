"""What `embed-multi` and `sync` have in common: a source is opened, embedded, and told about."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from ..collection import Collection
from ..loading.items import OnError
from ..loading.report import EmbedReport
from ..models import NO_MODEL, ExternalModel
from ..readers import InputEntry, OpenedInput
from ..values import describe_count
from .chunk_options import ChunkOptions
from .databases import prepare_for_load
from .failures import Failures
from .input_options import InputOptions
from .interruptible_loads import run_load
from .load_interrupts import LoadInterrupts
from .load_options import LoadOptions
from .model_choice import choose_model_of_vectors, choose_model_to_write
from .progress import ProgressLine, count_done
from .sources import open_input


class LoadJob:
    """What a command that embeds a source is to do, by options that were checked.

    Attributes:
        model: of the collection, if that is new; None where it has its own
        on_error: what a load is to do about an entry that is refused
    """

    def __init__(
        self, name: str, input: InputOptions, chunks: ChunkOptions, load: LoadOptions
    ) -> None:
        input.refuse_conflicts()
        chunks.refuse_conflicts(input)
        load.refuse_to_replace(input.path)
        if input.vector_column:
            load.refuse_questions()
        self.name = name
        self.input = input
        self.chunks = chunks
        self.options = load
        self.failures = Failures(load.errors, skip=load.on_error == "skip")
        self.failures.refuse_to_replace()
        self.on_error: OnError = self.failures.add if self.failures.skip else "stop"
        choose = choose_model_of_vectors if input.vector_column else choose_model_to_write
        self.model = choose(load.database, name, load.model)
        if isinstance(self.model, ExternalModel) and load.model not in (None, NO_MODEL):
            self._tell(f"The model {self.model.model_id!r} is not installed: it is recorded")
        self._documents: set[str] = set()

    @contextmanager
    def open_source(self) -> Iterator[OpenedInput]:
        """Give the entries; at the end, say what was left out."""
        with open_input(self.input, self.options.database, self.failures) as opened:
            try:
                yield opened
            except click.ClickException:
                if not self.options.quiet:
                    self.failures.show_left_out()  # it may be why
                raise
        if not self.options.quiet:
            self.failures.show_left_out()
        self.failures.raise_if_any()

    def embed(
        self,
        collection: Collection,
        entries: Iterable[InputEntry],
        total: int | None,
        interrupts: LoadInterrupts,
    ) -> EmbedReport:
        """Embed and store entries, and show how far that has come.

        :param total: how many there are, if that is known
        :raises KeyboardInterrupt: after a ^C, which was told what is stored
        """
        prepare_for_load(collection)
        unit = "documents" if self.chunks.is_given else "entries"
        progress = ProgressLine(total, quiet=self.options.quiet, unit=unit)
        embed = self._prepare(collection, progress, interrupts)
        watched = interrupts.watch(self._note_documents(entries))
        report = run_load(interrupts, progress, lambda: embed(watched))
        done = len(self._documents) if self.chunks.is_given else count_done(report)
        if interrupts.read > done:
            of_all = f"{interrupts.read - done:,} of {interrupts.read:,} {unit}"
            click.echo(f"{of_all} had the id of a later one, which was stored", err=True)
        return report

    def describe(self, report: EmbedReport, *, has_deletions: bool = False) -> str:
        """Return how many entries a load has embedded, and what it did with the others.

        :param has_deletions: say how many were deleted, though there are no chunks
        """
        written = f"{report.embedded:,} embedded, {report.reused:,} reused"
        if self.input.vector_column:
            written = f"{report.added:,} added"
        counts = f"{written}, {report.updated:,} updated, {report.unchanged:,} unchanged"
        if self.chunks.is_given or has_deletions:
            counts += f", {report.deleted:,} deleted"
        if not self.chunks.is_given:
            return counts
        chunks = report.embedded + report.reused + report.updated + report.unchanged
        documents = describe_count(len(self._documents) - report.failed, "document")
        return f"{describe_count(chunks, 'chunk')} of {documents}: {counts}"

    def _prepare(
        self, collection: Collection, progress: ProgressLine, interrupts: LoadInterrupts
    ) -> Callable[[Iterable[Any]], EmbedReport]:
        """Return a function that embeds entries, or as documents if they are to be split."""
        options = self.options
        parameters: dict[str, Any] = {
            "store": options.store,
            "batch_size": options.batch_size,
            "on_error": self.on_error,
            "progress": progress.show_report,
        }
        if self.input.vector_column:
            return lambda entries: collection.add_multi(entries, **parameters)
        parameters.update(key=options.key, concurrency=options.concurrency)
        if not self.chunks.is_given:
            return lambda entries: collection.embed_multi_with_metadata(entries, **parameters)
        parameters.update(self.chunks.splitter_arguments(), headings=not self.chunks.no_headings)
        # How many chunks there will be is not known.
        parameters["progress"] = lambda _: progress.show_done(interrupts.read)
        return lambda documents: collection.embed_documents(documents, **parameters)

    def _tell(self, message: str) -> None:
        if not self.options.quiet:
            click.echo(message, err=True)

    def _note_documents(self, entries: Iterable[InputEntry]) -> Iterator[InputEntry]:
        for entry in entries:
            if self.chunks.is_given:
                self._documents.add(str(entry[0]))
            yield entry
