"""`vecstore collections reembed`: what a collection stores is embedded with another model."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import click

from ..collection import Collection, store_of
from ..loading.reembedding import Reembedding, differs_from, successor_prefixes
from ..loading.report import ReembedPlan, ReembedReport
from ..models import EmbeddingModel, get_embedding_model
from ..prefixes import Prefixes
from ..settings import DatabaseName
from ..values import describe_count, quote
from .databases import (
    open_existing_collection_to_write,
    open_store_to_read,
    prepare_for_load,
)
from .dry_run import refuse_older_schema
from .failures import Failures
from .interruptible_loads import run_load
from .load_interrupts import LoadInterrupts
from .options import (
    Command,
    add_options,
    batch_size_option,
    concurrency_option,
    database_option,
    gather_options,
    key_option,
)
from .prefixes import PREFIX_OPTIONS, prefix_change
from .progress import ProgressLine

_OPTIONS = (
    click.option(
        "-m",
        "--model",
        metavar="MODEL",
        help="The id or alias of the model; without it the collection's own, for another prefix of "
        "documents or --again.",
    ),
    *PREFIX_OPTIONS,
    click.option(
        "--drop-old",
        is_flag=True,
        help="Delete the old collection in the end; else it is kept as COLLECTION@OLDMODEL.",
    ),
    click.option(
        "--again",
        is_flag=True,
        help="Embed again also where MODEL is that of the collection, as when it gives other "
        "vectors now.",
    ),
    batch_size_option,
    concurrency_option,
    click.option(
        "--on-error",
        type=click.Choice(["stop", "skip"]),
        default="stop",
        show_default=True,
        help="What to do with an entry that has no stored content, or cannot be embedded; those "
        "that are skipped are only in the old collection.",
    ),
    click.option("--dry-run", is_flag=True, help="Say what would be sent; send and write nothing."),
    click.option("-y", "--yes", is_flag=True, help="Do not ask, with --drop-old."),
    click.option("-q", "--quiet", is_flag=True, help="Show no progress and no report."),
    key_option,
    database_option,
)


@dataclass(frozen=True)
class _Options:
    """The options as they were given."""

    model: str | None
    query_prefix: str | None
    no_query_prefix: bool
    document_prefix: str | None
    no_document_prefix: bool
    drop_old: bool
    again: bool
    batch_size: int
    concurrency: int | None
    on_error: str
    dry_run: bool
    yes: bool
    quiet: bool
    key: str | None
    database: DatabaseName

    def prefix_changes(self) -> dict[str, str | None]:
        """Return the prefixes that were given, by `query` and `document`."""
        return {
            **prefix_change("query", self.query_prefix, unset=self.no_query_prefix),
            **prefix_change("document", self.document_prefix, unset=self.no_document_prefix),
        }


class _Successor(NamedTuple):
    """What the new collection is to have."""

    model: EmbeddingModel
    choose_prefixes: Callable[[], Prefixes]


def _add_options(command: Command) -> Command:
    return add_options(gather_options(command, "options", _Options), _OPTIONS)


@click.command()
@click.argument("collection")
@_add_options
def reembed(collection: str, options: _Options) -> None:
    """Embed what a collection stores with another model.

    \b
      vecstore collections reembed pets -m local --dry-run
      vecstore collections reembed pets -m local
      vecstore collections reembed pets -m local --drop-old
      vecstore collections reembed pets --document-prefix "passage: "

    Until the end, COLLECTION is searched and written to as before: the new vectors are in a
    collection COLLECTION@MODEL (unfinished). Then, in one transaction, that takes the name, and the
    old one is called COLLECTION@OLDMODEL. What was changed meanwhile is in the new one too.

    After ^C or an error, the same command goes on where it stopped. The report says how far the old
    and the new vectors agree on which entries are nearest to an entry.
    """
    changes = options.prefix_changes()
    if not (options.model or options.again or "document" in changes):
        raise click.UsageError("Which model? Give -m MODEL, or else --document-prefix or --again")
    model = get_embedding_model(options.model) if options.model else None
    if options.dry_run:
        with open_store_to_read(options.database) as store:
            refuse_older_schema(store)
            opened = Collection(collection, store, create=False)
            wanted = _choose(opened, model, changes)
            if not _is_done(opened, wanted, options):
                _show_plan(_begin(opened, wanted, options, Failures(None, skip=True)))
        return
    failures = Failures(None, skip=True)
    with open_existing_collection_to_write(options.database, collection) as opened:
        wanted = _choose(opened, model, changes)
        if not _is_done(opened, wanted, options):
            _confirm(opened, options)
            report = _run(opened, wanted, options, failures)
            if not options.quiet:
                _print_report(report, collection, wanted.model)
    failures.raise_if_any()


def _choose(
    collection: Collection, model: EmbeddingModel | None, changes: dict[str, str | None]
) -> _Successor:
    model = model or collection.model()
    store, row = store_of(collection), collection.row
    return _Successor(model, partial(successor_prefixes, store, row, model, **changes))


def _is_done(collection: Collection, wanted: _Successor, options: _Options) -> bool:
    if options.again or differs_from(
        store_of(collection), collection.row, wanted.model, wanted.choose_prefixes()
    ):
        return False
    changes = options.prefix_changes()
    if changes and not options.dry_run:
        collection.set_prefixes(**changes)
    only = "only its prefixes change" if changes else "there is nothing to do"
    click.echo(
        f"{quote(collection.name)} is of the model {collection.model_id} already: {only} (--again "
        "embeds it nevertheless)",
        err=True,
    )
    return True


def _confirm(collection: Collection, options: _Options) -> None:
    asks = options.drop_old and not options.yes
    if asks and sys.stdin is not None and sys.stdin.isatty():
        entries = describe_count(len(collection), "entry")
        question = (
            f"Delete the vectors of {collection.model_id} of the collection "
            f"{quote(collection.name)} with {entries}, when the new ones are in their place?"
        )
        click.confirm(question, abort=True, err=True)


def _begin(
    collection: Collection,
    wanted: _Successor,
    options: _Options,
    failures: Failures,
    progress: ProgressLine | None = None,
    interrupts: LoadInterrupts | None = None,
) -> Reembedding:
    return Reembedding(
        store_of(collection),
        collection.row,
        wanted.model,
        content_hash=collection.content_hash,
        prefixes=wanted.choose_prefixes,
        drop_old=options.drop_old,
        key=options.key,
        concurrency=options.concurrency,
        on_error=failures.add if options.on_error == "skip" else "stop",
        progress=progress.show_report if progress else None,
        watch=interrupts.watch if interrupts else None,
    )


def _run(
    collection: Collection, wanted: _Successor, options: _Options, failures: Failures
) -> ReembedReport:
    prepare_for_load(collection)
    total = _begin(collection, wanted, options, failures).count()
    progress = ProgressLine(total, quiet=options.quiet)
    interrupts = LoadInterrupts()
    work = _begin(collection, wanted, options, failures, progress, interrupts)
    return run_load(interrupts, progress, lambda: work.run(options.batch_size))


def _show_plan(work: Reembedding) -> None:
    """Print what would be done, and fail where that would."""
    plan = work.plan()
    click.echo(f"To embed: {describe_count(plan.entries, 'entry')}, {_describe_size(plan)}")
    if plan.left_out:
        work.refuse_unfit()
        click.echo(_describe_left_out(plan.left_out, work.old_name))


def _describe_size(plan: ReembedPlan) -> str:
    sizes = [(plan.characters, "characters"), (plan.bytes, "bytes")]
    return " and ".join(f"{number:,} {unit}" for number, unit in sizes if number) or "nothing"


def _describe_left_out(number: int, old_name: str | None) -> str:
    entries = describe_count(number, "entry", "has")
    return f"{entries} no stored content that the model embeds, only in {quote(old_name)}"


def _print_report(report: ReembedReport, name: str, model: EmbeddingModel) -> None:
    click.echo(f"{report.embedded:,} embedded, {report.reused:,} reused")
    if report.left_out:
        click.echo(_describe_left_out(report.left_out, report.old_name), err=True)
    if report.agreement is not None:
        nearest = "ten" if report.nearest == 10 else report.nearest
        click.echo(
            f"The old and the new vectors agree on {report.agreement * report.nearest:.1f} of the "
            f"{nearest} nearest, on average of {describe_count(report.sampled, 'entry')}"
        )
    kept = f", and the old one is {report.old_name}" if report.old_name else ""
    entries = describe_count(report.entries, "entry")
    click.echo(f"{name}: {entries}, model {model.model_id}{kept}")
