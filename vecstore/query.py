"""What a similarity search is asked."""

import numbers
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .catalog import CollectionRow
from .errors import InvalidInputError

WhereArgs = Sequence[Any] | dict[str, Any]


@dataclass(frozen=True)
class Query:
    """What is asked: the `number` rows of a collection that are nearest to a vector.

    `vector` is float32 bytes. These leave rows out before the nearest are taken: `prefix` all ids
    that do not start with it, literally; `skip_id` one id; `where` all rows of `embeddings` that do
    not meet a condition in SQL, whose parameters are in `where_args`. `min_score` cuts off the
    rest of the result.
    """

    collection: CollectionRow
    vector: bytes
    number: int
    prefix: str = ""
    skip_id: str | None = None
    where: str | None = None
    where_args: WhereArgs = ()
    min_score: float | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        try:
            number = operator.index(self.number)  # NumPy's too, which SQLite would take for a blob
        except TypeError:
            number = -1
        if number < 0:
            raise InvalidInputError(f"number is {self.number!r}: it must be an integer from 0 on")
        object.__setattr__(self, "number", number)
        if not isinstance(self.prefix, str):
            raise InvalidInputError(f"prefix is {self.prefix!r}: it must be text")
        if any("\ud800" <= char <= "\udfff" for char in self.prefix):
            raise InvalidInputError(f"prefix is {self.prefix!r}: a lone surrogate is no text")
        if not isinstance(self.where, str | None):
            raise InvalidInputError(f"where is {self.where!r}: it must be a condition in SQL")
        if isinstance(self.where_args, str | bytes) or not isinstance(
            self.where_args, Sequence | dict
        ):
            raise InvalidInputError(f"where_args is {self.where_args!r}: it must be a list or dict")
        if self.where_args and not self.where:
            raise InvalidInputError("where_args are given, and no where= that they belong to")
        if self.min_score is not None:
            if not isinstance(self.min_score, numbers.Real):
                raise InvalidInputError(f"min_score is {self.min_score!r}: it must be a number")
            object.__setattr__(self, "min_score", float(self.min_score))

    @property
    def collection_id(self) -> int:
        """The id of the collection, in the snapshot of the search."""
        return self.collection.id

    @property
    def dimensions(self) -> int:
        """The length of the vector."""
        return len(self.vector) // 4

    @property
    def is_filtered(self) -> bool:
        """Whether more than one row may be left out."""
        return bool(self.prefix or self.where)
