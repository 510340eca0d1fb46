"""`vecstore collections`: what a database holds, and where it is."""

import json
import sys

import click

from ..settings import DatabaseName, default_database
from ..sqlite import schema
from ..sqlite.connection import filenames
from ..sqlite.store import SqliteStore
from ..store import Store
from ..values import describe_count, inflect, quote
from .databases import open_existing_collection, open_store_to_read, show_name
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
def list_(database: DatabaseName, as_json: bool) -> None:
    """List the collections: name, model and number of embeddings.

    \b
      vecstore collections list
      vecstore collections list --json

    A line more for a collection with prefixes of its own ('vecstore collections set') says which. A
    last line, on stderr, says whether the index of a file is inside it or beside it.
    """
    with open_store_to_read(database) as store:
        found = store.summaries()
        place = _describe_place(store, database)
    if as_json:
        listed = []
        for row in found:
            fields = row._asdict()
            prefixes = fields.pop("prefixes")
            listed.append({**fields, **prefixes.by_name()})
        click.echo(json.dumps(listed, indent=4))
        return
    if not found:
        click.echo(f"No collections in {show_name(database)}", err=True)
    for name, model, number, prefixes in found:
        click.echo(f"{name}: {model}")
        click.echo(f"  {number} {inflect('embedding', number)}")
        own = prefixes.by_name().items()
        if own:
            click.echo(f"  {', '.join(f'{_words(key)} {quote(prefix)}' for key, prefix in own)}")
    if found and place:  # not among the lines that other programs read, which are llm's
        click.echo(place, err=True)


def _describe_place(store: Store, database: DatabaseName) -> str | None:
    """Return where the index of a file is; None for a server, which has one place for all."""
    if not isinstance(store, SqliteStore):
        return None
    form = schema.form_of(store.db)
    place = f", in {filenames.index_file(str(database))}" * (form == "beside")
    return f"The index is {form} the file{place}"


def _words(key: str) -> str:
    return key.replace("_", " ")


@click.command()
@click.argument("collection")
@database_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete(collection: str, database: DatabaseName, yes: bool) -> None:
    """Delete a collection and all its entries.

    \b
      vecstore collections delete pets
      vecstore collections delete pets --yes

    Asks first, unless standard input is no terminal.
    """
    with open_existing_collection(database, collection) as opened:
        if not yes and sys.stdin is not None and sys.stdin.isatty():
            entries = describe_count(len(opened), "entry")
            place = show_name(database)
            question = f"Delete the collection {quote(collection)} with {entries} from {place}?"
            click.confirm(question, abort=True, err=True)
        opened.delete()


@click.command()
@click.argument("collection", metavar="OLD")
@click.argument("name", metavar="NEW")
@database_option
def rename(collection: str, name: str, database: DatabaseName) -> None:
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
def copy(collection: str, name: str, database: DatabaseName) -> None:
    """Copy the collection OLD to NEW, in the same database.

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
    application directory, or in the folder that VECSTORE_USER_PATH names. Where VECSTORE_DB is the
    URL of a PostgreSQL database, it is printed without its password.
    """
    click.echo(show_name(default_database()))


for command in (list_, delete, rename, copy, set_, reembed, path, export, import_):
    collections.add_command(command)
