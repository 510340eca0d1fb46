"""`vecstore index`: the index of a file, built anew, dropped for other programs, and listed."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from ..sqlite import maintenance
from ..sqlite.index.tables import MAX_DIMENSIONS
from ..values import describe_count
from .databases import open_file_for_maintenance
from .options import ListByDefault, add_database_argument, json_option

_STATES = {
    "ready": "indexed",
    "incomplete": "with an incomplete index: 'vecstore index build' mends it",
    "missing": "without an index: the next search builds it",
}

dimensions_option = click.option(
    "--dimensions",
    type=click.IntRange(1, MAX_DIMENSIONS),
    metavar="N",
    help="Only the index of this dimension.",
)


@click.group(cls=ListByDefault)
def index() -> None:
    """Build, drop and list the index of a database.

    \b
      vecstore index
      vecstore index build
      vecstore index drop

    There is one for each dimension of vectors. It is made, and kept equal to the table, without any
    of these commands.
    """


@click.command()
@add_database_argument
@dimensions_option
def build(database: Path, dimensions: int | None) -> None:
    """Build the index anew from the stored vectors.

    \b
      vecstore index build
      vecstore index build pets.db --dimensions 256

    It needs no model, and mends whatever is wrong with an index. Others may search meanwhile. It is
    one transaction: until it is done, the old index is there.
    """
    with open_file_for_maintenance(database) as db:
        built = maintenance.build_index(db, dimensions)
    for d, number in built.items():
        click.echo(f"{d} dimensions: {describe_count(number, 'vector')} indexed")
    if not built:
        click.echo("There are no vectors to index", err=True)


@click.command()
@add_database_argument
@dimensions_option
def drop(database: Path, dimensions: int | None) -> None:
    """Remove the index, so that programs without sqlite-vec can write.

    \b
      vecstore index drop
      vecstore index drop pets.db

    llm is one of them. The next search or write of vecstore builds the index anew, with what was
    written meanwhile.
    """
    with open_file_for_maintenance(database) as db:
        dropped = maintenance.drop_index(db, dimensions)
    for d in dropped:
        click.echo(f"{d} dimensions: dropped")
    if not dropped:
        click.echo("There is no index", err=True)


@click.command("list")
@add_database_argument
@json_option
def list_(database: Path, as_json: bool) -> None:
    """List the dimensions, with their vectors and the state of their index.

    \b
      vecstore index list
      vecstore index list pets.db --json

    An index that is there can be out of step only if a program wrote to its own tables:
    'vecstore check' compares it.
    """
    with open_file_for_maintenance(database, read_only=True) as db:
        found = maintenance.list_indexes(db)
    if as_json:
        click.echo(json.dumps([asdict(status) for status in found], indent=4))
        return
    for status in found:
        vectors = describe_count(status.vectors, "vector")
        click.echo(f"{status.dimensions} dimensions: {vectors}, {_STATES[status.state]}")
    if not found:
        click.echo("There are no vectors to index", err=True)


for command in (list_, build, drop):
    index.add_command(command)
