"""What users hold: a named group of vectors in a database, and the entries found in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex, TypeVar

from . import document_search, errors, models, splitting, vectors
from .chunks import chunk_id, document_in_json
from .entries import (
    Entry,
    SearchResult,
    id_text,
    id_texts,
    read_entry,
    read_result,
    require_collection_name,
)
from .keywords import parse as parse_keywords
from .loading.additions import Additions
from .loading.items import OnError, without_metadata
from .loading.load import Load, Progress
from .loading.metadata_changes import set_metadata
from .loading.reembedding import Reembedding, differs_from, successor_prefixes
from .loading.report import EmbedReport, ReembedReport
from .loading.sync import Sync
from .metadata import Metadata
from .models import EmbeddingModel, modes
from .prefixes import Prefixes, require_prefix
from .query import (
    Conditions,
    Explanation,
    Query,
    RankedQuery,
    SearchMode,
    Step,
    WhereArgs,
    refuse_unknown,
    show_conditions,
)
from .related import RelatedProgress, RelatedReport
from .rows import CollectionRow
from .settings import IndexForm, to_index_form
from .splitting import Kind, Splitter
from .store import Store
from .stores import Database, has_collection, open_store
from .values import describe_count, is_list, quote, to_integer, to_plain
from .vectors import encode_vector, stored_vector

if TYPE_CHECKING:
    import sqlite_utils
    from typing_extensions import Unpack

_PAGE = 1000  # entries that an iteration reads at once
_MOST_RELATED = 1_000_000  # listed of each entry


class Collection:
    """A named collection of embeddings, created if it does not exist.

    :param name: its name, unique in the database
    :param db: a sqlite_utils.Database, or the path of a SQLite file, which is created if need be;
      without it, a database in memory. A Database whose connection cannot load extensions is
      moved to one that can: see `vecstore.sqlite.databases.adopt()`. Or a URL of PostgreSQL,
      `postgresql://user@host/name`, which needs the extra `postgres`; or the `store` of another
      collection, whose connections it then shares
    :param model: the embedding model, or
    :param model_id: its id or an alias. A new collection needs one of them, and an existing
      one remembers its own. "none" is for vectors of your own, and `model=ExternalModel(ID)` for
      those of a model that is not installed: see add()
    :param create: False raises DoesNotExist where there is no such collection
    :param exact: search exactly, also where the collection is large and that is slower; may be
      given to each search instead
    :param index: where a new file has its index: "inside", or "beside" it in a file of its own, so
      that programs without sqlite-vec can go on writing to it. By default what the variable
      VECSTORE_INDEX says, or else beside a file that llm has made, and inside any other;
      `vecstore.move_index()` changes it

    It stands for the collection that it has opened. Where that was deleted, renamed or made anew,
    by whatever program, each call raises DoesNotExist, or ModelMismatchError if the one of its name
    has another model now: another collection may have its id, and is neither read nor written.

    :raises DoesNotExist: as said; the database then has the tables, and no new collection
    :raises DatabaseError: another program's tables have the names of ours; they stay as they are
    :raises DatabaseConnectionError: the server of a URL cannot be reached, or lets nobody in
    :raises MissingPackageError: `db` is a URL, and psycopg is not installed
    :raises MissingFileError: the path is of no file, and `create` is False or no model is given
    :raises ModelMismatchError: the collection exists, with another model
    :raises UnknownModelError: a new collection is to use a model that is not installed
    :raises InvalidInputError: the file has its index elsewhere than `index` says, or `db` is in
      memory, where there is nothing beside it, or in PostgreSQL; nothing was changed
    """

    DoesNotExist = errors.DoesNotExist

    def __init__(
        self,
        name: str,
        db: Database | Store | str | Path | None = None,
        *,
        model: EmbeddingModel | None = None,
        model_id: str | None = None,
        create: bool = True,
        exact: bool = False,
        index: IndexForm | None = None,
    ) -> None:
        if isinstance(model, str | type):
            raise errors.InvalidInputError(
                f"model= takes an EmbeddingModel, not {quote(model)}: a name goes into model_id="
            )
        form = None if index is None else to_index_form(index, "index")
        self.name = require_collection_name(name)
        self.exact = exact
        self._model = model
        self._store = open_store(db, may_create=create and bool(model or model_id))
        self._store.ensure_schema(form)
        row = self._store.find(self.name) or self._create(model_id, create)
        self.id, _, self.model_id = row
        self._check_model(model_id)
        if model is not None:
            self._store.use_model(model)

    def _create(self, model_id: str | None, create: bool) -> CollectionRow:
        if not create:
            raise errors.DoesNotExist(
                f"Collection does not exist: {quote(self.name)} ({self._store.describe()})"
            )
        if self._model is None:
            if not model_id:
                raise errors.InvalidInputError(
                    f"Collection {quote(self.name)} does not exist yet "
                    f"({self._store.describe()}): to create it, pass model= or model_id="
                )
            self._model = models.get_embedding_model(model_id)
        return self._store.create(self.name, self._model.model_id)

    def _check_model(self, model_id: str | None) -> None:
        asked = model_id if self._model is None else self._model.model_id
        if asked is None or asked == self.model_id:
            return
        if self._model is None:
            asked = models.get_embedding_model(asked).model_id
        if not models.is_recorded_as(asked, self.model_id):
            raise errors.ModelMismatchError(
                f"Collection {quote(self.name)} was made with the model {self.model_id!r}, not "
                f"{asked!r}: vectors of two models cannot be compared, so use another collection"
            )

    def __repr__(self) -> str:
        try:
            state = f"{self.count()} entries"
        except Exception as error:  # it is asked for where an error is shown
            state = f"cannot be read ({type(error).__name__})"
        return f"<Collection {quote(self.name)}: {state}, model {self.model_id!r}>"

    def __copy__(self: "_Kind") -> "_Kind":
        """Return another Collection of the same connection."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        """Refuse a pickle, and a deep copy: an open file cannot go to another process."""
        raise errors.DatabaseError(
            f"Collection {quote(self.name)} has an open connection, which cannot be pickled or "
            "copied: pass its name, and the path or the URL of its database, and open it there "
            "with Collection(name, path)"
        )

    def model(self) -> EmbeddingModel:
        """Return the embedding model; UnknownModelError if it is not installed."""
        if self._model is None:
            self._model = models.get_embedding_model(self.model_id)
        return self._model

    @property
    def query_prefix(self) -> str:
        """What is put before a text that is searched for: its own, or that of its model."""
        return modes.query_prefix(self.model(), self._store.prefixes(self.row).query_prefix)

    @property
    def document_prefix(self) -> str:
        """What is put before a text whose vector is stored: its own, or that of its model."""
        return modes.document_prefix(self.model(), self._store.prefixes(self.row).document_prefix)

    def set_prefixes(
        self,
        *,
        query: str | EllipsisType | None = ...,
        document: str | EllipsisType | None = ...,
    ) -> None:
        """Have text embedded with something before it, as many models were trained.

        The database remembers it, and what embeds for the collection does so: Python, the command
        line, and, of a file, SQL functions and Datasette. What is stored of a text, and its hash,
        stay the text's own.

        :param query: what is put before a text that is searched for; None for what the model says,
          and "" for nothing. Left out, it stays
        :param document: the same of a text whose vector is stored; only before there are entries
        :raises InvalidInputError: one is no text, or entries were embedded with another document
          prefix, and the vectors of two cannot be compared; nothing was changed
        :raises UnknownModelError: whether the document prefix changes cannot be said without the
          model, which is not installed; nothing was changed
        """
        new = document is not ... and document != self._store.prefixes(self.row).document_prefix
        if new and not self._store.is_empty(self.row):
            self.model()  # is found while there is no lock
        with self._store.writing():
            before = self._store.prefixes(self.row)
            after = Prefixes(
                before.query_prefix if query is ... else require_prefix("query", query),
                before.document_prefix if document is ... else require_prefix("document", document),
            )
            self._check_document_prefix(before.document_prefix, after.document_prefix)
            self._store.set_prefixes(self.row, after)

    def _check_document_prefix(self, before: str | None, after: str | None) -> None:
        """Raise InvalidInputError if entries were embedded with another prefix than is to be."""
        if before == after or self._store.is_empty(self.row):
            return
        then, now = (modes.document_prefix(self.model(), own) for own in (before, after))
        if then != now:
            name = quote(self.name)
            raise errors.InvalidInputError(
                f"The entries of {name} were embedded with the document prefix {quote(then)}, and "
                f"cannot be compared with others of {quote(now)}: reembed(document_prefix=...), or "
                "'vecstore collections reembed NAME --document-prefix ...', embeds them again"
            )

    @classmethod
    def exists(cls, db: Database | Store | str | Path, name: str) -> bool:
        """Return whether a database has a collection of that name; nothing is written."""
        return has_collection(db, name)

    @property
    def db(self) -> "sqlite_utils.Database":
        """The sqlite_utils.Database, for SQL of your own.

        :raises DatabaseError: the collection is in PostgreSQL: see `store`
        """
        return self._store.database()

    @db.setter
    def db(self, db: Database) -> None:
        self._store = open_store(db)

    @property
    def store(self) -> Store:
        """What keeps the collection: `Collection(NAME, collection.store)` opens another of it.

        That of a PostgreSQL database has `connection()`, of psycopg, for SQL of your own, and
        `close()`.
        """
        return self._store

    @property
    def row(self) -> CollectionRow:
        """The row of `collections` that was opened: id, name and model."""
        return CollectionRow(self.id, self.name, self.model_id)

    def count(self) -> int:
        """Return the number of entries."""
        return self._store.count(self.row)

    __len__ = count

    def __bool__(self) -> bool:
        return True  # an empty collection is one nevertheless

    def __contains__(self, id: object) -> bool:
        """Return whether there is an entry with that id."""
        return self._store.has(self.row, id_text(id))

    def __iter__(self) -> Iterator[Entry]:
        """Yield all entries, ordered by id, without scores.

        They are read a thousand at a time, so the collection may be written meanwhile.
        """
        after = None
        while page := self._store.page(self.row, after, _PAGE):
            yield from map(read_entry, page)
            after = page[-1][0]

    def ids(
        self,
        prefix: str | None = None,
        where: str | None = None,
        where_args: WhereArgs | None = None,
    ) -> list[str]:
        """Return all ids, in order, or those of entries that meet conditions.

        See similar_by_vector() for the conditions, and for what is raised.
        """
        args = () if where_args is None else where_args
        return self._store.ids(self.row, prefix or "", where, args)

    def get(self, id: str) -> Entry:
        """Return the entry with that id, without a score; DoesNotExist if there is none."""
        row = self._store.get(self.row, id_text(id))
        if row is None:
            raise self._no_such_id(id)
        return read_entry(row)

    def documents(self) -> list[str]:
        """Return the ids of all documents of which there are chunks, in order."""
        return self._store.documents(self.row)

    def get_document(self, id: str) -> list[Entry]:
        """Return the chunks of a document in their order; DoesNotExist if there is none."""
        id = id_text(id)
        rows = self._store.chunks(self.row, id)
        if not rows:
            raise self.DoesNotExist(
                f"Document not found in collection {quote(self.name)}: {quote(id)}"
            )
        return [read_entry(row) for row in rows]

    def delete_documents(self, ids: Iterable[str]) -> int:
        """Delete these documents with all their chunks, in one transaction.

        Return how many entries there were. An entry that has such an id, and is no chunk, stays.
        """
        documents = sorted(set(id_texts(ids)))
        with self._store.writing():
            chunks = [id for name in documents for id in self._store.chunk_ids(self.row, name)]
            return self._store.delete(self.row, chunks)

    def vector(self, id: str) -> list[float]:
        """Return the vector of the entry with that id, as it is stored.

        :raises DoesNotExist: there is no such entry
        :raises InvalidInputError: another program has stored what is no vector
        """
        id = id_text(id)
        found = self._store.vector(self.row, id)
        if found is None:
            raise self._no_such_id(id)
        return stored_vector(found[0], id)

    def vectors(self, ids: Iterable[str] | None = None) -> Iterator[tuple[str, list[float]]]:
        """Yield (id, vector) pairs of all entries, ordered by id, or of these ids in their order.

        They are read a thousand at a time, so the collection may be written meanwhile.

        :raises DoesNotExist: there is no entry with an id, which is named, when its turn comes
        :raises InvalidInputError: another program has stored what is no vector, likewise
        """
        pages = self._vector_pages() if ids is None else self._vectors_of(id_texts(ids))
        return ((id, stored_vector(vector, id)) for page in pages for id, vector in page)

    def _vector_pages(self) -> Iterator[list[tuple[str, Any]]]:
        after = None
        while page := self._store.vector_page(self.row, after, _PAGE):
            yield page
            after = page[-1][0]

    def _vectors_of(self, ids: list[str]) -> Iterator[Iterator[tuple[str, Any]]]:
        for start in range(0, len(ids), _PAGE):
            wanted = ids[start : start + _PAGE]
            found = self._store.vectors(self.row, wanted)
            yield ((id, self._found_vector(id, found)) for id in wanted)

    def _found_vector(self, id: str, found: dict[str, Any]) -> Any:
        if id not in found:
            raise self._no_such_id(id)
        return found[id]

    def add(
        self,
        id: str,
        vector: Sequence[float],
        content: str | bytes | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        """Store a vector that was computed elsewhere under an id; see add_multi()."""
        self.add_multi([(id, vector, content, metadata)])

    def add_multi(
        self,
        entries: Iterable[tuple[Any, ...]],
        batch_size: int = 1000,
        *,
        store: bool = True,
        on_error: OnError = "stop",
        progress: Progress | None = None,
    ) -> EmbedReport:
        """Store vectors that were computed elsewhere; return what was done. No model is asked.

        An entry is (id, vector), (id, vector, content) or (id, vector, content, metadata). The id
        is the key, and the last write wins. A row that is the same already, in its vector, content
        and metadata, is not written. Metadata of None leaves stored metadata as it is; {} removes
        it. Content of None leaves what is stored if the vector is the same, and else removes it: it
        says what the vector is of.

        The vectors must be of the collection's model, as nobody can tell whether they are. Content
        that is given has its vector from then on: embed() of the same content, under whatever id,
        takes that one and does not ask the model.

        `entries` is consumed lazily, a batch at a time, and a batch is one transaction. So an
        interrupted call keeps the batches before, and the same call again goes on from there.

        :param batch_size: entries in a batch
        :param store: False stores a hash of the content, by which it is recognised, and not itself
        :param on_error: "stop" at an entry that is refused; "skip" it and count it as failed; or a
          function that is called with its id and the error, and it is skipped, unless the function
          raises
        :param progress: a function that is called after each batch, with the report so far
        :raises InvalidInputError: an id, a vector, content or metadata is refused, which is named,
          or the entry would take the place of a document's chunk; nothing of its batch is written
        :raises DimensionError: the vector of the id that is named is not of the collection's
          dimension, or in an empty one of that of most of the batch; an InvalidInputError
        """
        additions = Additions(
            self._store,
            self.row,
            content_hash=self.content_hash,
            stores_content=store,
            on_error=on_error,
            progress=progress,
        )
        return additions.run(entries, batch_size)

    def set_metadata(self, id: str, metadata: Metadata) -> None:
        """Put other metadata in the place of an entry's, which is not embedded again.

        {} removes it. What says that the entry is the chunk of a document stays: the keys
        `document`, `chunk`, `chunks`, `start`, `end` and `heading` of such a one cannot be changed.

        :raises DoesNotExist: there is no entry with that id
        :raises InvalidInputError: the metadata is no dict or cannot be JSON, or says another chunk;
          nothing was changed
        """
        id = id_text(id)
        if not set_metadata(self._store, self.row, id, metadata):
            raise self._no_such_id(id)

    def embed(
        self,
        id: str,
        value: str | bytes,
        metadata: Metadata | None = None,
        store: bool = False,
        *,
        key: str | None = None,
    ) -> None:
        """Embed one value and store its vector under an id; see embed_multi_with_metadata()."""
        self.embed_multi_with_metadata([(id, value, metadata)], store=store, key=key, concurrency=1)

    def embed_multi(
        self,
        entries: Iterable[tuple[str, str | bytes]],
        store: bool = False,
        batch_size: int = 100,
        *,
        key: str | None = None,
        concurrency: int | None = None,
        on_error: OnError = "stop",
        progress: Progress | None = None,
    ) -> EmbedReport:
        """Embed (id, value) pairs and store them; see embed_multi_with_metadata()."""
        return self.embed_multi_with_metadata(
            map(without_metadata, entries),
            store,
            batch_size,
            key=key,
            concurrency=concurrency,
            on_error=on_error,
            progress=progress,
        )

    def embed_multi_with_metadata(
        self,
        entries: Iterable[tuple[str, str | bytes, Metadata | None]],
        store: bool = False,
        batch_size: int = 100,
        *,
        key: str | None = None,
        concurrency: int | None = None,
        on_error: OnError = "stop",
        progress: Progress | None = None,
    ) -> EmbedReport:
        """Embed (id, value, metadata) triples and store them; return what was done.

        The id is the key, and the last write wins. Content that the collection has embedded
        before, under whatever id, is not embedded again. A row that is the same already is not
        written. Metadata of None leaves stored metadata as it is; {} removes it.

        `entries` is consumed lazily, a batch at a time. A batch is one transaction, committed in
        the order of the input, and no lock is held while the model works. So an interrupted call
        keeps the batches before, and the same call again goes on from there. Whatever ends the
        call, requests that are under way are waited for, and their batches are written too. Of the
        batch of an entry that ends it, what was embedded before that entry is written. Nobody can
        tell whose vectors are wrong if there are too few or too many, or if in the first batch of a
        collection as many have one dimension as another: then none of them is written.

        :param store: also store text in the column `content`, and bytes in `content_blob`
        :param batch_size: entries in a batch, or the model's own batch size if that is lower
        :param key: an API key, in place of the one in the environment
        :param concurrency: batches that are embedded at once, each in a thread; by default what the
          model says: 8 for OpenAI's, 1 for a model that says nothing, which is then called in this
          thread. So many batches are in memory
        :param on_error: "stop" at an entry that cannot be embedded; "skip" it and count it as
          failed; or a function that is called with its id and the error, and it is skipped, unless
          the function raises. What is wrong with the model, and not with an entry, always stops;
          so does a batch of which no entry is embedded, with 20 from all over it asked for alone
        :param progress: a function that is called after each batch, with the report so far
        :raises InvalidInputError: an id, a value or metadata is refused, which is named; nothing of
          its batch is embedded or written. Or a vector is, after those before it. An id is refused
          that a chunk of a document has
        :raises DimensionError: the vector of the id that is named is not of the collection's
          dimension; an InvalidInputError
        :raises RejectedInputError: the value of the id that is named was not embedded: the provider
          refuses it, or the model raises an exception of its own, which is the `__cause__`. Where
          it gives nothing for a whole batch, it is asked for parts of it to find whose fault it is
        :raises TemporaryError: the provider did not answer, however often it was asked
        :raises ModelError: the model failed, and not over one entry
        """
        load = Load(
            self._store,
            self.row,
            self.model(),
            content_hash=self.content_hash,
            stores_content=store,
            key=key,
            concurrency=concurrency,
            on_error=on_error,
            progress=progress,
        )
        return load.run(entries, batch_size)

    def embed_documents(
        self,
        documents: Iterable[tuple[str, str] | tuple[str, str, Metadata | None]],
        splitter: Splitter | Kind | None = None,
        *,
        size: int = splitting.DEFAULT_SIZE,
        overlap: int = 0,
        headings: bool = True,
        store: bool = True,
        batch_size: int = 100,
        key: str | None = None,
        concurrency: int | None = None,
        on_error: OnError = "stop",
        progress: Progress | None = None,
    ) -> EmbedReport:
        """Split (id, text) or (id, text, metadata) into chunks, and embed these; return the counts.

        A chunk is an entry. Its id is `ID#N`, N from 1, and its content the part of the text. In
        its metadata are the keys of `metadata`, and `document`, `chunk`, `chunks`, `start` and
        `end`, which are characters of the text, and `heading` where there are headings above it.

        A document is replaced as a whole, in one transaction: afterwards it has exactly the chunks
        of this text. A chunk whose text is the same is not embedded again, wherever it is now.
        Metadata of None leaves stored metadata as it is; {} removes it. What a document has is
        written when all of it is embedded: after an interrupt in the midst, it is as it was.

        See embed_multi_with_metadata() for the other parameters, how a batch is written, and what
        else is raised. A batch holds whole documents; the model is asked for `batch_size` chunks at
        once. With `on_error`, a document of which a chunk cannot be embedded stays as it was, and
        counts as one that failed.

        :param splitter: "markdown", "text" or "code", or a function that yields (start, end) of
          each chunk of a text; by default, the suffix of the id says what it is
        :param size: characters of a chunk, at most
        :param overlap: characters that a chunk shares with the one before, at most
        :param headings: what is embedded begins with the headings above a chunk; the content does
          not
        :param batch_size: chunks in a batch, at least; a document is never parted
        :raises InvalidInputError: a document is refused, which is named; nothing of its batch is
          embedded or written. Also where the id of a chunk is that of an entry which is none
        :raises MissingPackageError: to split this kind of text needs the extra `chunks`
        """
        splitting.require_splitter(splitter, size, overlap)  # what is wrong with it costs nothing
        load = Load(
            self._store,
            self.row,
            self.model(),
            content_hash=self.content_hash,
            stores_content=store,
            key=key,
            concurrency=concurrency,
            on_error=on_error,
            progress=progress,
        )
        split = partial(splitting.split, splitter=splitter, size=size, overlap=overlap)
        return load.run_documents(documents, split, batch_size, headings=headings)

    def sync(
        self,
        entries: Iterable[tuple[str, str | bytes] | tuple[str, str | bytes, Metadata | None]],
        prefix: str | None = None,
        *,
        delete_most: bool = False,
        store: bool = False,
        batch_size: int = 100,
        key: str | None = None,
        concurrency: int | None = None,
        on_error: OnError = "stop",
        progress: Progress | None = None,
    ) -> EmbedReport:
        """Have the collection hold what a source holds, and no more; return what was done.

        (id, value) pairs and (id, value, metadata) triples are written as
        embed_multi_with_metadata() does it, which says more of the parameters and of what is
        raised. Then what there was at the beginning of the call, and the source has no more, is
        deleted, in one transaction. An entry that was renamed keeps its vector.

        Whatever ends the call before the source was read to its end, and all of it written, nothing
        is deleted; the same call again goes on from there. What is skipped by `on_error` is not
        deleted; where its id is refused, nothing is.

        :param prefix: the source is of the entries whose ids begin with this text, taken literally,
          and others stay. The ids are given whole
        :param delete_most: also delete where that is more than half of the entries (of those with
          the prefix) and more than one, or where the source is empty; and put an entry in the place
          of the chunks of a document
        :raises InvalidInputError: an id does not begin with the prefix, or is that of a document in
          chunks, whatever `on_error` says
        :raises ManyDeletionsError: more than half would be deleted, whose ids it has. Nothing was;
          all that the source holds is written
        """
        sync = self._start_sync(prefix or "", splits=False, joins=delete_most)
        report = self.embed_multi_with_metadata(
            sync.watch(entries),
            store,
            batch_size,
            key=key,
            concurrency=concurrency,
            on_error=sync.keep_failed(on_error),
            progress=progress,
        )
        return self._end_sync(sync, report, delete_most)

    def sync_documents(
        self,
        documents: Iterable[tuple[str, str] | tuple[str, str, Metadata | None]],
        prefix: str | None = None,
        splitter: Splitter | Kind | None = None,
        *,
        delete_most: bool = False,
        size: int = splitting.DEFAULT_SIZE,
        overlap: int = 0,
        headings: bool = True,
        store: bool = True,
        batch_size: int = 100,
        key: str | None = None,
        concurrency: int | None = None,
        on_error: OnError = "stop",
        progress: Progress | None = None,
    ) -> EmbedReport:
        """Have the collection hold the documents of a source, and no more; return what was done.

        They are split and written as embed_documents() does it, and what else there was is deleted
        as sync() does it: the chunks of documents that the source has no more, and entries that are
        no chunks. A document that was renamed keeps the vectors of its chunks. One that is skipped
        by `on_error` stays as it was. See these two for the parameters and for what is raised.

        :param prefix: the source is of the documents whose ids begin with this text, taken
          literally; what has other ids stays
        :param delete_most: also delete where that is more than half of the entries, chunks each; an
          entry whose id is now that of a document does not count
        """
        sync = self._start_sync(prefix or "", splits=True, joins=False)
        report = self.embed_documents(
            sync.watch(documents),
            splitter,
            size=size,
            overlap=overlap,
            headings=headings,
            store=store,
            batch_size=batch_size,
            key=key,
            concurrency=concurrency,
            on_error=sync.keep_failed(on_error),
            progress=progress,
        )
        return self._end_sync(sync, report, delete_most)

    def _start_sync(self, prefix: str, *, splits: bool, joins: bool) -> Sync:
        before = self.ids(prefix)  # first: what is added until the chunks are read is not in it
        chunks = self._store.documents_of_chunks(self.row, prefix)
        return Sync(self.name, before, prefix, chunks, splits=splits, joins=joins)

    def _end_sync(self, sync: Sync, report: EmbedReport, delete_most: bool) -> EmbedReport:
        """Delete what a source has no more, all of which is written; return all that was done."""
        deletions = sync.find_deletions()
        if not delete_most:
            sync.refuse_most(deletions)
        deleted = self._store.delete(self.row, deletions) if deletions else 0
        return report + EmbedReport(deleted=deleted)

    def embed_query(self, value: str | bytes, *, key: str | None = None) -> Sequence[float]:
        """Return the vector by which similar() searches for a value; nothing is stored.

        :param key: an API key, in place of the one in the environment
        """
        own = self._store.prefixes(self.row).query_prefix  # and raises before it costs anything
        return modes.embed_query(self.model(), to_plain(value), own, key)

    @show_conditions
    def similar(
        self,
        value: str | bytes,
        number: int = 10,
        prefix: str | None = None,
        **conditions: "Unpack[Conditions]",
    ) -> list[Entry]:
        """Return the entries most similar to a value, which the model embeds, best first.

        See similar_by_vector() for the parameters and the order.
        """
        self._query(number, prefix, conditions)  # what is wrong with it costs nothing yet
        vector = self.embed_query(value)
        return self.similar_by_vector(vector, number, prefix=prefix, **conditions)

    @show_conditions
    def similar_multi(
        self,
        values: Iterable[str | bytes],
        number: int = 10,
        prefix: str | None = None,
        **conditions: "Unpack[Conditions]",
    ) -> list[list[Entry]]:
        """Return for each of many values what similar() does, embedding them in batches.

        See similar_by_vector() for the parameters.

        :raises InvalidInputError: `values` is one text or bytes, or anything else that is no list
        """
        if not is_list(values):
            raise errors.InvalidInputError(
                f"values is {quote(values)}: pass a list of what to search for"
            )
        self._query(number, prefix, conditions)  # what is wrong with it costs nothing yet
        own = self._store.prefixes(self.row).query_prefix  # and raises before it costs anything
        return [
            self.similar_by_vector(vector, number, prefix=prefix, **conditions)
            for vector in modes.embed_queries(self.model(), map(to_plain, values), own)
        ]

    @show_conditions
    def similar_by_id(
        self,
        id: str,
        number: int = 10,
        prefix: str | None = None,
        *,
        skip_document: bool = False,
        **conditions: "Unpack[Conditions]",
    ) -> list[Entry]:
        """Return the entries most similar to a stored one, which is itself left out.

        Needs no model. An entry whose vector cannot be compared is similar to nothing. See
        similar_by_vector() for the other parameters.

        :param skip_document: leave out the other chunks of the entry's own document too
        :raises DoesNotExist: there is no entry with that id
        """
        return self._answer(
            self._query_like(id_text(id), number, prefix, conditions, skip_document)
        ).entries

    @show_conditions
    def similar_by_vector(
        self,
        vector: Sequence[float],
        number: int = 10,
        skip_id: str | None = None,
        prefix: str | None = None,
        **conditions: "Unpack[Conditions]",
    ) -> list[Entry]:
        """Return the entries most similar to a vector, best first; equal scores by id.

        The search runs in SQL. Every score is exact. Of the most similar in a large collection (for
        ten of them, from about 3,000 entries on; in PostgreSQL, in one with an index that
        build_graph() has made), one in a hundred may be missed, unless `exact`. All conditions
        apply before the most similar are taken. Entries whose vector cannot be compared (zero, NaN,
        infinite) are left out, and to a zero vector nothing is similar.

        :param number: how many to return, at most
        :param skip_id: an id to leave out
        :param prefix: only ids that start with this text, taken literally
        :param where: only rows of the table `embeddings` that meet this condition in SQL, such as
          "json_extract(metadata, '$.lang') = ?", or in PostgreSQL's "metadata ->> 'lang' = ?"; it
          may use all its columns, and cannot write
        :param where_args: the values of its parameters: a list for ?, a dict for :name. They are
          None, bool, int of 64 bits, float, str or bytes; NumPy's scalars become these
        :param min_score: only entries with at least this score
        :param exact: True misses none; by default, what the collection's `exact` says
        :param per_document: return of each document its best chunk alone, so that `number` are
          documents; an entry that is no chunk is a document of its own
        :raises DimensionError: the collection's vectors have another dimension
        :raises InvalidInputError: the vector is empty or not finite, number is negative or no
          integer, a parameter has a type that SQL does not, which is named, or the database
          cannot apply the condition
        """
        blob = encode_vector(vector, "The vector to search for")
        skip_id = None if skip_id is None else id_text(skip_id)
        return self._answer(self._query(number, prefix, conditions, blob, skip_id)).entries

    @show_conditions
    def search(
        self,
        text: str,
        number: int = 10,
        prefix: str | None = None,
        *,
        mode: SearchMode = "hybrid",
        weights: tuple[float, float] = (1.0, 1.0),
        marks: tuple[str, str] = ("**", "**"),
        key: str | None = None,
        **conditions: "Unpack[Conditions]",
    ) -> list[SearchResult]:
        """Return the entries that a text finds by its words and by its meaning, best first.

        Two rankings are made: by similarity, as similar() does it, and by keywords, which FTS5, or
        PostgreSQL, finds in the stored texts, and which are ranked by bm25. The best of both are
        fused: the score of one is the sum of weight / (2 + rank) over both, where the weight of the
        keywords grows with how much of what was asked for the best text has. Equal scores are in
        the order of ids.

        Whatever is typed is a query. `"quotes"` make a phrase, a `*` at the end finds words that
        begin so, and `-word` leaves out what has the word, from both rankings. All else are words,
        any of which may be found. The model embeds the text without these signs.

        Entries whose text was not stored have no keywords: count_without_text() says how many. The
        first such search in a file makes its keyword index, or where that cannot be written, reads
        all texts each time. See similar_by_vector() for the other parameters and for what else is
        raised.

        :param number: how many to return, at most; so many of each ranking, 20 at least, are fused
        :param mode: "hybrid"; "keywords", which embeds nothing; or "similar" alone
        :param weights: of the ranking by similarity, and of that by keywords
        :param marks: what stands before and after a word in the snippet
        :param key: an API key, in place of the one in the environment
        :param min_score: of the ranking by similarity; what the keywords find stays
        :raises InvalidInputError: there is nothing in the text to search for
        """
        options = (mode, weights, marks)
        ranked = self._ranked_query(text, number, prefix, options, key, conditions)
        return [read_result(hit) for hit in document_search.search_ranked(self._store, ranked, [])]

    def _ranked_query(
        self,
        text: str,
        number: int,
        prefix: str | None,
        options: tuple[SearchMode, tuple[float, float], tuple[str, str]],
        key: str | None,
        conditions: Conditions,
    ) -> RankedQuery:
        """Return what is asked of several rankings; the text is embedded where that is needed."""
        query, keywords = self._query(number, prefix, conditions), parse_keywords(text)
        ranked = RankedQuery(query, keywords, *options)  # what is wrong costs nothing
        if ranked.mode == "keywords":
            return ranked
        try:
            vector = self.embed_query(keywords.text, key=key)
        except errors.ModelError as error:
            message = str(error).rstrip(".")
            without = "mode='keywords' (--mode keywords) searches without a model"
            error.args = (f"{message}. {without}", *error.args[1:])
            raise
        blob = encode_vector(vector, "The vector to search for")
        return replace(ranked, query=replace(query, vector=blob))

    def count_without_text(self) -> int:
        """Return how many entries have no stored text, so that keywords cannot find them."""
        return self._store.count_without_text(self.row)

    @show_conditions
    def explain(
        self,
        value: str | bytes | Sequence[float] | None = None,
        number: int = 10,
        prefix: str | None = None,
        *,
        id: str | None = None,
        skip_document: bool = False,
        mode: SearchMode | None = None,
        weights: tuple[float, float] = (1.0, 1.0),
        key: str | None = None,
        **conditions: "Unpack[Conditions]",
    ) -> Explanation:
        """Search for a value, for a vector or like an id, and return how that was done.

        See similar_by_vector() and similar_by_id() for the other parameters, and for what is
        raised.

        :param mode: search for the text as search() does it in that mode, with `weights`
        :param key: an API key, in place of the one in the environment
        """
        if (value is None) == (id is None):
            raise errors.InvalidInputError("explain() takes a value to search for, or else id=")
        if mode is not None:
            return self._explain_ranked(value, number, prefix, (mode, weights), key, conditions)
        if id is not None:
            return self._answer(
                self._query_like(id_text(id), number, prefix, conditions, skip_document)
            )
        if skip_document:
            raise errors.InvalidInputError(
                "skip_document leaves out the document of an entry: it is for a search by id="
            )
        self._query(number, prefix, conditions)  # what is wrong with it costs nothing yet
        blob = encode_vector(self._vector_of(value, key), "The vector to search for")
        return self._answer(self._query(number, prefix, conditions, blob))

    def _explain_ranked(
        self,
        text: Any,
        number: int,
        prefix: str | None,
        options: tuple[SearchMode, tuple[float, float]],
        key: str | None,
        conditions: Conditions,
    ) -> Explanation:
        marks = ("**", "**")
        ranked = self._ranked_query(text, number, prefix, (*options, marks), key, conditions)
        steps: list[Step] = []
        hits = document_search.search_ranked(self._store, ranked, steps)
        return Explanation([read_result(hit) for hit in hits], steps)

    def _query_like(
        self,
        id: str,
        number: int,
        prefix: str | None,
        conditions: Conditions,
        skip_document: bool,
    ) -> Query:
        """Return what is asked for the entries like a stored one."""
        query = self._query(number, prefix, conditions, self._stored_vector(id), id)
        if skip_document and (row := self._store.get(self.row, id)):
            query = replace(query, skip_document=document_in_json(id, row[-1]))
        return query

    def _query(
        self,
        number: int,
        prefix: str | None,
        conditions: Conditions,
        vector: bytes = b"",
        skip_id: str | None = None,
    ) -> Query:
        """Return what is asked, which the making of a Query checks."""
        refuse_unknown(conditions)
        given: dict[str, Any] = {k: value for k, value in conditions.items() if value is not None}
        options = {"exact": self.exact, **given}
        return Query(self.row, number, prefix or "", vector, skip_id, **options)

    def _answer(self, query: Query) -> Explanation:
        if not query.vector or len(query.vector) % 4:
            return Explanation([])  # what another program stored, and cannot be compared
        steps: list[Step] = []
        hits = document_search.search(self._store, query, steps)
        return Explanation([read_entry(hit) for hit in hits], steps)

    def _vector_of(self, value: Any, key: str | None) -> Sequence[float]:
        plain = to_plain(value)
        return self.embed_query(plain, key=key) if isinstance(plain, str | bytes) else value

    def _stored_vector(self, id: str) -> bytes:
        found = self._store.vector(self.row, id)
        if found is None:
            raise self._no_such_id(id)
        vector = found[0]
        return vector if isinstance(vector, bytes) else b""

    def _no_such_id(self, id: str) -> errors.DoesNotExist:
        message = f"ID not found in collection {quote(self.name)}: {quote(id)}"
        chunks = len(self._store.chunk_ids(self.row, id))
        if chunks:
            message += (
                f" is a document of {describe_count(chunks, 'chunk')}: give the id of one, such as "
                f"{quote(chunk_id(id, 1))}"
            )
        return self.DoesNotExist(message)

    def build_graph(self) -> None:
        """Build the graph by which searches in a large collection take a fraction of the time.

        From then on it is kept. Of a file it is what vecstore.build_graph() makes. In PostgreSQL it
        is an HNSW index, which stays where there is a valid one; others read and write meanwhile,
        and what a build that fails leaves is taken away by the next.

        :raises MissingPackageError: usearch is not installed, which a file needs
        :raises InvalidInputError: the database is in memory, or in PostgreSQL the collection has no
          vectors
        :raises DatabaseError: it cannot be written now, or a transaction is open
        """
        self._store.build_graph(self.row)

    def related_table(
        self, number: int = 5, *, progress: RelatedProgress | None = None
    ) -> RelatedReport:
        """Write which entries are nearest to each, into a plain table; return what was done.

        The table `vecstore_related` has the columns collection_id, id, rank, related_id and score.
        Any program that opens the database reads it, without a model, and SQLite without an
        extension. It lists for each entry what `similar_by_id(id, number, exact=True,
        skip_document=True)` finds: ranks from 1, the same scores, and equal ones by id. So chunks
        of the entry's own document are left out. An entry whose vector cannot be compared has no
        rows, and is in nobody's.

        It is as of this call, and does not follow later writes: call it again. What has changed
        since, by whatever program, is found and computed; the result is the same as from scratch.
        Where nothing has, nothing is written. Each collection has rows of its own, and one that is
        deleted loses them; a copy, and one that reembed() has made, gets them at its first call.

        With NumPy installed, a hundred thousand entries take minutes, and hours without. No lock is
        held while entries are compared. They are as at the beginning of the call; the rows of some
        hundreds at a time are written in a transaction, so readers meanwhile see whole lists.

        :param number: how many to list for each entry, at most; another than the last time computes
          all of them anew
        :param progress: a function that is called with how many entries are computed so far, and
          how many are to be; not at all where there is nothing to do
        :raises InvalidInputError: number is no integer from 1 on
        :raises DatabaseError: a transaction is open, the database cannot be written, or another
          program's table is named `vecstore_related`; nothing was changed
        :raises DatabaseBusyError: another process has begun to compute the same after this one, and
          goes on. After this or any other end, some lists are those of before, each of them whole,
          and the next call goes on from there
        """
        checked = to_integer(number)
        if checked is None or not 1 <= checked <= _MOST_RELATED:
            raise errors.InvalidInputError(
                f"number is {quote(number)}: it must be an integer from 1 to {_MOST_RELATED:,}"
            )
        return self._store.relate(self.row, checked, progress)

    def index_metadata(self, key: str) -> None:
        """Index the values of a key of the metadata, for all collections of the database.

        Conditions on `json_extract(metadata, '$.key')` are fast from then on, and a row whose
        metadata is no JSON is refused, from whatever program. In PostgreSQL, they are those on
        `metadata ->> 'key'`, or `metadata #>> '{author,name}'`. Where there is such an index, it
        stays. See vecstore.index_metadata().

        :param key: such as "year", or a path of SQLite's for what lies deeper, "$.author.name", in
          PostgreSQL too
        :raises InvalidInputError: the key cannot be indexed, or there is metadata that is no JSON,
          of the id that is named; nothing was changed
        """
        self._store.index_metadata(key)

    def reembed(
        self,
        model: EmbeddingModel | None = None,
        *,
        model_id: str | None = None,
        query_prefix: str | EllipsisType | None = ...,
        document_prefix: str | EllipsisType | None = ...,
        drop_old: bool = False,
        again: bool = False,
        on_error: OnError = "stop",
        batch_size: int = 100,
        key: str | None = None,
        concurrency: int | None = None,
        progress: Progress | None = None,
    ) -> ReembedReport:
        """Embed what is stored with another model, and return what was done.

        The new vectors are made beside the old ones, in a collection named `NAME@MODEL
        (unfinished)`. Until the end this collection is searched and written to as before. Then, in
        one transaction, the new one takes its name, and the old one is called `NAME@OLDMODEL`. What
        changed meanwhile is in the new one: ids, content, hashes and metadata are the same. While
        others go on writing, this goes on until nothing differs.

        Whatever ends the call, the same call goes on from there, and sends nothing twice. After an
        error the collection is as it was, and what was embedded is in the unfinished one, which can
        be deleted.

        This object goes on with the new collection. Others that have the old one open, in whatever
        process, get ModelMismatchError, or DoesNotExist if the model is the same. If the old
        collection has a graph, so has the new one.

        :param model: the embedding model, or
        :param model_id: its id or an alias. Without either, the collection's own, with which there
          is nothing to embed unless the document prefix is another, or `again`
        :param query_prefix: what the new collection has of its own before a query, as of
          set_prefixes(); by default what it has now if the model stays, and that of another model
        :param document_prefix: likewise before what is stored
        :param drop_old: delete the old collection in that transaction
        :param again: embed with the collection's own model, as where `check(model=True)` has found
          that it gives other vectors now
        :param on_error: "stop" at entries without stored content, before anything is sent, and at
          one that cannot be embedded; "skip" them, and they are only in the old collection; or a
          function, which is called as by embed_multi_with_metadata(). See there for the others
        :raises InvalidInputError: there are entries without stored content, or of a kind that the
          model does not embed; there is a collection of the name that the old one is to have; or
          entries are to be left out, and deleted with `drop_old`. Nothing was sent
        :raises DatabaseError: a transaction is open, or the database cannot be written
        """
        if isinstance(model, str | type):
            raise errors.InvalidInputError(
                f"model= takes an EmbeddingModel, not {quote(model)}: a name goes into model_id="
            )
        if model is None:
            model = models.get_embedding_model(model_id) if model_id else self.model()
        prefixes = successor_prefixes(self._store, self.row, model, query_prefix, document_prefix)
        if not again and not differs_from(self._store, self.row, model, prefixes):
            if prefixes != self._store.prefixes(self.row):
                self.set_prefixes(query=query_prefix, document=document_prefix)
            return ReembedReport(entries=self.count())
        work = Reembedding(
            self._store,
            self.row,
            model,
            content_hash=self.content_hash,
            prefixes=partial(
                successor_prefixes, self._store, self.row, model, query_prefix, document_prefix
            ),
            drop_old=drop_old,
            key=key,
            concurrency=concurrency,
            on_error=on_error,
            progress=progress,
        )
        report = work.run(batch_size)
        self.id, self.name, self.model_id = work.collection
        self._model = model
        return report

    def rename(self, name: str) -> None:
        """Give the collection another name. Others that have it open get DoesNotExist.

        :raises InvalidInputError: there is a collection of that name, or it is no text
        """
        self.id, self.name, _ = self._store.rename(self.row, require_collection_name(name))

    def copy(self: "_Kind", name: str) -> "_Kind":
        """Return a new collection with the same entries, in one transaction.

        Nothing is embedded, and all columns are the same. It has no graph: `build_graph()` makes
        one.

        :raises InvalidInputError: there is a collection of that name, or it is no text
        """
        copied = self.__copy__()
        copied.id, copied.name, _ = self._store.copy(self.row, require_collection_name(name))
        return copied

    def delete_ids(self, ids: Iterable[str]) -> int:
        """Delete the entries with these ids, in one transaction; return how many there were."""
        return self._store.delete(self.row, sorted(id_texts(ids)))

    def delete(self) -> None:
        """Delete the collection and all its entries."""
        self._store.drop(self.row)

    @staticmethod
    def content_hash(input: str | bytes) -> bytes:
        """Return the hash by which embedded content is recognised: MD5. Meant to be overridden."""
        return vectors.content_hash(input)


def store_of(collection: Collection) -> Store:
    """Return the store that a collection was opened in: for modules of the package, not users."""
    return collection._store


_Kind = TypeVar("_Kind", bound=Collection)
