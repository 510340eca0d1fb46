"""`vecstore check` and `vecstore index` of a PostgreSQL database.

Imported where one is named: it brings psycopg, which is an extra.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import click

from ..checking.report import CheckProgress, CheckReport
from ..postgres import catalog, checks, hnsw, metadata_indexes, schema
from ..postgres.connection import PostgresDatabase
from ..postgres.store import PostgresStore
from ..rows import CollectionRow
from .databases import open_server
from .progress import show_progress


@contextmanager
def _open_server(url: str) -> Iterator[PostgresStore]:
    with open_server(url) as store:
        yield cast(PostgresStore, store)


def check(url: str, progress: CheckProgress, *, model: bool) -> CheckReport:
    """Return what a check finds."""
    with _open_server(url) as store:
        return checks.check(store.db, progress=progress, model=model)


def build(url: str, name: str | None, keys: tuple[str, ...]) -> None:
    """Build the HNSW index of a collection, of all that need one, or indexes of metadata.

    :param name: of the collection; None or "" for all that have an index, or are large
    """
    with _open_server(url) as store:
        store.ensure_schema()
        for key in keys:
            made = metadata_indexes.create(store.db, key)
            click.echo(f"{made.path}: indexed, for {made.expression}")
        if not keys:
            _build_graphs(store.db, name)


def _build_graphs(db: PostgresDatabase, name: str | None) -> None:
    chosen = [catalog.find_or_fail(db, name)] if name else _find_worth(db)
    for collection in chosen:
        with _show_build(collection.name) as show:
            built = hnsw.build(db, collection, progress=show)
        click.echo(f"{collection.name}: {_describe(built)}")
    if not chosen:
        click.echo("There is no collection that is large enough to need an index", err=True)


def _find_worth(db: PostgresDatabase) -> list[CollectionRow]:
    """Return the collections that have an index, or are large."""
    indexed = {index.collection for index in hnsw.list_indexes(db)}
    sizes = {row.name: row.num_embeddings for row in catalog.summarize(db)}
    return [
        row
        for row in catalog.find_all(db)
        if row.name in indexed or sizes.get(row.name, 0) >= checks.WORTH_AN_INDEX
    ]


@contextmanager
def _show_build(name: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show how far PostgreSQL has come with an index, in the first phase that has a length.

    That is the one that takes long. The lengths of others are of something else.
    """
    with show_progress(f"Indexing {name}", unit="blocks") as show:
        shown: list[str] = []

        def show_phase(phase: str, done: int, total: int) -> None:
            if total and not shown:
                shown.append(phase)
            if phase in shown:
                show(done, total)

        yield show_phase


def drop(url: str, name: str | None, keys: tuple[str, ...]) -> None:
    """Remove the HNSW index of a collection, or of all, or indexes of metadata."""
    with _open_server(url) as store:
        if keys:
            _drop_metadata_indexes(store.db, keys)
            return
        chosen = [catalog.find_or_fail(store.db, name)] if name else catalog.find_all(store.db)
        dropped = [row.name for row in chosen if hnsw.drop(store.db, row)]
    for collection in dropped:
        click.echo(f"{collection}: dropped")
    if not dropped:
        click.echo("There is no index", err=True)


def _drop_metadata_indexes(db: PostgresDatabase, keys: tuple[str, ...]) -> None:
    has_tables = schema.has_tables(db)
    for key in keys:
        is_dropped = has_tables and bool(metadata_indexes.drop(db, key))
        click.echo(f"{key}: {'dropped' if is_dropped else 'no index'}", err=not is_dropped)


def list_(url: str, *, as_json: bool) -> None:
    """Print the HNSW indexes, and the keys of the metadata with one."""
    with _open_server(url) as store:
        has_tables = schema.has_tables(store.db)
        found = hnsw.list_indexes(store.db) if has_tables else []
        of_metadata = metadata_indexes.list_all(store.db) if has_tables else []
    if as_json:
        listed: list[dict[str, object]] = [index._asdict() for index in found]
        listed += [{"metadata": i.path, "sql": i.expression, "name": i.name} for i in of_metadata]
        click.echo(json.dumps(listed, indent=4))
        return
    for index in found:
        click.echo(f"{index.collection}: {_describe(index)}")
    for made in of_metadata:
        click.echo(f"{made.path}: indexed, for {made.expression}")
    if not found:
        click.echo("There is no index of vectors: searches compare all of them", err=True)


def _describe(index: hnsw.HnswIndex) -> str:
    state = "" if index.is_valid else ", not valid: 'vecstore index build' mends it"
    return f"{index.dimensions} dimensions, an HNSW index of {index.bytes:,} bytes{state}"
