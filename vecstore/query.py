"""What a similarity search is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import values
from .errors import InvalidInputError
from .sqlite.catalog import CollectionRow
from .values import shown

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
        number = values.to_integer(self.number)
        if number is None or number < 0:
            raise InvalidInputError(
                f"number is {shown(self.number)}: it must be an integer from 0 on"
            )
        object.__setattr__(self, "number", number)
        if not isinstance(self.prefix, str):
            raise InvalidInputError(f"prefix is {shown(self.prefix)}: it must be text")
        if values.surrogate_position(self.prefix) is not None:
            raise InvalidInputError(f"prefix is {shown(self.prefix)}: a lone surrogate is no text")
        object.__setattr__(self, "prefix", values.to_plain(self.prefix))
        if not isinstance(self.where, str | None):
            raise InvalidInputError(f"where is {shown(self.where)}: it must be a condition in SQL")
        object.__setattr__(self, "where_args", _bindable(self.where_args))
        if self.where_args and not self.where:
            raise InvalidInputError("where_args are given, and no where= that they belong to")
        if self.min_score is not None:
            object.__setattr__(self, "min_score", _score(self.min_score))

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


def _bindable(where_args: Any) -> list[Any] | dict[str, Any]:
    """Return the values of parameters as SQLite is to get them, in a list or by name."""
    if isinstance(where_args, Mapping):
        return {
            _name(name): values.to_bindable(value, f"where_args[{shown(name)}]")
            for name, value in where_args.items()
        }
    is_text = isinstance(where_args, str | bytes | bytearray | memoryview)
    # Arrays of NumPy and columns of pandas are no Sequence. A set has no order.
    is_list = isinstance(where_args, Sequence) or len(getattr(where_args, "shape", ())) == 1
    if is_text or not is_list:
        raise InvalidInputError(f"where_args is {shown(where_args)}: it must be a list or dict")
    return [values.to_bindable(value, f"where_args[{n}]") for n, value in enumerate(where_args)]


def _name(name: Any) -> str:
    if not isinstance(name, str) or values.surrogate_position(name) is not None:
        raise InvalidInputError(f"where_args has the key {shown(name)}: it must be text")
    return str.__str__(name)


def _score(score: Any) -> float:
    number = values.to_float(score)
    if number is None:
        raise InvalidInputError(f"min_score is {shown(score)}: it must be a number")
    return number
