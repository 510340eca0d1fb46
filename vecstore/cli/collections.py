"""`vecstore collections`: what a database holds, and where it is."""

import json
import sys
from pathlib import Path

import click

from ..prefixes import Prefixes
from ..settings import default_database
from ..sqlite import catalog, collection_prefixes, schema
from ..sqlite.connection import filenames
from ..values import describe_count, inflect, quote
from .databases import open_existing_collection, open_file_to_read
from .options import ListByDefault, database_option, json_option
from .prefixes import set_
from .reembed import reembed
from .transfer import export, import_


@click.group(cls=ListByDefault)
def collections() -> None:
    """List, delete, rename, copy, set up, export and import collections, and embed them again.

    \b
      vecstore collections
      vecstore collections delete pets
      vecstore collections reembed pets -m local
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

    A line more for a collection with prefixes of its own ('vecstore collections set') says which. A
    last line, on stderr, says whether the index is inside the file or beside it.
    """
    with open_file_to_read(database) as db:
        found = catalog.count_embeddings(db)
        prefixes = collection_prefixes.find_all(db)
        form = schema.form_of(db)
    if as_json:
        listed = [
            {**row._asdict(), **prefixes.get(row.name, Prefixes()).by_name()} for row in found
        ]
        click.echo(json.dumps(listed, indent=4))
        return
    if not found:
        click.echo(f"No collections in {database}", err=True)
    for name, model, number in found:
        click.echo(f"{name}: {model}")
        click.echo(f"  {number} {inflect('embedding', number)}")
        if name in prefixes:
            own = prefixes[name].by_name().items()
            click.echo(f"  {', '.join(f'{_words(key)} {quote(prefix)}' for key, prefix in own)}")
    if found:  # not among the lines that other programs read, which are llm's
        place = f", in {filenames.index_file(str(database))}" * (form == "beside")
        click.echo(f"The index is {form} the file{place}", err=True)


def _words(key: str) -> str:
    return key.replace("_", " ")


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
@click.argument("collection", metavar="OLD")
@click.argument("name", metavar="NEW")
@database_option
def rename(collection: str, name: str, database: Path) -> None:
    """Give the collection OLD the name NEW.

    \b
      vecstore collections rename pets animals

    Programs that have it open get an error that says so.
    """
    with open_existing_collection(database, collection) as opened:
        opened.rename(name)


@click.command()
@click.argument("collection", metavar="OLD")
@click.argument("name", metavar="NEW")
@database_option
def copy(collection: str, name: str, database: Path) -> None:
    """Copy the collection OLD to NEW, in the same file.

    \b
      vecstore collections copy pets pets-before

    Nothing is embedded. It is one transaction, and the copy has no graph. To another file, a
    collection goes by 'vecstore collections export' and 'import'.
    """
    with open_existing_collection(database, collection) as opened:
        copied = opened.copy(name)
        click.echo(f"{name}: {describe_count(len(copied), 'entry')}, model {copied.model_id}")


@click.command()
def path() -> None:
    """Print the path of the database that is used without -d.

    \b
      vecstore collections path

    It is that of the environment variable VECSTORE_DB, or else embeddings.db in the user's
    application directory, or in the folder that VECSTORE_USER_PATH names.
    """
    click.echo(default_database())


for command in (list_, delete, rename, copy, set_, reembed, path, export, import_):
    collections.add_command(command)
