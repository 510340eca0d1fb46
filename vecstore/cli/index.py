"""`vecstore index`: the index of a file, listed, built anew, dropped, and moved."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource

from ..postgres_url import is_url
from ..settings import DatabaseName, IndexForm
from ..sqlite import maintenance
from ..sqlite.index.tables import MAX_DIMENSIONS
from ..stores import import_postgres
from ..values import describe_count
from .databases import open_file_for_maintenance, require_file
from .options import DATABASE, Command, ListByDefault, add_database_argument, json_option
from .progress import show_progress

_ALL = ""  # collections
_SQLITE = b"SQLite format 3\0"  # by which a file begins
_STATES = {
    "ready": "indexed {form} the file",
    "behind": "indexed {form} the file, but for changes that the next search follows",
    "incomplete": "with an incomplete index {form} the file: 'vecstore index build' mends it",
    "missing": "without an index: the next search builds it, {form} the file",
}


def _graph_option(without_a_name: str) -> Callable[[Command], Command]:
    return click.option(
        "--graph",
        is_flag=False,
        flag_value=_ALL,
        metavar="[COLLECTION]",
        help=f"The graph of a collection, not an index; without a name, {without_a_name}.",
    )


dimensions_option = click.option(
    "--dimensions",
    type=click.IntRange(1, MAX_DIMENSIONS),
    metavar="N",
    help="Only the index of this dimension.",
)


metadata_option = click.option(
    "--metadata",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Only the index of a key of the metadata; may be given many times.",
)


keywords_option = click.option(
    "--keywords", is_flag=True, help="Only the keyword index, of the stored texts."
)


@click.group(cls=ListByDefault)
def index() -> None:
    """Build, drop, move and list the index of a database.

    \b
      vecstore index
      vecstore index build
      vecstore index build --metadata year
      vecstore index drop
      vecstore index move pets.db beside

    There is one for each dimension of vectors, and one of the words of the stored texts. They are
    made, and kept equal to the table, without any of these commands. Those of keys of the metadata
    are made by 'build --metadata' alone.

    In a PostgreSQL database, it is the HNSW index of a collection, which 'build' makes, and which
    PostgreSQL keeps from then on.
    """


@click.command()
@add_database_argument
@dimensions_option
@_graph_option("of each that has one, or is large")
@metadata_option
@keywords_option
@click.option(
    "--tokenizer",
    metavar="NAME",
    help="With --keywords: how FTS5 finds the words of a text, such as 'unicode61' or 'trigram'.",
)
def build(
    database: DatabaseName,
    dimensions: int | None,
    graph: str | None,
    keys: tuple[str, ...],
    keywords: bool,
    tokenizer: str | None,
) -> None:
    """Build the index anew from the stored vectors.

    \b
      vecstore index build
      vecstore index build pets.db --dimensions 256
      vecstore index build pets.db --graph pets
      vecstore index build pets.db --metadata year --metadata '$.author.name'
      vecstore index build pets.db --keywords --tokenizer trigram

    It needs no model, and mends whatever is wrong with an index. Others may search meanwhile.
    Inside a file it is one transaction: until it is done, the old index is there. Beside a file,
    the old one is deleted first. The keyword index, if there is one, is built anew too.

    With --graph, it builds the graph of a collection, a file beside pets.db by which searches in
    some 10,000 entries or more take a fraction of the time. From then on it is kept. It needs
    usearch: pip install 'sqlite-vecstore[graph]'. In PostgreSQL it is another index, see below.

    --metadata KEY makes an index of the values of a key, or of a path that begins with $. instead.
    It makes conditions fast that few rows meet and that name json_extract(metadata, '$.KEY'), with
    --where and in any other SQL. From then on, no program can write metadata that is no JSON.

    --keywords builds the keyword index alone, which the first search by keywords makes otherwise.
    It keeps the tokenizer that it has, unless --tokenizer names another. That of a new one is the
    tokenizer of an FTS5 table over embeddings, as sqlite-utils enable-fts makes it, or 'porter
    unicode61 remove_diacritics 2', which finds English words of the same stem. 'trigram' finds
    parts of words, and is for languages without spaces between words.

    In a PostgreSQL database, it builds the HNSW index of each collection that is large, or of the
    one that --graph names. One that is there stays, unless it is not valid. Others read and write
    meanwhile. It needs no usearch. --metadata KEY makes conditions fast there that name
    metadata ->> 'KEY', and there is no --dimensions, --keywords and --tokenizer.
    """
    _refuse_several(dimensions, graph, keys, keywords)
    _refuse_files(graph, keys, tokenizer)
    if tokenizer is not None and not keywords:
        raise click.UsageError("--tokenizer is of the keyword index: use it with --keywords")
    if is_url(database):
        _refuse_on_server(dimensions, keywords)
        _on_server().build(database, graph, keys)
        return
    path = Path(database)
    if graph is not None:
        _build_graph(path, graph)
        return
    if keys:
        with open_file_for_maintenance(path) as db:
            for key in keys:
                made = maintenance.index_metadata(db, key)
                click.echo(f"{made.path}: indexed, for {made.expression}")
        return
    if keywords:
        with open_file_for_maintenance(path) as db:
            _print_keywords_built(maintenance.build_keyword_index(db, tokenizer))
        return
    with open_file_for_maintenance(path) as db:
        built = maintenance.build_index(db, dimensions)
        of_keywords = maintenance.keyword_index(db)
    for d, number in built.items():
        click.echo(f"{d} dimensions: {describe_count(number, 'vector')} indexed")
    if dimensions is None and of_keywords.state != "missing":
        _print_keywords_built(of_keywords.texts)
    if not built:
        click.echo("There are no vectors to index", err=True)


@click.command()
@add_database_argument
@dimensions_option
@_graph_option("all of them")
@metadata_option
@keywords_option
def drop(
    database: DatabaseName,
    dimensions: int | None,
    graph: str | None,
    keys: tuple[str, ...],
    keywords: bool,
) -> None:
    """Remove the index, so that programs without sqlite-vec can write now.

    \b
      vecstore index drop
      vecstore index drop pets.db
      vecstore index drop pets.db --graph pets
      vecstore index drop pets.db --metadata year
      vecstore index drop pets.db --keywords

    llm is one of them. The next search or write of vecstore builds the index anew, with what was
    written meanwhile. For those programs to write at any time, 'vecstore index move' has it beside
    the file. Indexes of keys of the metadata are in nobody's way, and stay without --metadata.

    The keyword index goes with the others, or, with --keywords, alone: the next search by keywords
    builds it anew, with the same tokenizer if one was chosen.

    With --graph, it removes the graph of a collection, or all of them, and no index.

    In a PostgreSQL database, it removes the HNSW index of each collection, or of the one that
    --graph names.
    """
    _refuse_several(dimensions, graph, keys, keywords)
    _refuse_files(graph, keys)
    if is_url(database):
        _refuse_on_server(dimensions, keywords)
        _on_server().drop(database, graph, keys)
        return
    path = Path(database)
    if graph is not None:
        _drop_graph(path, graph)
        return
    if keys:
        with open_file_for_maintenance(path) as db:
            for key in keys:
                is_dropped = bool(maintenance.drop_metadata_index(db, key))
                click.echo(f"{key}: {'dropped' if is_dropped else 'no index'}", err=not is_dropped)
        return
    with open_file_for_maintenance(path) as db:
        has_keywords = dimensions is None and maintenance.drop_keyword_index(db)
        dropped = [] if keywords else maintenance.drop_index(db, dimensions)
    for d in dropped:
        click.echo(f"{d} dimensions: dropped")
    if has_keywords:
        click.echo("keywords: dropped")
    if not dropped and not has_keywords:
        click.echo("There is no index", err=True)


@click.command()
@click.argument("database", metavar="DB", type=DATABASE)
@click.argument("form", metavar="beside|inside", type=click.Choice(get_args(IndexForm)))
def move(database: DatabaseName, form: IndexForm) -> None:
    """Have the index beside a file, or inside it.

    \b
      vecstore index move pets.db beside
      vecstore index move pets.db inside

    Beside it, in pets.db-vec, any program with SQLite can write to the file, such as llm,
    sqlite-utils and the sqlite3 shell. Inside it, the index is a part of the file and of each
    transaction. Searches find the same. A crash at any moment leaves the one or the other.
    """
    path = require_file(database, "its indexes have one place, beside the tables")
    with open_file_for_maintenance(path) as db:
        moved = maintenance.move_index(db, form)
        of_keywords = maintenance.keyword_index(db)
    if moved is None:
        click.echo(f"The index of {path} is {form} the file already", err=True)
        return
    for d, number in moved.items():
        click.echo(f"{d} dimensions: {describe_count(number, 'vector')} indexed {form} the file")
    if of_keywords.state != "missing":
        texts = describe_count(of_keywords.texts, "text")
        click.echo(f"keywords: {texts} indexed {form} the file")
    if not moved:
        click.echo(f"There are no vectors to index: those to come are indexed {form} the file")


@click.command("list")
@add_database_argument
@json_option
def list_(database: DatabaseName, as_json: bool) -> None:
    """List the index of each dimension, that of keywords, and the keys of the metadata with one.

    \b
      vecstore index list
      vecstore index list pets.db --json

    An index that is there can be out of step only if a program wrote to its own tables:
    'vecstore check' compares it.

    Of a PostgreSQL database, it lists the HNSW indexes, and the keys of the metadata with one.
    """
    if is_url(database):
        _on_server().list_(database, as_json=as_json)
        return
    with open_file_for_maintenance(Path(database), read_only=True) as db:
        found = maintenance.list_indexes(db)
        of_keywords = maintenance.keyword_index(db)
        of_metadata = maintenance.list_metadata_indexes(db)
    has_keywords = of_keywords.state != "missing"
    if as_json:
        listed = [asdict(status) for status in found]
        if has_keywords:
            shown = asdict(of_keywords)
            listed.append({"keywords": shown.pop("texts"), **shown})
        listed += [{"metadata": i.path, "sql": i.expression, "name": i.name} for i in of_metadata]
        click.echo(json.dumps(listed, indent=4))
        return
    for status in found:
        vectors = describe_count(status.vectors, "vector")
        state = _STATES[status.state].format(form=status.form)
        click.echo(f"{status.dimensions} dimensions: {vectors}, {state}")
        for graph in status.graphs:
            click.echo(f"  {_describe_graph(graph)}")
    if has_keywords:
        texts = describe_count(of_keywords.texts, "text")
        state = _STATES[of_keywords.state].format(form=of_keywords.form)
        click.echo(f"keywords: {texts}, {state}, with the tokenizer {of_keywords.tokenizer!r}")
    for made in of_metadata:
        click.echo(f"{made.path}: indexed, for {made.expression}")
    if not found:
        click.echo("There are no vectors to index", err=True)


def _on_server() -> Any:
    """Return what these commands do for a PostgreSQL database."""
    return import_postgres("cli.server_upkeep")


def _refuse_on_server(dimensions: int | None, keywords: bool) -> None:
    if dimensions is not None:
        raise click.UsageError(
            "--dimensions is for SQLite files: in PostgreSQL an index of vectors is of a "
            "collection (--graph COLLECTION)"
        )
    if keywords:
        raise click.UsageError(
            "--keywords is for SQLite files: PostgreSQL keeps the words of a text with its row"
        )


def _print_keywords_built(number: int) -> None:
    click.echo(f"keywords: {describe_count(number, 'text')} indexed")


def _refuse_several(
    dimensions: int | None, graph: str | None, keys: tuple[str, ...], keywords: bool
) -> None:
    given = {
        "--dimensions": dimensions,
        "--graph": graph,
        "--metadata": keys or None,
        "--keywords": keywords or None,
    }
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} cannot be used together")


def _refuse_files(graph: str | None, keys: tuple[str, ...], tokenizer: str | None = None) -> None:
    """Refuse a file that was meant to be DB, and is the value of an option that comes before it."""
    ctx = click.get_current_context()
    is_default = ctx.get_parameter_source("database") is ParameterSource.DEFAULT
    if ctx.meta["named"] or not is_default:
        return
    given = [("--graph", graph), *(("--metadata", key) for key in keys), ("--tokenizer", tokenizer)]
    for option, value in given:
        if value and _is_database(Path(value)):
            raise click.UsageError(
                f"{option} takes {value!r} as its value, and no file is given: put that first, "
                f"{ctx.command_path} {value} {option}"
            )


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except (OSError, ValueError):
        return False


def _build_graph(path: Path, collection: str) -> None:
    with open_file_for_maintenance(path) as db, show_progress("Building the graph") as show:
        built = maintenance.build_graph(db, collection or None, progress=show)
    for name, number in built.items():
        click.echo(f"{name}: a graph of {describe_count(number, 'entry')}")
    if not built:
        nothing = (
            f"Collection {collection!r} has no vectors for a graph"
            if collection
            else "There is no collection that is large enough to need a graph"
        )
        click.echo(nothing, err=True)


def _drop_graph(path: Path, collection: str) -> None:
    with open_file_for_maintenance(path) as db:
        dropped = maintenance.drop_graph(db, collection or None)
    for name in dropped:
        click.echo(f"{name}: graph dropped")
    if not dropped:
        click.echo("There is no graph", err=True)


def _describe_graph(graph: maintenance.GraphStatus) -> str:
    if graph.state == "missing":
        return f"{graph.collection}: without its graph: 'vecstore index build --graph' builds it"
    return (
        f"{graph.collection}: a graph of {graph.entries:,} entries, "
        f"{graph.fresh:,} changed since, {graph.bytes:,} bytes"
    )


for command in (list_, build, drop, move):
    index.add_command(command)
