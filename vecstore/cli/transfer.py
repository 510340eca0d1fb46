"""`vecstore collections export` and `import`: a collection as a file."""

import sys

import click

from ..exchange import ExportHeader, export_collection, import_collection
from ..settings import DatabaseName
from ..values import describe_count
from .content import open_standard_input
from .databases import open_store_for_maintenance
from .options import database_option


@click.command()
@click.argument("collection")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@database_option
def export(collection: str, file: str, database: DatabaseName) -> None:
    """Write a collection, with its vectors, to a file or standard output.

    \b
      vecstore collections export pets > exported.jsonl
      vecstore collections export pets exported.jsonl

    JSON lines, or Parquet for a FILE that ends in .parquet, which needs pyarrow (pip install
    'sqlite-vecstore[parquet]'). An import of that is the same collection, byte for byte, and
    nothing is embedded again.
    """
    with open_store_for_maintenance(database, read_only=True) as store:
        if file == "-":
            export_collection(store, collection, sys.stdout.buffer)
            return
        done = export_collection(store, collection, file)
    _print_summary(done)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--name", metavar="NAME", help="The name of the collection, if not that of FILE.")
@database_option
def import_(file: str, name: str | None, database: DatabaseName) -> None:
    """Read a collection from a file of 'vecstore collections export'.

    \b
      vecstore collections import exported.jsonl -d pets.db
      vecstore collections import exported.jsonl --name pets-2
      vecstore collections import - < exported.jsonl

    A collection that exists must have the same model. Entries of FILE take the place of those with
    the same id; others stay. It is one transaction: all of FILE is stored, or nothing.
    """
    source = open_standard_input() if file == "-" else file
    with open_store_for_maintenance(database, create=True) as store:
        done = import_collection(store, source, name=name)
    _print_summary(done)


def _print_summary(done: ExportHeader) -> None:
    entries = describe_count(done.entries, "entry")
    click.echo(f"{done.collection}: {entries}, model {done.model}")
