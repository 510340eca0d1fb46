"""A collection is embedded again, by another model, and the new one takes the old one's place.

The new vectors are loaded into a collection of their own, as entries are into any: what is stored
there is not sent again, whatever has ended the call before. Until the end the old one is searched
and written to. What changed in it meanwhile is found by comparing the two, again and again, and a
last time in the transaction in which the new one takes the name.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from types import EllipsisType

from ..embedded_content import embedded_content
from ..entries import Item
from ..errors import (
    DatabaseError,
    DoesNotExist,
    InvalidInputError,
    ModelMismatchError,
    VecstoreError,
)
from ..models import EmbeddingModel, are_one_model, modes
from ..prefixes import Prefixes, require_prefix
from ..rows import CollectionRow, EmbeddingRow, UnfitEntries
from ..store import Store
from ..values import describe_count, quote
from .agreement import Agreement, measure_agreement
from .items import OnError, check_on_error
from .load import Load, Progress
from .report import EmbedReport, ReembedPlan, ReembedReport

_LOAD = 10_000  # entries, of which the ids are kept in memory
_PAGE = 100  # rows that are read at once; their content may be large

Watch = Callable[[Iterable[Item]], Iterable[Item]]


class Reembedding:
    """Embeds what a collection stores with another model, which may also have the same id.

    :param prefixes: returns those of the new collection, which may change while it works
    :param drop_old: delete the old collection in the end
    :param on_error: as of a Load; but for "stop", also entries that have no content are left out
    :param watch: is given the entries to embed, and yields them

    Attributes:
        collection: the row that is embedded again; after `run()`, that of the new collection
        unfinished: the name of the new collection until it takes the place of the old one
        old_name: the name of the old collection after that; None if it is deleted

    :raises InvalidInputError: the old collection is to be deleted, and entries to be left out; or
      it would get a name that another has
    :raises DatabaseError: a transaction is open, which would hold a lock while the model works
    """

    def __init__(
        self,
        store: Store,
        collection: CollectionRow,
        model: EmbeddingModel,
        *,
        content_hash: Callable[[str | bytes], bytes],
        prefixes: Callable[[], Prefixes] = Prefixes,
        drop_old: bool = False,
        key: str | None = None,
        concurrency: int | None = None,
        on_error: OnError = "stop",
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> None:
        check_on_error(on_error)
        self.collection = collection
        self.unfinished = f"{collection.name}@{model.model_id} (unfinished)"
        self.old_name = None if drop_old else f"{collection.name}@{collection.model}"
        self._store = store
        self._model = model
        self._content_hash = content_hash
        self._choose_prefixes = prefixes
        self._key = key
        self._concurrency = concurrency
        self._on_error = on_error
        self._skips = on_error != "stop"
        self._progress = progress
        self._watch = watch or iter
        self._hashes: dict[str, bytes | None] = {}  # of the content that is sent, by id
        self._failed: dict[str, bytes | None] = {}  # of the content that was refused
        self._left_out = 0
        self._done = EmbedReport()
        self._check()

    def _check(self) -> None:
        if self._skips and self.old_name is None:
            raise InvalidInputError(
                "on_error says to leave out entries, and drop_old to delete them with the old "
                "collection: leave one of the two out"
            )
        if self.old_name is not None and self._store.find(self.old_name) is not None:
            raise InvalidInputError(
                f"Collection {quote(self.collection.name)} is to be kept as "
                f"{quote(self.old_name)}, and there is a collection of that name: rename or delete "
                "that one, or keep no old one with drop_old (--drop-old)"
            )
        if self._store.has_transaction():
            raise DatabaseError(
                "A collection cannot be embedded again in a transaction, which would hold a lock "
                "while the model works: commit it first"
            )

    def plan(self) -> ReembedPlan:
        """Return what `run()` would do. The model is asked for nothing, and nothing is written."""
        unfit = self._store.find_unfit(self.collection, **self._kinds)
        plan = ReembedPlan(left_out=unfit.number)
        sent: set[bytes] = set()
        for item in self._items(self._find_new()):
            plan.entries += 1
            if item.content_hash in sent:
                continue
            sent.add(item.content_hash)
            plan.to_embed += 1
            if isinstance(item.value, str):
                plan.characters += len(item.value)
            else:
                plan.bytes += len(item.value)
        return plan

    def count(self) -> int:
        """Return how many entries are to be embedded."""
        return self._store.count_lacking(self.collection, self._find_new(), **self._kinds)

    def run(self, batch_size: int = 100) -> ReembedReport:
        """Embed all entries, and have the new collection take the place of the old one.

        :raises InvalidInputError: as `refuse_unfit()` does; nothing was sent
        :raises DoesNotExist, ModelMismatchError: the old collection is another one now, or another
          process has ended what this one was doing
        """
        self.refuse_unfit()
        new = self._create_new()
        try:
            agreement = self._work(new, batch_size)
        except (DoesNotExist, ModelMismatchError):
            self._store.require(self.collection)  # of the old one, that is what to say
            raise
        except BaseException:
            self._drop_if_empty(new)
            raise
        report = ReembedReport(
            entries=self._store.count(self.collection),
            embedded=self._done.embedded,
            reused=self._done.reused,
            failed=len(self._failed),
            left_out=self._left_out,
            old_name=self.old_name,
        )
        if agreement is not None:
            report.agreement, report.sampled, report.nearest = agreement
        return report

    def _work(self, new: CollectionRow, batch_size: int) -> Agreement | None:
        self._load_all(new, batch_size)
        agreement = measure_agreement(self._store, self.collection, new)
        self._store.inherit_graph(self.collection, new)
        while not self._take_place(new):
            self._load_all(new, batch_size)
        return agreement

    def refuse_unfit(self) -> UnfitEntries:
        """Return which entries are left out.

        :raises InvalidInputError: they are not to be, or these are all that there are
        """
        unfit = self._store.find_unfit(self.collection, **self._kinds)
        if unfit.number and not self._skips:
            raise InvalidInputError(
                f"{self._describe_unfit(unfit)}: embed these entries with store=True (--store), "
                "which sends nothing again, or leave them out with on_error='skip' (--on-error "
                f"skip), and they are only in {quote(self._kept_name())}"
            )
        if unfit.number and unfit.number == unfit.of_all:
            raise InvalidInputError(f"{self._describe_unfit(unfit)}: there is nothing to embed")
        return unfit

    def _load_all(self, new: CollectionRow, batch_size: int) -> None:
        """Embed what is missing, until nothing is."""
        while True:
            self._store.bring_into_step(self.collection, new)
            items = iter(self._watch(self._items(new)))
            before = self._done
            while (report := self._load(new, items, batch_size)) != EmbedReport():
                self._done += report
            if self._done == before:
                return

    def _load(self, new: CollectionRow, items: Iterator[Item], batch_size: int) -> EmbedReport:
        """Embed the next items."""
        self._hashes.clear()
        load = Load(
            self._store,
            new,
            self._model,
            content_hash=self._content_hash,
            stores_content=True,
            key=self._key,
            concurrency=self._concurrency,
            on_error=self._fail if self._skips else "stop",
            progress=self._show if self._progress else None,
        )
        return load.run_items(islice(items, _LOAD), batch_size)

    def _take_place(self, new: CollectionRow) -> bool:
        """Give the new collection the name, unless something is missing in it again."""
        with self._store.writing():
            self._store.bring_into_step(self.collection, new)
            self._set_prefixes(new)
            self._left_out = self.refuse_unfit().number
            if next(self._rows(new), None) is not None:
                return False
            taken = self._store.take_place(self.collection, new, self.old_name)
        self.collection = taken
        self._store.use_model(self._model)
        return True

    def _describe_unfit(self, unfit: UnfitEntries) -> str:
        parts = []
        if unfit.without_content:
            parts.append(f"{unfit.without_content:,} without stored content")
        if unfit.of_other_kind:
            kind = "binary content" if self._model.supports_text else "text"
            parts.append(f"{unfit.of_other_kind:,} of {kind}")
        ids = ", ".join(map(quote, unfit.ids))
        more = ", ..." if unfit.number > len(unfit.ids) else ""
        entries = describe_count(unfit.of_all, "entry")
        return (
            f"Of {entries} of {quote(self.collection.name)}, the model {self._model.model_id!r} "
            f"cannot embed {' and '.join(parts)} ({ids}{more})"
        )

    def _kept_name(self) -> str:
        return f"{self.collection.name}@{self.collection.model}"

    def _find_new(self) -> CollectionRow | None:
        new = self._store.find(self.unfinished)
        if new is not None and new.model != self._model.model_id:
            raise ModelMismatchError(
                f"Collection {quote(self.unfinished)} is of the model {new.model!r}, not "
                f"{self._model.model_id!r}: rename or delete it"
            )
        if new is not None:
            self._check_document_prefix(new)
        return new

    def _check_document_prefix(self, new: CollectionRow) -> None:
        """Raise ModelMismatchError if the new collection was begun with another prefix."""
        wanted, found = (
            modes.document_prefix(self._model, own.document_prefix)
            for own in (self._choose_prefixes(), self._store.prefixes(new))
        )
        if wanted != found:
            raise ModelMismatchError(
                f"Collection {quote(self.unfinished)} was begun with the document prefix "
                f"{quote(found)}, not {quote(wanted)}: delete it, or go on with that one"
            )

    def _create_new(self) -> CollectionRow:
        with self._store.writing():
            new = self._find_new()
            if new is None:
                new = self._store.create_new(self.unfinished, self._model.model_id)
                self._store.set_prefixes(new, self._choose_prefixes())
        return new

    def _set_prefixes(self, new: CollectionRow) -> None:
        """Give the new collection what the prefixes are by now; that of queries may have changed.

        :raises ModelMismatchError: that of documents is another, which the old one got while empty
        """
        self._check_document_prefix(new)
        wanted = self._choose_prefixes()
        if wanted != self._store.prefixes(new):
            self._store.set_prefixes(new, wanted)

    def _drop_if_empty(self, new: CollectionRow) -> None:
        """Leave no collection behind where nothing was embedded, as by a model without its key."""
        with suppress(VecstoreError), self._store.writing():
            if self._store.is_empty(new):
                self._store.drop(new)

    def _items(self, new: CollectionRow | None) -> Iterator[Item]:
        """Yield what the new collection has no vector of, as it is when it is asked for."""
        for row in self._rows(new):
            content = row.content_blob if row.content is None else row.content
            value = embedded_content(row, self._content_hash)
            if value is None or content is None:
                continue  # of other kinds than those that were asked for
            self._failed.pop(row.id, None)
            hashed = self._hashes[row.id] = row.content_hash
            if hashed is None:  # as other programs leave it
                hashed = self._content_hash(value)
            yield Item(row.id, value, hashed, row.metadata or "", content)

    def _rows(self, new: CollectionRow | None) -> Iterator[EmbeddingRow]:
        after = None
        while page := self._store.lacking_rows(self.collection, new, after, _PAGE, **self._kinds):
            for row in page:
                if row.id not in self._failed or self._failed[row.id] != row.content_hash:
                    yield row
            after = page[-1].id

    @property
    def _kinds(self) -> dict[str, bool]:
        """What the model embeds."""
        return {"text": self._model.supports_text, "binary": self._model.supports_binary}

    def _fail(self, id: str, error: VecstoreError) -> None:
        """Take note of an entry that was refused, which is tried again when it has changed."""
        self._failed[id] = self._hashes[id]
        if callable(self._on_error):
            self._on_error(id, error)

    def _show(self, report: EmbedReport) -> None:
        if self._progress:
            self._progress(self._done + report)


def successor_prefixes(
    store: Store,
    collection: CollectionRow,
    model: EmbeddingModel,
    query: str | EllipsisType | None = ...,
    document: str | EllipsisType | None = ...,
) -> Prefixes:
    """Return the prefixes of what another embedding of a collection makes; see reembed()."""
    own = store.prefixes(collection)
    kept = own if are_one_model(model.model_id, collection.model) else Prefixes()
    return Prefixes(
        kept.query_prefix if query is ... else require_prefix("query_prefix", query),
        kept.document_prefix if document is ... else require_prefix("document_prefix", document),
    )


def differs_from(
    store: Store, collection: CollectionRow, model: EmbeddingModel, prefixes: Prefixes
) -> bool:
    """Return whether a model, with these prefixes, gives other vectors than a collection has."""
    own = store.prefixes(collection).document_prefix
    return not are_one_model(model.model_id, collection.model) or modes.document_prefix(
        model, prefixes.document_prefix
    ) != modes.document_prefix(model, own)
