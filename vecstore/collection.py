"""What users hold: a named group of vectors in a SQLite file, and the entries found in it."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn, SupportsIndex

from sqlite_utils import Database

from . import errors, models, vectors
from .entries import Entry, id_text, id_texts, read_all, read_entry, read_ids, with_no_metadata
from .loading import contract
from .loading.load import Load, OnError, Progress
from .loading.report import EmbedReport
from .metadata import Metadata
from .models import EmbeddingModel
from .similarity import Searchable
from .sqlite import catalog, databases, functions, schema, transactions
from .sqlite.catalog import CollectionRow
from .sqlite.connection import frozen
from .values import shown


class Collection(Searchable):
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
                f"model= takes an EmbeddingModel, not {shown(model)}: a name goes into model_id="
            )
        self.name = catalog.check_name(name)
        self.exact = exact
        self._model = model
        self.db = databases.open_or_adopt(db, may_create=create and bool(model or model_id))
        row = frozen.repeat_if_changed(self.db, lambda: self._find(create))
        self.id, _, self.model_id = row or self._create(model_id)
        self._check_model(model_id)
        if model is not None:
            functions.use_model(self.db, model)

    def _find(self, create: bool) -> CollectionRow | None:
        schema.ensure(self.db)
        return catalog.find(self.db, self.name) if create else catalog.get(self.db, self.name)

    def _create(self, model_id: str | None) -> CollectionRow:
        if self._model is None:
            if not model_id:
                raise errors.InvalidInputError(
                    f"Collection {shown(self.name)} does not exist yet "
                    f"({catalog.describe(self.db)}): to create it, pass model= or model_id="
                )
            self._model = models.get_embedding_model(model_id)
        return catalog.create(self.db, self.name, self._model.model_id)

    def _check_model(self, model_id: str | None) -> None:
        asked = model_id if self._model is None else self._model.model_id
        if asked is None or asked == self.model_id:
            return
        if self._model is None:
            asked = models.get_embedding_model(asked).model_id
        if not models.is_recorded_as(asked, self.model_id):
            raise errors.ModelMismatchError(
                f"Collection {shown(self.name)} was made with the model {self.model_id!r}, not "
                f"{asked!r}: vectors of two models cannot be compared, so use another collection"
            )

    def __repr__(self) -> str:
        try:
            state = f"{self.count()} entries"
        except Exception as error:  # it is asked for where an error is shown
            state = f"cannot be read ({type(error).__name__})"
        return f"<Collection {shown(self.name)}: {state}, model {self.model_id!r}>"

    def __copy__(self) -> "Collection":
        """Return another Collection of the same connection."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        """Refuse a pickle, and a deep copy: an open file cannot go to another process."""
        raise errors.DatabaseError(
            f"Collection {shown(self.name)} has an open connection, which cannot be pickled or "
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
        if isinstance(db, Database):
            return catalog.find(db, name) is not None
        if not Path(db).exists():
            return False
        with closing(databases.connect_to_read(db)) as opened:
            return catalog.find(opened, name) is not None

    def count(self) -> int:
        """Return the number of entries."""
        return self._read(self._count)

    def _count(self) -> int:
        found = self.db.execute(
            "select count(*) from embeddings where collection_id = ?", [self.id]
        ).fetchone()
        return int(found[0])

    __len__ = count

    def __bool__(self) -> bool:
        return True  # an empty collection is one nevertheless

    def __contains__(self, id: object) -> bool:
        """Return whether there is an entry with that id."""
        key = id_text(id)
        found = self._read(
            lambda: self.db.execute(
                "select 1 from embeddings where collection_id = ? and id = ?", [self.id, key]
            ).fetchone()
        )
        return found is not None

    def __iter__(self) -> Iterator[Entry]:
        """Yield all entries, ordered by id, without scores.

        They are read a thousand at a time, so the collection may be written meanwhile.
        """
        return read_all(self.db, self.row)

    def ids(self) -> list[str]:
        """Return all ids, in order."""
        return self._read(lambda: read_ids(self.db, self.id))

    def get(self, id: str) -> Entry:
        """Return the entry with that id, without a score; DoesNotExist if there is none."""
        key = id_text(id)
        row = self._read(
            lambda: self.db.execute(
                """
                select id, null, content, metadata
                from embeddings
                where collection_id = ?
                  and id = ?
                """,
                [self.id, key],
            ).fetchone()
        )
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
            map(with_no_metadata, entries),
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
            self.db,
            self.row,
            self.model(),
            content_hash=self.content_hash,
            store=store,
            key=key,
            concurrency=concurrency,
            on_error=on_error,
            progress=progress,
        )
        return load.run(entries, batch_size)

    def delete_ids(self, ids: Iterable[str]) -> int:
        """Delete the entries with these ids, in one transaction; return how many there were."""
        portions = list(contract.portions(sorted(id_texts(ids))))

        def delete() -> int:
            catalog.check(self.db, self.row)
            return sum(self._delete_portion(portion) for portion in portions)

        return transactions.write(self.db, delete)

    def delete(self) -> None:
        """Delete the collection and all its entries."""

        def delete() -> None:
            catalog.check(self.db, self.row)
            self.db.execute("delete from embeddings where collection_id = ?", [self.id])
            self.db.execute("delete from collections where id = ?", [self.id])

        transactions.write(self.db, delete)

    def _delete_portion(self, ids: list[str]) -> int:
        return self.db.conn.execute(
            f"""
            delete from embeddings
            where collection_id = ?
              and id in ({contract.marks(ids)})
            """,
            [self.id, *ids],
        ).rowcount

    @staticmethod
    def content_hash(input: str | bytes) -> bytes:
        """Return the hash by which embedded content is recognised: MD5. Meant to be overridden."""
        return vectors.content_hash(input)
