"""`--dry-run` of a load: what it would do, without a model and without a write."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from ..collection import Collection, store_of
from ..errors import DatabaseError
from ..loading.preview import Preview, preview, preview_documents
from ..readers import InputEntry
from ..sqlite import schema
from ..sqlite.databases import open_database
from ..sqlite.store import SqliteStore
from ..store import Store
from .databases import is_there, open_store_to_read
from .load_job import LoadJob


@contextmanager
def open_to_preview(job: LoadJob) -> Iterator[Collection]:
    """Open a collection to read from it; one that does not exist, in memory, and empty."""
    with ExitStack() as opened:
        database = job.options.database
        store = opened.enter_context(open_store_to_read(database)) if is_there(database) else None
        if store is not None and Collection.exists(store, job.name):
            refuse_older_schema(store)
            yield Collection(job.name, store, model=job.model, create=False)
        else:  # to a new one, everything is new
            empty = opened.enter_context(closing(open_database(None, "apsw")))
            yield Collection(job.name, empty, model=job.model)


def preview_entries(job: LoadJob, collection: Collection, entries: Iterable[InputEntry]) -> Preview:
    """Return what loading these entries into a collection would do."""
    place = (store_of(collection), collection.row, collection.model(), entries)
    parameters: dict[str, Any] = {
        "batch_size": job.options.batch_size,
        "content_hash": collection.content_hash,
        "stores_content": job.options.store,
        "on_error": job.on_error,
    }
    if not job.chunks.is_given:
        return preview(*place, **parameters)
    headings = not job.chunks.no_headings
    return preview_documents(*place, job.chunks.make_split(), headings=headings, **parameters)


def describe_preview(found: Preview, *, has_deletions: bool = False) -> tuple[str, str]:
    """Return how many entries there are of each kind, and how much is to be embedded.

    :param has_deletions: say also that nothing would be deleted
    """
    counts = (
        f"{found.new:,} new, {found.changed:,} changed, {found.reused:,} reused, "
        f"{found.updated:,} updated, {found.unchanged:,} unchanged"
        + (f", {found.deleted:,} deleted" if found.deleted or has_deletions else "")
    )
    sizes = [(found.characters, "characters"), (found.bytes, "bytes")]
    size = " and ".join(f"{number:,} {unit}" for number, unit in sizes if number) or "nothing"
    return counts, f"To embed: {size}"


def refuse_older_schema(store: Store) -> None:
    """Raise DatabaseError for a file that has to be written before it can be read as ours."""
    if isinstance(store, SqliteStore) and schema.lacks_columns(store.db):
        raise DatabaseError(
            "The file was made by an older llm, and is brought up to date when it is written to, "
            "which a dry run does not do: run 'vecstore similar' on it once"
        )
