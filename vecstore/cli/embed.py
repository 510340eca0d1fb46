"""`vecstore embed`: the vector of one text or file, printed or stored."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import click

from ..collection import Collection, store_of
from ..errors import DoesNotExist
from ..settings import DatabaseName
from ..vectors import decode, encode_vector
from .content import ContentOptions, add_content_options
from .databases import open_collection_to_write
from .model_choice import choose_model, choose_model_to_write
from .options import database_option, key_option, model_option, store_option


def _parse_metadata(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> dict[str, Any] | None:
    if value is None:
        return None
    try:
        metadata = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"Metadata must be valid JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise click.BadParameter("Metadata must be a JSON object")
    return metadata


@click.command()
@click.argument("collection", required=False)
@click.argument("id", required=False)
@add_content_options
@model_option
@key_option
@store_option
@click.option(
    "--metadata", metavar="JSON", callback=_parse_metadata, help="A JSON object to store with it."
)
@database_option
@click.option(
    "format_",
    "-f",
    "--format",
    type=click.Choice(["json", "blob", "base64", "hex"]),
    help="Print the vector like this, also that of an entry. Without a collection: json.",
)
def embed(
    collection: str | None,
    id: str | None,
    content: ContentOptions,
    model: str | None,
    key: str | None,
    store: bool,
    metadata: dict[str, Any] | None,
    database: DatabaseName,
    format_: str | None,
) -> None:
    """Embed a text or a file, and print its vector or store it.

    \b
      vecstore embed -m local -c "my happy hound"
      vecstore embed pets hound -m local --store -c "my happy hound"
      vecstore embed pets letter -i letter.txt --metadata '{"from": "Ann"}'
      vecstore embed pets letter -i letter.txt -f hex

    The text is that of -c, or else of -i, or else standard input. A new collection remembers its
    model, and needs no -m from then on.
    """
    if collection is None:
        _refuse_options_of_entries(store, metadata)
        chosen = choose_model(model)
        _print_vector(chosen.embed(content.read(), key=key), format_)
        return
    if not id:
        raise click.ClickException("Must provide both collection and id")
    new = choose_model_to_write(database, collection, model)
    value = content.read()
    with open_collection_to_write(database, collection, new) as opened:
        opened.embed(id, value, metadata, store, key=key)
        if format_:
            _print_vector(_read_stored_vector(opened, id), format_)


def _refuse_options_of_entries(store: bool, metadata: dict[str, Any] | None) -> None:
    for name, given in (("--store", store), ("--metadata", metadata is not None)):
        if given:
            raise click.ClickException(f"Must provide collection when using {name}")


def _read_stored_vector(collection: Collection, id: str) -> tuple[float, ...]:
    found = store_of(collection).vector(collection.row, id)
    if found is None:
        raise DoesNotExist(f"{id!r} was stored, and deleted by another program")
    return decode(found[0])


def _print_vector(vector: Sequence[float], format_: str | None) -> None:
    blob = encode_vector(vector, "The vector of the model")
    if format_ == "blob":
        click.echo(blob)
    elif format_ == "base64":
        click.echo(base64.b64encode(blob).decode("ascii"))
    elif format_ == "hex":
        click.echo(blob.hex())
    else:
        click.echo(json.dumps([int(x) if x.is_integer() else x for x in vector]))
