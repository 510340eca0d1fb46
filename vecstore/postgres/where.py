"""The condition of a search, which is SQL of the user's: PostgreSQL's.

Its parameters are bound as any others. It is alone in the WHERE clause of a statement that reads
`embeddings`, in a transaction that writes nothing, and whose settings end with it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import psycopg

from ..errors import InvalidInputError, VecstoreError
from ..query import Query
from ..values import describe_count, quote
from .connection import PostgresDatabase
from .errors import describe

_Result = TypeVar("_Result")

_MOST_PARAMETERS = 65_000  # the protocol counts them in two bytes, and a few are the search's own

# What may hold a sign that is no parameter, as PostgreSQL reads it, then the parameters. A string
# after an E has escapes with a backslash, and comments may hold comments: those are followed by
# hand. Where one of these does not end, PostgreSQL says so.
_TOKEN = re.compile(
    r"""
    (?P<skipped>
      (?<!\w)[eE]'(?:[^'\\]|\\.|'')*'?
      | '[^']*'?
      | "[^"]*"?
      | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
      | --[^\r\n]*
      | ::
    )
    | (?P<comment>/\*)
    | (?<![\w$])(?P<own>\$\d+)
    | \?(?P<position>\d*)
    | (?<!:):(?P<name>[^\W\d]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")

# Classes of codes that are of what a condition says, or does where it is evaluated.
_OF_CONDITION = ("0A", "20", "21", "22", "23", "25", "2F", "38", "39", "42", "54", "P0")
_NOT_OF_CONDITION = {"25P02", "42501"}  # an earlier statement's, and what the user may not read


class Condition(NamedTuple):
    """A condition as psycopg takes it: each parameter has a name, which no other has."""

    sql: str
    args: dict[str, Any]


def translate(query: Query) -> Condition | None:
    """Return the condition of a query; None if it has none.

    `?`, `?1` and `:name` are parameters where there are values for them: `?` is also an operator
    of jsonb, and a colon one of slices.

    :raises InvalidInputError: the values are not those that it has parameters for
    """
    if not query.where:
        return None
    parameters = _Parameters(query)
    return Condition("".join(parameters.translated()), parameters.args)


class _Parameters:
    """The parameters of a condition, in the order in which they come first."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._where = query.where or ""
        self._given: Any = query.where_args
        self._position = 0
        self._most = 0
        self.args: dict[str, Any] = {}

    def translated(self) -> Iterator[str]:
        """Yield the condition in parts, with psycopg's placeholders."""
        if "\0" in self._where:
            raise where_error(self._query, "it has a NUL character")
        if len(self._given) > _MOST_PARAMETERS:
            raise where_error(self._query, self._too_many())
        end = 0
        while found := _TOKEN.search(self._where, end):
            yield _escape(self._where[end : found.start()])
            end = self._end_of_comment(found.end()) if found["comment"] else found.end()
            yield self._parameter(found) or _escape(self._where[found.start() : end])
        yield _escape(self._where[end:])
        if not isinstance(self._given, dict) and self._most != len(self._given):
            raise where_error(
                self._query,
                f"it has {describe_count(self._most, 'parameter')} and where_args "
                f"{describe_count(len(self._given), 'value')}",
            )

    def _parameter(self, found: re.Match[str]) -> str | None:
        """Return the placeholder of a parameter; None for what is none."""
        if found["own"]:
            raise where_error(self._query, f"write ? or :name in place of {found['own']}")
        if found["skipped"] is not None or found["comment"] or not self._given:
            return None
        if isinstance(self._given, dict):
            return None if found["name"] is None else self._named(found["name"])
        return None if found["position"] is None else self._numbered(found["position"])

    def _named(self, name: str) -> str:
        if name not in self._given:
            raise where_error(self._query, f"where_args has no value for :{name}")
        return self._placeholder(f"_name_{name}", self._given[name])

    def _numbered(self, digits: str) -> str:
        """Return that of a `?`, which is the one after the last, or of a number from 1 on."""
        self._position = int(digits) if digits else self._position + 1
        self._most = max(self._most, self._position)
        if not 1 <= self._position <= len(self._given):
            raise where_error(
                self._query,
                f"it has a parameter {self._position}, and where_args "
                f"{describe_count(len(self._given), 'value')}; as an operator of jsonb, ? is "
                "jsonb_exists()",
            )
        return self._placeholder(f"_value_{self._position}", self._given[self._position - 1])

    def _placeholder(self, name: str, value: Any) -> str:
        if isinstance(value, str) and "\0" in value:
            raise where_error(
                self._query, "a value has a NUL character, which PostgreSQL's text cannot hold"
            )
        self.args[name] = value
        return f"%({name})s"

    def _end_of_comment(self, start: int) -> int:
        depth, end = 1, start
        while depth and (edge := _COMMENT_EDGE.search(self._where, end)):
            depth += 1 if edge[0] == "/*" else -1
            end = edge.end()
        return len(self._where) if depth else end

    def _too_many(self) -> str:
        return (
            f"where_args has {len(self._given):,} values, and PostgreSQL takes {_MOST_PARAMETERS:,}"
            ' at most: pass many as one, such as where="id in (select '
            'jsonb_array_elements_text(?::jsonb))", where_args=[json.dumps(ids)]'
        )


def _escape(sql: str) -> str:
    return sql.replace("%", "%%")


def read_where(db: PostgresDatabase, query: Query, read: Callable[[], _Result]) -> _Result:
    """Return what `read` returns of a query, in a transaction of its own if it has a condition.

    :raises InvalidInputError: the condition is none that PostgreSQL can apply
    """
    condition = translate(query)
    if condition is None:
        return read()
    with _explaining_errors(query), db.reading():
        # Alone, so that its parameters are counted too. In a CASE: what would go on after the
        # parenthesis of the search, with UNION or GROUP BY, is no condition here.
        db.rows(
            f"""
            explain select 1
            from embeddings
            where case when (\n{condition.sql}\n) then true end
            """,
            condition.args,
        )
        return read()


@contextmanager
def _explaining_errors(query: Query) -> Iterator[None]:
    """Raise InvalidInputError, in place of another of ours, where the condition is at fault."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise where_error(query, str(error)) from error
    except VecstoreError as error:
        cause = error.__cause__
        if not isinstance(cause, psycopg.Error) or not _is_of_condition(cause):
            raise
        raise where_error(query, f"{describe(cause)}{_hint(query)}") from cause


def _hint(query: Query) -> str:
    """Return what a message goes on with where parameters may have been left without values."""
    tokens = _TOKEN.finditer(query.where or "")
    if query.where_args or all(t["position"] is None and t["name"] is None for t in tokens):
        return ""
    return "; ? and :name are parameters only with values for them: where_args, or --param"


def _is_of_condition(error: psycopg.Error) -> bool:
    code = error.sqlstate or ""
    if not code:  # of the client library: a value that it cannot send
        return isinstance(error, psycopg.DataError | psycopg.ProgrammingError)
    return code.startswith(_OF_CONDITION) and code not in _NOT_OF_CONDITION


def where_error(query: Query, problem: str) -> InvalidInputError:
    """Return the error for a condition that cannot be applied."""
    return InvalidInputError(
        f"where={quote(query.where)} with where_args={quote(query.where_args)} cannot be "
        f"applied to the rows of `embeddings`: {problem}"
    )
