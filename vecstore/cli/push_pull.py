"""`vecstore push` and `vecstore pull`: collections of a file in a PostgreSQL database, and back."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import click

from ..exchange import CopyReport, pull_collections, push_collections
from ..exchange.copies import Progress, choose_collections
from ..postgres_url import is_url, refuse_misspelt
from ..values import describe_count
from .databases import open_server, open_store_for_maintenance
from .failures import Failures
from .progress import ProgressLine

_USAGES = {"push": "vecstore push FILE URL", "pull": "vecstore pull URL FILE"}

_UNITS = {
    "Checking": "entries checked",
    "Copying": "entries copied",
    "Comparing": "entries compared",
}


def _as_file(ctx: click.Context, _param: click.Parameter, value: str) -> Path:
    if is_url(value):
        raise click.UsageError(
            f"FILE is the URL of a database: it is {_USAGES[str(ctx.info_name)]}", ctx
        )
    refuse_misspelt(value)
    return Path(value)


def _as_url(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    refuse_misspelt(value)
    if not is_url(value):
        raise click.UsageError(
            f"URL is {value!r}, which must begin with postgresql://: it is "
            f"{_USAGES[str(ctx.info_name)]}",
            ctx,
        )
    return value


_file_argument = click.argument("file", callback=_as_file)
_url_argument = click.argument("url", callback=_as_url)
_collections_argument = click.argument("collections", metavar="[COLLECTION]...", nargs=-1)
_quiet_option = click.option("-q", "--quiet", is_flag=True, help="Show no progress.")


@click.command()
@_file_argument
@_url_argument
@_collections_argument
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do about entries that PostgreSQL cannot hold: stop before anything is sent, or "
    "leave them out.",
)
@click.option(
    "--errors",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file for the ids of these and why, as JSON lines.",
)
@click.option(
    "--index/--no-index",
    "build_graph",
    default=None,
    help="Build an index of each collection afterwards, or none. By default, of those with more "
    "than 10,000 entries.",
)
@_quiet_option
def push(
    file: Path,
    url: str,
    collections: tuple[str, ...],
    on_error: Literal["stop", "skip"],
    errors: Path | None,
    build_graph: bool | None,
    quiet: bool,
) -> None:
    """Copy collections of FILE, or all, to the PostgreSQL database of URL.

    \b
      vecstore push embeddings.db postgresql://user@host/name
      vecstore push embeddings.db postgresql://user@host/name pets pictures

    Entries take the place of those with the same id; others stay. What is there already is not sent
    again: after an error, the same command goes on. At the end all columns of all entries are
    compared. Nothing is embedded.

    PostgreSQL cannot hold a NUL in text, a NaN or an infinity in a vector, or more than 16,000
    dimensions.
    """
    failures = Failures(errors, skip=on_error == "skip")
    failures.refuse_to_replace()
    with (
        open_store_for_maintenance(file, read_only=True) as source,
        open_server(url) as target,
        failures,
        _show_copies(quiet) as progress,
    ):
        reports = push_collections(
            source,
            target,
            collections or None,
            on_error=on_error,
            on_unstorable=failures.add,
            build_graph=build_graph,
            progress=progress,
        )
    _print_reports(reports)
    failures.raise_if_any()


@click.command()
@_url_argument
@_file_argument
@_collections_argument
@_quiet_option
def pull(url: str, file: Path, collections: tuple[str, ...], quiet: bool) -> None:
    """Copy collections of the PostgreSQL database of URL, or all, to FILE.

    \b
      vecstore pull postgresql://user@host/name embeddings.db
      vecstore pull postgresql://user@host/name embeddings.db pets pictures

    FILE is made if it is not there. Entries take the place of those with the same id; others stay.
    What is there already is not read again: after an error, the same command goes on. At the end
    all columns of all entries are compared. Nothing is embedded.
    """
    names = collections or None
    with open_server(url) as source:
        choose_collections(source, names)  # if that is wrong, no file is made
        with (
            open_store_for_maintenance(file, create=True) as target,
            _show_copies(quiet) as progress,
        ):
            reports = pull_collections(source, target, names, progress=progress)
    _print_reports(reports)


@contextmanager
def _show_copies(quiet: bool) -> Iterator[Progress]:
    """Give a function that shows how far a work has come, each below the one before."""
    with ExitStack() as stack:
        shown: list[tuple[str, ProgressLine]] = []

        def show(work: str, done: int, total: int) -> None:
            if not shown or shown[-1][0] != work:
                stack.close()
                unit = _UNITS.get(work.partition(" ")[0], "blocks indexed")
                line = ProgressLine(total or None, quiet=quiet, label=work, unit=unit)
                shown.append((work, stack.enter_context(line)))
            shown[-1][1].show_done(done)

        yield show


def _print_reports(reports: Iterable[CopyReport]) -> None:
    for report in reports:
        parts = [f"{report.written:,} written", f"{report.unchanged:,} there already"]
        if report.skipped:
            parts.append(f"{report.skipped:,} skipped")
        if report.only_there:
            parts.append(f"{report.only_there:,} others there")
        entries = describe_count(report.entries, "entry")
        click.echo(f"{report.collection}: {entries}, {', '.join(parts)}; compared, no difference")
