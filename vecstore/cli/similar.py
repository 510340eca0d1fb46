"""`vecstore similar`: a search, as JSON, as text, or as a table."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict

import click

from ..collection import Collection
from ..entries import Entry
from ..query import Explanation
from ..settings import DatabaseName
from ..sqlite.maintenance import list_indexes
from ..sqlite.store import SqliteStore
from ..values import quote
from .content import ContentOptions, add_content_options, open_standard_input
from .databases import open_existing_collection
from .options import database_option, key_option
from .progress import show_index_builds
from .search_options import (
    OutputOptions,
    SearchOptions,
    add_output_options,
    add_search_options,
    print_json,
    print_plain,
)
from .tables import count_columns, cut_text, pad_text


@click.command()
@click.argument("collection")
@click.argument("id", required=False)
@add_content_options
@add_search_options
@click.option("--skip-document", is_flag=True, help="Leave out other chunks of the ID's document.")
@click.option(
    "--vector", metavar="JSON", help="Search for a vector, an array; '-' is standard input."
)
@add_output_options
@key_option
@database_option
def similar(
    collection: str,
    id: str | None,
    content: ContentOptions,
    search: SearchOptions,
    skip_document: bool,
    vector: str | None,
    form: OutputOptions,
    key: str | None,
    database: DatabaseName,
) -> None:
    """Find what is most similar to a text, a file, an entry or a vector.

    \b
      vecstore similar pets -c "a dog in a good mood" -n 3
      vecstore similar pets hound --table
      vecstore similar pets -i letter.txt --prefix c
      vecstore similar pets hound --where "length(content) > 10" --exact
      vecstore similar pets -c "a dog in a good mood" --per-document
      vecstore similar pictures --vector "[0.25, -1]"

    One JSON object a line: id, score, content and metadata, the most similar first. The score is
    the cosine similarity, up to 1.0. A search needs the model of the collection; a search for the
    entries like one that is stored, by its ID, or for a vector, needs none.
    """
    _check_target(id, content, vector, skip_document=skip_document)
    with open_existing_collection(database, collection) as opened:
        wanted: Sequence[float] | None = None
        if vector is not None:
            wanted = _read_vector(vector)
        elif not id:
            wanted = opened.embed_query(content.read(), key=key)
        with show_index_builds():
            found = opened.explain(wanted, id=id, skip_document=skip_document, **asdict(search))
        note = _note_of_graph(opened, found) if form.explain else None
    if form.explain:
        click.echo(f"{found}\n\n{note}" if note else found)
    elif form.table:
        _print_table(found.entries)
    else:
        for entry in found.entries:
            print_plain(entry) if form.plain else print_json(entry)


def _check_target(
    id: str | None, content: ContentOptions, vector: str | None, *, skip_document: bool
) -> None:
    """Raise an error unless one thing is to be searched for."""
    if id and content.is_given:
        raise click.UsageError("Search for an ID or for content (-c, -i), not both")
    if vector is not None and (id or content.is_given):
        raise click.UsageError("--vector cannot be used with an ID or content (-c, -i)")
    if skip_document and not id:
        raise click.UsageError("--skip-document is for the entries like an ID")
    if not id and not content.is_given and vector is None:
        raise click.ClickException("Must provide content or an ID for the comparison")


def _read_vector(text: str) -> list[float]:
    try:
        vector = json.loads(open_standard_input().read() if text == "-" else text)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"--vector is no JSON: {error}") from None
    if not isinstance(vector, list):
        raise click.UsageError(f"--vector is {quote(vector)}: it must be an array of numbers")
    return vector


def _note_of_graph(collection: Collection, found: Explanation) -> str | None:
    """Return why a graph that there is was not asked: a command searches once."""
    store = collection.store
    if found.plan != "fast" or not isinstance(store, SqliteStore):
        return None
    graphs = [graph for index in list_indexes(store.db) for graph in index.graphs]
    if not any(graph.collection == collection.name and graph.state == "ready" for graph in graphs):
        return None
    return (
        "The collection has a graph, which the first search of a process, and so this command, "
        "goes without: programs that search again are answered by it"
    )


def _print_table(entries: list[Entry]) -> None:
    if not entries:
        return
    width = shutil.get_terminal_size().columns
    ids = [cut_text(entry.id, width // 2) for entry in entries]
    id_width = max(map(count_columns, ["id", *ids]))
    click.echo(f"score  {pad_text('id', id_width)}  content")
    for entry, id in zip(entries, ids, strict=True):
        row = f"{entry.score:5.2f}  {pad_text(id, id_width)}  "
        click.echo((row + cut_text(entry.content or "", width - 9 - id_width)).rstrip())
