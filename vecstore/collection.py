"""What users hold: a named group of vectors in a SQLite file, and the entries found in it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex, TypeVar

from sqlite_utils import Database

from . import errors, models, vectors
from .entries import (
    Entry,
    id_text,
    id_texts,
    read_entry,
    require_collection_name,
)
from .loading.items import OnError, without_metadata
from .loading.load import Load, Progress
from .loading.report import EmbedReport
from .metadata import Metadata
from .models import EmbeddingModel
from .query import Conditions, Explanation, Query, Step, refuse_unknown, show_conditions
from .rows import CollectionRow
from .store import Store
from .stores import has_collection, open_store
from .values import quote
from .vectors import encode_vector

if TYPE_CHECKING:
    from typing_extensions import Unpack

_PAGE = 1000  # entries that an iteration reads at once


class Collection:
    """A named collection of embeddings, created if it does not exist.

    :param name: its name, unique in the database
    :param db: a sqlite_utils.Database, or the path of a SQLite file, which is created if need be;
      without it, a database in memory. A Database whose connection cannot load extensions is
      moved to one that can: see `vecstore.sqlite.databases.adopt()`
    :param model: the embedding model, or
    :param model_id: its id or an alias. A new collection needs one of them, and an existing
      one remembers its own
    :param create: False raises DoesNotExist where there is no such collection
    :param exact: search exactly, also where the collection is large and that is slower; may be
      given to each search instead

    It stands for the collection that it has opened. Where that was deleted, renamed or made anew,
    by whatever program, each call raises DoesNotExist, or ModelMismatchError if the one of its name
    has another model now: another collection may have its id, and is neither read nor written.

    :raises DoesNotExist: as said; the file then has the tables, and no new collection
    :raises DatabaseError: another program's tables have the names of ours; they stay as they are
    :raises MissingFileError: the path is of no file, and `create` is False or no model is given
    :raises ModelMismatchError: the collection exists, with another model
    :raises UnknownModelError: a new collection is to use a model that is not installed
    """

    DoesNotExist = errors.DoesNotExist

    def __init__(
        self,
        name: str,
        db: Database | str | Path | None = None,
        *,
        model: EmbeddingModel | None = None,
        model_id: str | None = None,
        create: bool = True,
        exact: bool = False,
    ) -> None:
        if isinstance(model, str | type):
            raise errors.InvalidInputError(
                f"model= takes an EmbeddingModel, not {quote(model)}: a name goes into model_id="
            )
        self.name = require_collection_name(name)
        self.exact = exact
        self._model = model
        self._store = open_store(db, may_create=create and bool(model or model_id))
        self._store.ensure_schema()
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

    def __copy__(self) -> "Collection":
        """Return another Collection of the same connection."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        """Refuse a pickle, and a deep copy: an open file cannot go to another process."""
        raise errors.DatabaseError(
            f"Collection {quote(self.name)} has an open connection, which cannot be pickled or "
            "copied: pass its name and the path of its file, and open it there with "
            "Collection(name, path)"
        )

    def model(self) -> EmbeddingModel:
        """Return the embedding model; UnknownModelError if it is not installed."""
        if self._model is None:
            self._model = models.get_recorded_model(self.model_id)
        return self._model

    @classmethod
    def exists(cls, db: Database | str | Path, name: str) -> bool:
        """Return whether a database has a collection of that name; nothing is written."""
        return has_collection(db, name)

    @property
    def db(self) -> Database:
        """The sqlite_utils.Database, for SQL of your own."""
        return self._store.db

    @db.setter
    def db(self, db: Database) -> None:
        self._store = open_store(db)

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

    def ids(self) -> list[str]:
        """Return all ids, in order."""
        return self._store.ids(self.row)

    def get(self, id: str) -> Entry:
        """Return the entry with that id, without a score; DoesNotExist if there is none."""
        row = self._store.get(self.row, id_text(id))
        if row is None:
            raise self._no_such_id(id)
        return read_entry(row)

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
          its batch is embedded or written. Or a vector is, after those before it
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
        return self.similar_by_vector(self._embedded(value), number, prefix=prefix, **conditions)

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

        :raises InvalidInputError: `values` is one text or bytes, not many
        """
        if isinstance(values, str | bytes):
            raise errors.InvalidInputError(
                f"values is {quote(values)}: pass a list of what to search for"
            )
        self._query(number, prefix, conditions)  # what is wrong with it costs nothing yet
        self._store.require(self.row)
        return [
            self.similar_by_vector(vector, number, prefix=prefix, **conditions)
            for vector in self.model().embed_multi(values)
        ]

    @show_conditions
    def similar_by_id(
        self,
        id: str,
        number: int = 10,
        prefix: str | None = None,
        **conditions: "Unpack[Conditions]",
    ) -> list[Entry]:
        """Return the entries most similar to a stored one, which is itself left out.

        Needs no model. An entry whose vector cannot be compared is similar to nothing. See
        similar_by_vector() for the other parameters.

        :raises DoesNotExist: there is no entry with that id
        """
        id = id_text(id)
        vector = self._stored_vector(id)
        return self._answer(self._query(number, prefix, conditions, vector, id)).entries

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
        ten of them, from about 3,000 entries on), one in a hundred may be missed, unless `exact`.
        All conditions apply before the most similar are taken. Entries whose vector cannot be
        compared (zero, NaN, infinite) are left out, and to a zero vector nothing is similar.

        :param number: how many to return, at most
        :param skip_id: an id to leave out
        :param prefix: only ids that start with this text, taken literally
        :param where: only rows of the table `embeddings` that meet this condition in SQL, such as
          "json_extract(metadata, '$.lang') = ?"; it may use all its columns, and cannot write
        :param where_args: the values of its parameters: a list for ?, a dict for :name. They are
          None, bool, int of 64 bits, float, str or bytes; NumPy's scalars become these
        :param min_score: only entries with at least this score
        :param exact: True misses none; by default, what the collection's `exact` says
        :raises DimensionError: the collection's vectors have another dimension
        :raises InvalidInputError: the vector is empty or not finite, number is negative or no
          integer, a parameter has a type that SQLite does not, which is named, or SQLite cannot
          apply the condition
        """
        blob = encode_vector(vector, "The vector to search for")
        skip_id = None if skip_id is None else id_text(skip_id)
        return self._answer(self._query(number, prefix, conditions, blob, skip_id)).entries

    @show_conditions
    def explain(
        self,
        value: str | bytes | Sequence[float] | None = None,
        number: int = 10,
        prefix: str | None = None,
        *,
        id: str | None = None,
        **conditions: "Unpack[Conditions]",
    ) -> Explanation:
        """Search for a value, for a vector or like an id, and return how that was done.

        See similar_by_vector() for the other parameters, and for what is raised.
        """
        if (value is None) == (id is None):
            raise errors.InvalidInputError("explain() takes a value to search for, or else id=")
        if id is not None:
            id = id_text(id)
            blob = self._stored_vector(id)
        else:
            self._query(number, prefix, conditions)  # what is wrong with it costs nothing yet
            blob = encode_vector(self._vector_of(value), "The vector to search for")
        return self._answer(self._query(number, prefix, conditions, blob, id))

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
        hits = self._store.search(query, steps)
        return Explanation([read_entry(hit) for hit in hits], steps)

    def _vector_of(self, value: Any) -> Sequence[float]:
        return self._embedded(value) if isinstance(value, str | bytes) else value

    def _embedded(self, value: str | bytes) -> Sequence[float]:
        self._store.require(self.row)  # before it costs anything
        return self.model().embed(value)

    def _stored_vector(self, id: str) -> bytes:
        found = self._store.vector(self.row, id)
        if found is None:
            raise self._no_such_id(id)
        vector = found[0]
        return vector if isinstance(vector, bytes) else b""

    def _no_such_id(self, id: str) -> errors.DoesNotExist:
        return self.DoesNotExist(f"ID not found in collection {quote(self.name)}: {quote(id)}")

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


@show_conditions
def similar_across(
    collections: Iterable[_Kind],
    value: str | bytes | Sequence[float],
    number: int = 10,
    prefix: str | None = None,
    **conditions: "Unpack[Conditions]",
) -> list[tuple[_Kind, Entry]]:
    """Return what is most similar in several collections of one model: (collection, entry) pairs.

    One ranking, best first; equal scores in the order of the collections, then by id. They may be
    in several files. See Collection.similar_by_vector() for the other parameters.

    :param value: a text or bytes, which are embedded once, or a vector
    :raises ModelMismatchError: they have different models, whose scores do not compare
    """
    refuse_unknown(conditions)
    collections = list(collections)
    for collection in collections:
        if not _have_one_model(collection, collections[0]):
            raise errors.ModelMismatchError(
                f"Collection {quote(collection.name)} has the model {collection.model_id!r}, and "
                f"{quote(collections[0].name)} has {collections[0].model_id!r}: vectors of two "
                "models cannot be compared"
            )
    if not collections:
        return []
    vector = collections[0]._vector_of(value)
    found = [
        (collection, entry)
        for collection in collections
        for entry in collection.similar_by_vector(vector, number, prefix=prefix, **conditions)
    ]
    return sorted(found, key=lambda pair: -(pair[1].score or 0.0))[:number]


def _have_one_model(one: Collection, other: Collection) -> bool:
    """Return whether two collections were made with the same model, whatever name each recorded."""
    names = one.model_id, other.model_id
    return models.is_recorded_as(*names) or models.is_recorded_as(*reversed(names))
