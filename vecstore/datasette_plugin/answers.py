"""What somebody asks of a collection on its page, and the answer.

A text is searched for by its words and by its meaning. Where its meaning cannot be had, as no model
may be asked or as that fails, its words alone answer; where there is no keyword index and all texts
are too many, its meaning. The page says so.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from datasette.database import Database

from ..errors import DimensionError, InvalidInputError
from ..keywords import parse
from ..query import Query, RankedQuery, SearchMode
from . import embedding, queries
from .embedding import EmbeddingFailed
from .queries import KeywordsDamaged, NoSqliteVec, TookTooLong
from .shown import PLAIN_MARKS, Marks, ShownCollection, ShownEntry

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette

_NOT_ALLOWED = "Searching by meaning is off here: allow_embed of the plugin switches it on"


@dataclass
class Page:
    """What somebody asked of a collection, and the answer.

    q, id, document: what is searched for, or shown; of several, the last counts
    asked_mode: how to search for `q`
    mode: how that was done; None where it was not
    note: why it was not done as it was asked
    without_text: how many items words cannot find; None where that does not matter, or is unknown
    """

    collection: ShownCollection
    actor: dict[str, Any] | None
    q: str
    id: str | None
    document: str | None
    asked_mode: SearchMode
    size: int
    largest: int
    is_head: bool
    marks: Marks = PLAIN_MARKS
    item: ShownEntry | None = None
    rows: list[ShownEntry] = field(default_factory=list)
    mode: SearchMode | None = None
    note: str | None = None
    without_text: int | None = None
    error: str | None = None
    status: int = 200

    @property
    def is_search(self) -> bool:
        """Return whether a text is searched for."""
        return bool(self.q) and self.id is None and self.document is None

    @property
    def truncated(self) -> bool:
        """Return whether there are more rows than were asked for."""
        return len(self.rows) > self.size

    @property
    def shown(self) -> list[ShownEntry]:
        """Return the rows that were asked for."""
        return self.rows[: self.size]

    @property
    def entries(self) -> list[ShownEntry]:
        """Return all entries that are on the page."""
        return [*self.shown, self.item] if self.item else self.shown

    @property
    def next_size(self) -> int | None:
        """Return how many rows a link offers next; None without more, or if that is all."""
        more = self.truncated and self.size < self.largest
        return min(2 * self.size, self.largest) if more else None


async def answer(datasette: "Datasette", db: Database, page: Page) -> None:
    """Find what the page shows; one row more than it does tells whether there are more."""
    try:
        if page.document is not None:
            await _show_document(datasette, db, page, page.document)
        elif page.id is not None:
            await _show_similar(datasette, db, page, page.id)
        elif page.q:
            await _search(datasette, db, page)
        else:
            page.rows = await queries.first_entries(datasette, db, page.collection, page.size + 1)
    except (EmbeddingFailed, DimensionError) as error:
        page.error, page.status = str(error), getattr(error, "status", 502)


async def _show_document(datasette: "Datasette", db: Database, page: Page, document: str) -> None:
    chunks = await queries.find_chunks(datasette, db, page.collection, document)
    if not chunks:
        page.error, page.status = f"There is no document {document!r} in this collection.", 404
    page.rows = chunks[: page.size + 1]


async def _show_similar(datasette: "Datasette", db: Database, page: Page, id: str) -> None:
    """Find what is similar to an item: of each document its best chunk, of its own none."""
    found = await queries.find_entry(datasette, db, page.collection, id)
    if found is None:
        page.error, page.status = f"There is no item {id!r} in this collection.", 404
        return
    page.item, vector = found
    query = Query(
        page.collection.row,
        page.size + 1,
        vector=vector,
        skip_id=id,
        per_document=True,
        skip_document=page.item.document,
    )
    page.rows = [*await queries.find_similar(datasette, db, query)]


async def _search(datasette: "Datasette", db: Database, page: Page) -> None:
    try:
        keywords = parse(page.q)
    except InvalidInputError as error:
        page.error, page.status = str(error), 400
        return
    if page.is_head:
        return  # no one sees what it would cost
    query = Query(page.collection.row, page.size + 1, per_document=True)
    ranked = RankedQuery(query, keywords, "keywords", marks=page.marks)
    if page.asked_mode == "keywords" or not await _search_by_meaning(datasette, db, page, ranked):
        page.rows = [*await queries.find_ranked(datasette, db, ranked)]
        page.mode = "keywords"
    if page.mode != "similar":
        page.without_text = await queries.count_without_text(db, page.collection)


async def _search_by_meaning(
    datasette: "Datasette", db: Database, page: Page, ranked: RankedQuery
) -> bool:
    """Search as it was asked, and return whether that could be done; the page says why not.

    Where it was asked for the meaning alone, that is an error.
    """
    try:
        vector = await _embed(datasette, db, page, ranked.keywords.text)
        query = replace(ranked.query, vector=vector)
        await _search_with_vector(datasette, db, page, replace(ranked, query=query))
    except (EmbeddingFailed, DimensionError, NoSqliteVec, TookTooLong) as error:
        if page.asked_mode == "similar":
            raise
        page.note = f"Found by words alone. {error}"
        return False
    return True


async def _search_with_vector(
    datasette: "Datasette", db: Database, page: Page, ranked: RankedQuery
) -> None:
    """Search as it was asked; by meaning alone where keywords take too long, or are damaged."""
    try:
        asked = replace(ranked, mode=page.asked_mode)
        page.rows = [*await queries.find_ranked(datasette, db, asked)]
        page.mode = page.asked_mode
    except (TookTooLong, KeywordsDamaged) as error:
        if page.asked_mode == "similar" or not error.remedy:
            raise
        similar = replace(ranked, mode="similar")
        page.rows = [*await queries.find_ranked(datasette, db, similar)]
        page.mode, page.note = "similar", f"Found by meaning alone. {error}"


async def _embed(datasette: "Datasette", db: Database, page: Page, text: str) -> bytes:
    """Return the vector of a text.

    :raises EmbeddingFailed: the actor may not have one, or there is none
    """
    model_id = page.collection.model
    if not await embedding.is_allowed(datasette, db.name, page.actor, model_id):
        raise EmbeddingFailed(_NOT_ALLOWED, 403)
    prefix = await queries.query_prefix(datasette, db, page.collection)
    return await embedding.embed(model_id, text, prefix)
