"""`vecstore collections`: what a database holds, and where it is."""

import json
import sys
from pathlib import Path

import click

from ..settings import default_database
from ..sqlite import catalog
from ..values import describe_count, inflect, quote
from .databases import open_existing_collection, open_file_to_read
from .options import ListByDefault, database_option, json_option
from .transfer import export, import_


@click.group(cls=ListByDefault)
def collections() -> None:
    """List, delete, export and import the collections of a database.

    \b
      vecstore collections
      vecstore collections delete pets
      vecstore collections export pets exported.jsonl
    """


@click.command("list")
@database_option
@json_option
def list_(database: Path, as_json: bool) -> None:
    """List the collections: name, model and number of embeddings.

    \b
      vecstore collections list
      vecstore collections list --json
    """
    with open_file_to_read(database) as db:
        found = catalog.count_embeddings(db)
    if as_json:
        click.echo(json.dumps([row._asdict() for row in found], indent=4))
        return
    if not found:
        click.echo(f"No collections in {database}", err=True)
    for name, model, number in found:
        click.echo(f"{name}: {model}")
        click.echo(f"  {number} {inflect('embedding', number)}")


@click.command()
@click.argument("collection")
@database_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete(collection: str, database: Path, yes: bool) -> None:
    """Delete a collection and all its entries.

    \b
      vecstore collections delete pets
      vecstore collections delete pets --yes

    Asks first, unless standard input is no terminal.
    """
    with open_existing_collection(database, collection) as opened:
        if not yes and sys.stdin is not None and sys.stdin.isatty():
            entries = describe_count(len(opened), "entry")
            question = f"Delete the collection {quote(collection)} with {entries} from {database}?"
            click.confirm(question, abort=True, err=True)
        opened.delete()


@click.command()
def path() -> None:
    """Print the path of the database that is used without -d.

    \b
      vecstore collections path

    It is that of the environment variable VECSTORE_DB, or else embeddings.db in the user's
    application directory, or in the folder that VECSTORE_USER_PATH names.
    """
    click.echo(default_database())


for command in (list_, delete, path, export, import_):
    collections.add_command(command)
