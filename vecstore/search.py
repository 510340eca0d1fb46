"""One similarity query: which plan answers it, its SQL, its rows.

Two plans, with the same answer:

    exact   KNN in the vec0 table of the vector's dimension, joined to `embeddings`
    scan    vec_distance_cosine over the rows of `embeddings`: where there is no index and none
            can be built, and for more rows than vec0 returns

Both order equal scores by id, and leave out rows whose vector cannot be compared.
"""

import sys
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from . import index
from .errors import DimensionError, InvalidInputError

_MAX_K = 4096  # of vec0
_SLACK = 1e-6  # more than rounding does to a distance, which is a float32 from 0 to 2
_LAST_CODE_POINT = 0x10FFFF

Row = tuple[str, float, str | None, str | None]  # id, score, content, metadata


@dataclass(frozen=True)
class Query:
    """What is asked: the `number` rows of a collection that are nearest to a vector.

    `vector` is float32 bytes. `prefix` keeps only ids that start with it, literally; `skip_id`
    leaves one id out. Both are applied before the nearest are taken.
    """

    collection_id: int
    vector: bytes
    number: int
    prefix: str = ""
    skip_id: str | None = None

    def __post_init__(self) -> None:
        if not hasattr(self.number, "__index__") or self.number < 0:
            raise InvalidInputError(f"number is {self.number!r}: it must be an integer from 0 on")
        if not isinstance(self.prefix, str):
            raise InvalidInputError(f"prefix is {self.prefix!r}: it must be text")

    @property
    def dimensions(self) -> int:
        """The length of the vector."""
        return len(self.vector) // 4


def search(db: Database, query: Query, *, build_index: bool = True) -> list[Row]:
    """Return the rows nearest to a vector, best first.

    :param build_index: False writes nothing: where there is no index, the rows are scanned
    :raises DimensionError: the collection has vectors, but none of this dimension
    """
    if query.number == 0 or not _is_comparable(db, query) or not _has_dimension(db, query):
        return []
    # One more than asked for shows whether the last place is shared, another is for skip_id.
    k = query.number + 1 + (query.skip_id is not None)
    has_index = index.ensure if build_index else index.exists
    if k > _MAX_K or not has_index(db, query.dimensions):
        return _scan(db, query)
    rows = _exact(db, query, k)
    if len(rows) > query.number and rows[query.number - 1][1] == rows[query.number][1]:
        # vec0 chooses freely among equals, but ids decide: take all that share the last place.
        rows = _exact(db, query, _MAX_K, farthest=1 - rows[query.number][1] + _SLACK)
        if len(rows) + 1 >= _MAX_K:
            return _scan(db, query)
    return rows[: query.number]


def vector_dimensions(db: Database, collection_id: int, dimensions: int) -> int | None:
    """Return the given dimension if the collection has vectors of it, else what it has instead.

    A collection has one dimension, unless other programs gave it more. None: it has no vectors.
    """
    if index.exists(db, dimensions) and _in_index(db, collection_id, dimensions):
        return dimensions
    row = db.execute(
        """
        select length(embedding) / 4
        from embeddings
        where collection_id = ?
          and length(embedding) > 0
        order by length(embedding) <> ?
        limit 1
        """,
        [collection_id, 4 * dimensions],
    ).fetchone()
    return None if row is None else int(row[0])


def dimension_error(name: str, found: int, expected: int) -> DimensionError:
    """Return the error for a vector of another dimension than the collection's."""
    return DimensionError(
        f"{name} has {found} dimensions and the collection's vectors have {expected}: "
        "use the model that the collection was made with"
    )


def _is_comparable(db: Database, query: Query) -> bool:
    row = db.execute("select vec_distance_cosine(:v, :v) is not null", {"v": query.vector})
    return bool(row.fetchone()[0])


def _has_dimension(db: Database, query: Query) -> bool:
    found = vector_dimensions(db, query.collection_id, query.dimensions)
    if found is not None and found != query.dimensions:
        raise dimension_error("The vector", query.dimensions, found)
    return found is not None


def _in_index(db: Database, collection_id: int, dimensions: int) -> bool:
    row = db.execute(
        f"""
        select 1
        from vec_embeddings_{dimensions}_ids
        where collection_id = ?
        limit 1
        """,
        [collection_id],
    ).fetchone()
    return row is not None


def _exact(db: Database, query: Query, k: int, farthest: float | None = None) -> list[Row]:
    """Return the k nearest rows, or those of them within a distance, without skip_id."""
    d = query.dimensions
    among = "" if farthest is None else "and distance <= :farthest"
    if query.prefix:
        among += f"""
            and rowid in (
              select rowid
              from vec_embeddings_{d}_ids
              where collection_id = :collection_id
                and {_prefix_condition(query)}
            )"""
    return db.execute(
        f"""
        with nearest as materialized (
          select rowid, 1 - distance as score
          from vec_embeddings_{d}
          where embedding match :vector
            and collection_id = :collection_id
            and k = :k
            {among}
        )
        select embeddings.id, nearest.score, embeddings.content, embeddings.metadata
        from nearest
        join vec_embeddings_{d}_ids as ids on ids.rowid = nearest.rowid
        join embeddings
          on embeddings.collection_id = ids.collection_id
          and embeddings.id = ids.id
        where embeddings.id is not :skip_id
        order by nearest.score desc, embeddings.id
        """,
        {**_arguments(query), "k": k, "farthest": farthest},
    ).fetchall()


def _scan(db: Database, query: Query) -> list[Row]:
    return db.execute(
        f"""
        with compared as (
          select
            rowid as row,
            id,
            case
              when {index.comparable("embeddings", query.dimensions)}
              then 1 - vec_distance_cosine(embedding, :vector)
            end as score
          from embeddings
          where collection_id = :collection_id
            and id is not :skip_id
            {f"and {_prefix_condition(query)}" if query.prefix else ""}
        ),
        nearest as materialized (
          select row, score
          from compared
          where score is not null
          order by score desc, id
          limit :number
        )
        select embeddings.id, nearest.score, embeddings.content, embeddings.metadata
        from nearest
        join embeddings on embeddings.rowid = nearest.row
        order by nearest.score desc, embeddings.id
        """,
        _arguments(query),
    ).fetchall()


def _arguments(query: Query) -> dict[str, Any]:
    return {
        "collection_id": query.collection_id,
        "vector": query.vector,
        "number": min(query.number, sys.maxsize),
        "skip_id": query.skip_id,
        "prefix": query.prefix,
        "after_prefix": _after_prefix(query.prefix),
    }


def _prefix_condition(query: Query) -> str:
    """Return the SQL for ids that start with :prefix, as a range that an index can answer."""
    if _after_prefix(query.prefix) is None:
        return "id >= :prefix"
    return "id >= :prefix and id < :after_prefix"


def _after_prefix(prefix: str) -> str | None:
    """Return the least text that is greater than every text with this prefix; None if none is.

    SQLite compares the bytes of UTF-8, whose order is that of the code points.
    """
    shortened = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not shortened:
        return None
    following = ord(shortened[-1]) + 1
    if following == 0xD800:  # surrogates are no text
        following = 0xE000
    return shortened[:-1] + chr(following)
