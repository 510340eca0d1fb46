"""What a similarity search is asked, and how it was answered."""

import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict, TypeVar

from . import values
from .entries import Entry
from .errors import InvalidInputError
from .keywords import KeywordQuery
from .rows import CollectionRow
from .values import quote

WhereArgs = Sequence[Any] | dict[str, Any]
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Conditions(TypedDict, total=False):
    """What each search can be told by keyword; Collection.similar_by_vector() says what it is."""

    where: str | None
    where_args: WhereArgs | None
    min_score: float | None
    exact: bool | None
    per_document: bool | None


def show_conditions(function: _Function) -> _Function:
    """Have a function that takes `**conditions` show each of them, in help() and to editors."""
    kinds = Conditions.__annotations__
    signature = inspect.signature(function)
    named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    for name, kind in kinds.items():
        named.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        )
    shown_signature = signature.replace(parameters=named)
    function.__signature__ = shown_signature  # type: ignore[attr-defined]
    del function.__annotations__["conditions"]
    function.__annotations__.update(kinds)
    return function


def refuse_unknown(conditions: Mapping[str, object]) -> None:
    """Raise TypeError, as Python does, for a keyword argument that is no condition."""
    unknown = conditions.keys() - Conditions.__annotations__.keys()
    if unknown:
        raise TypeError(f"A search got an unexpected keyword argument {min(unknown)!r}")


@dataclass(frozen=True)
class Query:
    """What is asked: the `number` rows of a collection that are nearest to a vector.

    `vector` is float32 bytes. These leave rows out before the nearest are taken: `prefix` all ids
    that do not start with it, literally; `skip_id` one id; `where` all rows of `embeddings` that do
    not meet a condition in SQL, whose parameters are in `where_args`. `min_score` cuts off the
    rest of the result.

    Of documents, `per_document` asks for the best chunk of each, and `skip_document` leaves one out
    with all its chunks: `document_search.search()` does both, and a store neither.

    :raises InvalidInputError: one of these is none, which is named
    """

    collection: CollectionRow
    number: int
    prefix: str = ""
    vector: bytes = b""
    skip_id: str | None = None
    where: str | None = None
    where_args: WhereArgs = ()
    min_score: float | None = None
    exact: bool = False
    per_document: bool = False
    skip_document: str | None = None

    def __post_init__(self) -> None:
        number = values.to_integer(self.number)
        if number is None or number < 0:
            raise InvalidInputError(
                f"number is {quote(self.number)}: it must be an integer from 0 on"
            )
        object.__setattr__(self, "number", number)
        if not isinstance(self.prefix, str):
            raise InvalidInputError(f"prefix is {quote(self.prefix)}: it must be text")
        if values.surrogate_position(self.prefix) is not None:
            raise InvalidInputError(f"prefix is {quote(self.prefix)}: a lone surrogate is no text")
        object.__setattr__(self, "prefix", values.to_plain(self.prefix))
        if not isinstance(self.where, str | None):
            raise InvalidInputError(f"where is {quote(self.where)}: it must be a condition in SQL")
        object.__setattr__(self, "where_args", _bindable(self.where_args))
        if self.where_args and not self.where:
            raise InvalidInputError("where_args are given, and no where= that they belong to")
        if self.min_score is not None:
            object.__setattr__(self, "min_score", _score(self.min_score))

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
            _name(name): values.to_bindable(value, f"where_args[{quote(name)}]")
            for name, value in where_args.items()
        }
    is_text = isinstance(where_args, str | bytes | bytearray | memoryview)
    # Arrays of NumPy and columns of pandas are no Sequence. A set has no order.
    is_list = isinstance(where_args, Sequence) or len(getattr(where_args, "shape", ())) == 1
    if is_text or not is_list:
        raise InvalidInputError(f"where_args is {quote(where_args)}: it must be a list or dict")
    return [values.to_bindable(value, f"where_args[{n}]") for n, value in enumerate(where_args)]


def _name(name: Any) -> str:
    if not isinstance(name, str) or values.surrogate_position(name) is not None:
        raise InvalidInputError(f"where_args has the key {quote(name)}: it must be text")
    return str.__str__(name)


def _score(score: Any) -> float:
    number = values.to_float(score)
    if number is None:
        raise InvalidInputError(f"min_score is {quote(score)}: it must be a number")
    return number


SearchMode = Literal["hybrid", "keywords", "similar"]
MODES: tuple[SearchMode, ...] = ("hybrid", "keywords", "similar")
_WEIGHTS = 2
_MOST_WEIGHT = 1e300  # with more, a score would be infinite

# Of the fusion of two rankings, on every store; sqlite/search/fusion.py says why.
FUSION_K = 2  # how little the first ranks differ
FULL_COVERAGE = 3.5  # times as much as a similarity is worth what has all that was asked for
_LEAST_DEPTH = 20


def fusion_depth(number: int) -> int:
    """Return how many of each ranking are candidates for so many results."""
    return min(max(number, _LEAST_DEPTH), sys.maxsize)


@dataclass(frozen=True)
class RankedQuery:
    """What is asked of several rankings: the best `number` rows of `query` by keywords and vector.

    `query` has the conditions of both; in the mode "keywords" its vector is not used. `weights` are
    of the rankings by similarity and by keywords, and `marks` stand before and after each word that
    is marked.

    :raises InvalidInputError: one of these is none, which is named
    """

    query: Query
    keywords: KeywordQuery
    mode: SearchMode = "hybrid"
    weights: tuple[float, float] = (1.0, 1.0)
    marks: tuple[str, str] = ("**", "**")

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InvalidInputError(
                f"mode is {quote(self.mode)}: it must be {', '.join(MODES[:-1])} or {MODES[-1]}"
            )
        if self.mode == "keywords" and self.query.min_score is not None:
            raise InvalidInputError(
                f"min_score is {self.query.min_score}, of the similarity: with mode='keywords' "
                "there is none"
            )
        object.__setattr__(self, "weights", _weights(self.weights))
        is_list = isinstance(self.marks, Sequence) and not isinstance(self.marks, str | bytes)
        is_pair = is_list and [type(mark) for mark in self.marks] == [str, str]
        if not is_pair or values.surrogate_position("".join(self.marks)) is not None:
            raise InvalidInputError(
                f"marks is {quote(self.marks)}: it must be two texts, before and after a word"
            )

    def with_number(self, number: int) -> "RankedQuery":
        """Return the same question for so many rows."""
        return replace(self, query=replace(self.query, number=number))


def _weights(weights: Any) -> tuple[float, float]:
    is_text = isinstance(weights, str | bytes | bytearray)
    numbers = [] if is_text or not values.is_list(weights) else [*map(values.to_float, weights)]
    if len(numbers) != _WEIGHTS or not all(n is not None and 0 < n < _MOST_WEIGHT for n in numbers):
        raise InvalidInputError(
            f"weights is {quote(weights)}: it must be two numbers above 0, and below 1e300, of the "
            "rankings by similarity and by keywords; mode= leaves one of them out"
        )
    first, second = numbers
    return first or 0.0, second or 0.0


@dataclass(frozen=True)
class Step:
    """One statement of a search: its plan, its SQL, how long it took, and what it looked at.

    seconds: in the plan `graph`, with what the graph took to propose candidates
    candidates: rows that were chosen by their bits, in the plan `fast`, or by a graph; else None
    advice: what would have made it faster, for people; None where nothing is known
    """

    plan: str
    sql: str
    seconds: float
    rows: int
    candidates: int | None
    advice: str | None = None


@dataclass(frozen=True)
class Explanation:
    """How a search was answered: each statement with its plan, SQL, rows and seconds, in order.

    There is more than one where the first looked at too few candidates. As text, for people.
    """

    entries: list[Entry]
    steps: list[Step] = field(default_factory=list)

    @property
    def plan(self) -> str | None:
        """The plan that gave the answer: "exact", "fast", "graph" or "scan".

        None if nothing can match.
        """
        return self.steps[-1].plan if self.steps else None

    @property
    def candidates(self) -> int | None:
        """How many rows were chosen by their bits, or by a graph; None for the other plans."""
        return self.steps[-1].candidates if self.steps else None

    @property
    def advice(self) -> str | None:
        """What would make the search faster, such as an index of metadata; None if nothing."""
        return self.steps[-1].advice if self.steps else None

    @property
    def seconds(self) -> float:
        """The time that all statements took, with that of the graph."""
        return sum(step.seconds for step in self.steps)

    def __str__(self) -> str:
        if not self.steps:
            return "Nothing to compare with: no statement was run"
        described = map(_described, self.steps)
        return "\n\n".join((*described, self.advice) if self.advice else described)


def _described(step: Step) -> str:
    candidates = "" if step.candidates is None else f"{step.candidates} candidates, "
    heading = f"{step.plan}: {candidates}{step.rows} rows, {1000 * step.seconds:.1f} ms"
    lines = (line.rstrip() for line in textwrap.dedent(step.sql).splitlines() if line.strip())
    return "\n".join((heading, *lines))
