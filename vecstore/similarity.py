"""The searches of a collection, and one over several."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlite_utils import Database

from . import errors, models
from .entries import Entry, encode_vector, id_text, read_entry
from .models import EmbeddingModel
from .query import Query, WhereArgs
from .sqlite import catalog
from .sqlite.catalog import CollectionRow
from .sqlite.connection.interrupts import Result
from .sqlite.search import planner
from .sqlite.search.planner import Step
from .values import shown


@dataclass(frozen=True)
class Explanation:
    """How a search was answered: each statement with its plan, SQL, rows and seconds, in order.

    There is more than one where the first looked at too few candidates. As text, for people.
    """

    entries: list[Entry]
    steps: list[Step] = field(default_factory=list)

    @property
    def plan(self) -> str | None:
        """The plan that gave the answer: "exact", "fast" or "scan"; None if nothing can match."""
        return self.steps[-1].plan if self.steps else None

    @property
    def candidates(self) -> int | None:
        """How many rows were chosen by their bits and compared exactly; None without `fast`."""
        return self.steps[-1].candidates if self.steps else None

    @property
    def seconds(self) -> float:
        """The time that all statements took."""
        return sum(step.seconds for step in self.steps)

    def __str__(self) -> str:
        if not self.steps:
            return "Nothing to compare with: no statement was run"
        return "\n\n".join(map(_described, self.steps))


class Searchable:
    """What a Collection can be asked. `exact` is whether it is searched exactly by default."""

    DoesNotExist = errors.DoesNotExist

    id: int
    name: str
    model_id: str
    db: Database
    exact: bool

    def model(self) -> EmbeddingModel:
        """Return the embedding model."""
        raise NotImplementedError

    @property
    def row(self) -> CollectionRow:
        """The row of `collections` that was opened: id, name and model."""
        return CollectionRow(self.id, self.name, self.model_id)

    def _read(self, work: Callable[[], Result]) -> Result:
        """Call `work`, which reads rows, while the collection is the one that was opened."""
        return catalog.read(self.db, self.row, work)

    def similar(
        self,
        value: str | bytes,
        number: int = 10,
        prefix: str | None = None,
        *,
        where: str | None = None,
        where_args: WhereArgs | None = None,
        min_score: float | None = None,
        exact: bool | None = None,
    ) -> list[Entry]:
        """Return the entries most similar to a value, which the model embeds, best first.

        See similar_by_vector() for the parameters and the order.
        """
        return self.similar_by_vector(
            self._embedded(value),
            number,
            prefix=prefix,
            where=where,
            where_args=where_args,
            min_score=min_score,
            exact=exact,
        )

    def similar_multi(
        self,
        values: Iterable[str | bytes],
        number: int = 10,
        prefix: str | None = None,
        *,
        where: str | None = None,
        where_args: WhereArgs | None = None,
        min_score: float | None = None,
        exact: bool | None = None,
    ) -> list[list[Entry]]:
        """Return for each of many values what similar() does, embedding them in batches.

        See similar_by_vector() for the parameters.

        :raises InvalidInputError: `values` is one text or bytes, not many
        """
        if isinstance(values, str | bytes):
            raise errors.InvalidInputError(
                f"values is {shown(values)}: pass a list of what to search for"
            )
        catalog.check(self.db, self.row)
        return [
            self.similar_by_vector(
                vector,
                number,
                prefix=prefix,
                where=where,
                where_args=where_args,
                min_score=min_score,
                exact=exact,
            )
            for vector in self.model().embed_multi(values)
        ]

    def similar_by_id(
        self,
        id: str,
        number: int = 10,
        prefix: str | None = None,
        *,
        where: str | None = None,
        where_args: WhereArgs | None = None,
        min_score: float | None = None,
        exact: bool | None = None,
    ) -> list[Entry]:
        """Return the entries most similar to a stored one, which is itself left out.

        Needs no model. An entry whose vector cannot be compared is similar to nothing. See
        similar_by_vector() for the other parameters.

        :raises DoesNotExist: there is no entry with that id
        """
        id = id_text(id)
        blob = self._stored_vector(id)
        query = self._query(blob, number, id, prefix, where, where_args, min_score, exact)
        return self._search(query).entries

    def similar_by_vector(
        self,
        vector: Sequence[float],
        number: int = 10,
        skip_id: str | None = None,
        prefix: str | None = None,
        *,
        where: str | None = None,
        where_args: WhereArgs | None = None,
        min_score: float | None = None,
        exact: bool | None = None,
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
        query = self._query(blob, number, skip_id, prefix, where, where_args, min_score, exact)
        return self._search(query).entries

    def explain(
        self,
        value: str | bytes | Sequence[float] | None = None,
        number: int = 10,
        prefix: str | None = None,
        *,
        id: str | None = None,
        where: str | None = None,
        where_args: WhereArgs | None = None,
        min_score: float | None = None,
        exact: bool | None = None,
    ) -> Explanation:
        """Search for a value, for a vector or like an id, and return how that was done.

        See similar_by_vector() for the other parameters, and for what is raised.
        """
        if (value is None) == (id is None):
            raise errors.InvalidInputError("explain() takes a value to search for, or else id=")
        if id is None:
            blob: object = encode_vector(self._vector_of(value), "The vector to search for")
        else:
            blob = self._stored_vector(id := id_text(id))
        query = self._query(blob, number, id, prefix, where, where_args, min_score, exact)
        return self._search(query)

    def _vector_of(self, value: Any) -> Sequence[float]:
        return self._embedded(value) if isinstance(value, str | bytes) else value

    def _embedded(self, value: str | bytes) -> Sequence[float]:
        catalog.check(self.db, self.row)  # before it costs anything
        return self.model().embed(value)

    def _query(
        self,
        vector: object,
        number: int,
        skip_id: str | None,
        prefix: str | None,
        where: str | None,
        where_args: WhereArgs | None,
        min_score: float | None,
        exact: bool | None,
    ) -> Query:
        return Query(
            self.row,
            vector if isinstance(vector, bytes) else b"",
            number,
            prefix or "",
            skip_id,
            where,
            () if where_args is None else where_args,
            min_score,
            self.exact if exact is None else exact,
        )

    def _search(self, query: Query) -> Explanation:
        if not query.vector or len(query.vector) % 4:
            return Explanation([])  # what another program stored, and cannot be compared
        steps: list[Step] = []
        rows = planner.search(self.db, query, steps=steps)
        return Explanation([read_entry(row) for row in rows], steps)

    def _stored_vector(self, id: str) -> object:
        row = self._read(
            lambda: self.db.execute(
                "select embedding from embeddings where collection_id = ? and id = ?",
                [self.id, id],
            ).fetchone()
        )
        if row is None:
            raise self._no_such_id(id)
        return row[0]

    def _no_such_id(self, id: str) -> errors.DoesNotExist:
        return self.DoesNotExist(f"ID not found in collection {shown(self.name)}: {shown(id)}")


_Searchable = TypeVar("_Searchable", bound=Searchable)


def similar_across(
    collections: Iterable[_Searchable],
    value: str | bytes | Sequence[float],
    number: int = 10,
    prefix: str | None = None,
    *,
    where: str | None = None,
    where_args: WhereArgs | None = None,
    min_score: float | None = None,
    exact: bool | None = None,
) -> list[tuple[_Searchable, Entry]]:
    """Return what is most similar in several collections of one model: (collection, entry) pairs.

    One ranking, best first; equal scores in the order of the collections, then by id. They may be
    in several files. See Collection.similar_by_vector() for the other parameters.

    :param value: a text or bytes, which are embedded once, or a vector
    :raises ModelMismatchError: they have different models, whose scores do not compare
    """
    collections = list(collections)
    for collection in collections:
        if not _have_one_model(collection, collections[0]):
            raise errors.ModelMismatchError(
                f"Collection {shown(collection.name)} has the model {collection.model_id!r}, and "
                f"{shown(collections[0].name)} has {collections[0].model_id!r}: vectors of two "
                "models cannot be compared"
            )
    if not collections:
        return []
    vector = collections[0]._vector_of(value)
    found = [
        (collection, entry)
        for collection in collections
        for entry in collection.similar_by_vector(
            vector,
            number,
            prefix=prefix,
            where=where,
            where_args=where_args,
            min_score=min_score,
            exact=exact,
        )
    ]
    return sorted(found, key=lambda pair: -(pair[1].score or 0.0))[:number]


def _have_one_model(one: Searchable, other: Searchable) -> bool:
    """Return whether two collections were made with the same model, whatever name each recorded."""
    names = one.model_id, other.model_id
    return models.is_recorded_as(*names) or models.is_recorded_as(*reversed(names))


def _described(step: Step) -> str:
    candidates = "" if step.candidates is None else f"{step.candidates} candidates, "
    heading = f"{step.plan}: {candidates}{step.rows} rows, {1000 * step.seconds:.1f} ms"
    lines = (line.rstrip() for line in textwrap.dedent(step.sql).splitlines() if line.strip())
    return "\n".join((heading, *lines))
