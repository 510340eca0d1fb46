"""What SQL can call on connections of ours: the vector of a text, and a search.

    vecstore_embed(collection, text)                        the vector of a query
    vecstore_similar(collection, text_or_vector, k)         a table of id, score, content, metadata
    vecstore_similar_json(collection, text_or_vector, k)    the same as JSON, for json_each()

All are on every connection, but for the second, which is on those of apsw. A call can cost money,
so that views and triggers, which a file brings along, must not make one: only a statement itself
may.
"""

import json
import logging
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, wraps
from typing import Any

import apsw

from .. import models
from ..errors import DatabaseError, InvalidInputError
from ..models import EmbeddingModel, modes
from ..query import Query
from ..rows import CollectionRow, Hit
from ..standard_sqlite import sqlite3
from ..values import quote
from ..vectors import encode_vector
from . import catalog, collection_prefixes
from .connection import dbapi, frozen
from .connection.database import Database
from .connection.identifiers import quote_identifier
from .search import planner

_CACHED_VECTORS = 256
_DEFAULT_K = 10
_COLUMNS = ("id", "score", "content", "metadata")
_ARGUMENTS = ("collection", "text_or_vector", "k")
_REQUIRED = 2
_WANTED = "a collection, a text or vector, and how many rows to return (10 if left out)"

_log = logging.getLogger("vecstore")


def register_functions(db: Database) -> None:
    """Give a Database the functions, unless it has them."""
    if db in _functions_by_database and _has_functions(db):
        return
    # What a connection holds is out of sight of the garbage collector: no circle through it.
    functions = _functions_by_database[db] = _Functions(weakref.ref(db))
    conn: Any = db.conn
    if isinstance(conn, dbapi.Connection):
        frozen.set_up_each_time(conn, __name__, functions.give_to)
        return
    # Another Database of the same connection may be in the middle of a query that uses it.
    with suppress(conn.OperationalError):
        conn.create_function("vecstore_embed", 2, _logged(functions.embed), deterministic=True)
        conn.create_function("vecstore_similar_json", -1, _logged(functions.similar_json))


def register_search_by_vector(db: Database, note_error: Callable[[Exception], object]) -> None:
    """Give a connection a search that embeds nothing, and that keeps its Database alive.

    :param note_error: is told of what went wrong, of which SQL says only that something did
    """
    functions = _Functions(lambda: db, may_embed=False)
    search = _noting_errors(functions.similar_json, note_error)
    db.conn.create_function("vecstore_similar_json", -1, search)


def use_model(db: Database, model: EmbeddingModel) -> None:
    """Embed with this model, which need not be installed, for the collections of its id."""
    register_functions(db)
    _functions_by_database[db].models[model.model_id] = model


def forget_vectors(db: Database) -> None:
    """Embed anew what was embedded before: a model may give other vectors than it did."""
    if db in _functions_by_database:
        _functions_by_database[db].forget_vectors()


def embed_for(db: Database, collection: Any, value: Any) -> bytes | None:
    """Do what vecstore_embed() does, for a connection whose function is the plugin's.

    That is vecstore_sqlite_utils, which sqlite-utils loads.
    """
    functions = _functions_by_database.get(db)
    if functions is None:  # it is not adopted, and lacks the other functions
        functions = _embedding_by_database.setdefault(db, _Functions(weakref.ref(db)))
    vector: bytes | None = _logged(functions.embed)(collection, value)
    return vector


class _Functions:
    """The functions of one Database, with the models that it was given and its latest vectors."""

    def __init__(self, db: Callable[[], Database | None], *, may_embed: bool = True) -> None:
        self._db = db
        self._may_embed = may_embed
        self.models: dict[str, EmbeddingModel] = {}
        self._vector = lru_cache(_CACHED_VECTORS)(self._embed)

    def forget_vectors(self) -> None:
        self._vector.cache_clear()

    def give_to(self, conn: Any) -> None:
        """Register them in a connection of apsw."""
        conn.apsw.create_scalar_function(
            "vecstore_embed",
            _failing_in_sql(self.embed),
            2,
            deterministic=True,
            flags=apsw.SQLITE_DIRECTONLY,
        )
        conn.apsw.create_scalar_function(
            "vecstore_similar_json",
            _failing_in_sql(self.similar_json),
            flags=apsw.SQLITE_DIRECTONLY,
        )
        similar: Any = _SimilarModule(self)
        conn.apsw.create_module(
            "vecstore_similar",
            similar,
            use_bestindex_object=True,
            eponymous_only=True,
            read_only=True,
        )

    def embed(self, collection: Any, value: Any) -> bytes | None:
        """Return the vector of a text, or of bytes; None for NULL."""
        if value is None:
            return None
        return self._vector_for(catalog.find_or_fail(self._database(), collection), value)

    def similar(self, collection: Any, value: Any, k: Any = _DEFAULT_K) -> list[Hit]:
        """Return the rows of a collection that are most similar to a text or vector.

        Nothing is written: there may be a statement under way that writes.
        """
        if type(k) is not int or k < 0:
            raise InvalidInputError(f"k is {quote(k)}: it must be an integer from 0 on")
        db = self._database()
        row = catalog.find_or_fail(db, collection)
        vector = _given_vector(value)
        if vector is None and value is not None:
            if not self._may_embed:
                raise InvalidInputError(
                    f"{quote(value)} is no vector, a blob or a JSON array: nothing is embedded here"
                )
            vector = self._vector_for(row, value)
        query = Query(row, k, vector=vector or b"")
        return planner.search(db, query, may_build_index=False) if vector else []

    def similar_json(self, *values: Any) -> str:
        """Return what similar() does, as a JSON array of objects."""
        if not _REQUIRED <= len(values) <= len(_ARGUMENTS):
            raise InvalidInputError(f"vecstore_similar_json() takes {_WANTED}")
        rows = [dict(zip(_COLUMNS, row, strict=True)) for row in self.similar(*values)]
        return json.dumps(rows, default=repr)

    def _vector_for(self, row: CollectionRow, value: Any) -> bytes:
        prefixes = collection_prefixes.find(self._database(), row.id)
        return self._vector(row.model, value, prefixes.query_prefix)

    def _embed(self, model_id: str, value: Any, prefix: str | None) -> bytes:
        db = self._database()
        if not isinstance(db.conn, dbapi.Connection):
            _refuse_schemas_that_call(db)
        vector = modes.embed_query(self._model(model_id), value, prefix)
        return encode_vector(vector, "The vector to search for")

    def _model(self, recorded: str) -> EmbeddingModel:
        """Return the model that a collection has recorded: one that was given, or an installed."""
        if recorded in self.models:
            return self.models[recorded]
        for model_id, model in self.models.items():
            if models.is_recorded_as(model_id, recorded):
                return model
        return models.get_embedding_model(recorded)

    def _database(self) -> Database:
        db = self._db()
        if db is None:
            raise DatabaseError(
                "The Database of this connection is gone: keep what vecstore.connect() returned"
            )
        return db


_ByDatabase = weakref.WeakKeyDictionary[Database, _Functions]
_functions_by_database: _ByDatabase = weakref.WeakKeyDictionary()
_embedding_by_database: _ByDatabase = weakref.WeakKeyDictionary()


def _has_functions(db: Database) -> bool:
    try:
        db.execute("select vecstore_embed(null, null)").fetchone()
    except db.conn.OperationalError:  # its connection was replaced
        return False
    return True


def _given_vector(value: Any) -> bytes | None:
    """Return the vector that a value is: a blob, or the text of a JSON array of numbers.

    None for what is to be embedded.
    """
    if isinstance(value, bytes):
        if not value or len(value) % 4:
            raise InvalidInputError(
                f"A vector is a blob of float32 values, not of {len(value)} bytes: "
                "vecstore_embed() makes one of what is to be embedded"
            )
        return value
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return None
    try:
        numbers = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not numbers or not all(type(number) in (int, float) for number in numbers):
        return None
    return encode_vector(numbers, "The vector to search for")


def _refuse_schemas_that_call(db: Database) -> None:
    """Raise DatabaseError if a view or trigger of a file has the function's name in it.

    The module sqlite3 has no way to say that a function is not for them.
    """
    for _, schema, _ in db.execute("pragma database_list").fetchall():
        if schema == "temp":  # the user's own
            continue
        row = db.execute(
            f"""
            select type, name
            from {quote_identifier(schema)}.sqlite_master
            where instr(lower(sql), 'vecstore_embed')
              or instr(lower(sql), 'vecstore_similar')
            limit 1
            """
        ).fetchone()
        if row:
            raise DatabaseError(
                f"The {row[0]} {row[1]!r} of the file names vecstore_embed(), or a function that "
                "calls it, which may cost money: drop it, or use driver='apsw'"
            )


def _failing_in_sql(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose errors are errors of SQL with the same message."""

    @wraps(function)
    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except (apsw.Error, sqlite3.Error):
            raise
        except Exception as error:
            raise apsw.SQLError(str(error)) from error

    return call


def _logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose errors are logged: sqlite3 tells only that there was one."""
    return _noting_errors(
        function, lambda error: _log.error("vecstore_%s: %s", function.__name__, error)
    )


def _noting_errors(
    function: Callable[..., Any], note_error: Callable[[Exception], object]
) -> Callable[..., Any]:
    @wraps(function)
    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except Exception as error:
            note_error(error)
            raise

    return call


class _SimilarModule:
    """The table-valued function, as a module of virtual tables: https://sqlite.org/vtab.html"""

    def __init__(self, functions: _Functions) -> None:
        self._functions = functions

    def Connect(self, conn: Any, *_: Any) -> tuple[str, "_SimilarTable"]:  # noqa: N802
        conn.vtab_config(apsw.SQLITE_VTAB_DIRECTONLY)
        hidden = [f"{name} HIDDEN" for name in _ARGUMENTS]
        return f"CREATE TABLE x({', '.join([*_COLUMNS, *hidden])})", _SimilarTable(self._functions)


class _SimilarTable:
    """The table: it wants its first two arguments, and may get the third."""

    def __init__(self, functions: _Functions) -> None:
        self._functions = functions

    def BestIndexObject(self, plan: apsw.IndexInfo) -> bool:  # noqa: N802
        given = {}
        for number in range(plan.nConstraint):
            argument = plan.get_aConstraint_iColumn(number) - len(_COLUMNS)
            if argument < 0 or plan.get_aConstraint_op(number) != apsw.SQLITE_INDEX_CONSTRAINT_EQ:
                continue
            if not plan.get_aConstraint_usable(number):
                return False  # it comes from a table that is yet to be read
            given[argument] = number
        if not given.keys() >= set(range(_REQUIRED)):
            raise apsw.SQLError(f"vecstore_similar() takes {_WANTED}")
        for position, argument in enumerate(sorted(given), start=1):
            plan.set_aConstraintUsage_argvIndex(given[argument], position)
            plan.set_aConstraintUsage_omit(given[argument], True)
        plan.estimatedRows = _DEFAULT_K
        plan.estimatedCost = 10_000.0
        return True

    def Open(self) -> "_SimilarCursor":  # noqa: N802
        return _SimilarCursor(_failing_in_sql(self._functions.similar))

    def Disconnect(self) -> None: ...  # noqa: N802

    Destroy = Disconnect


class _SimilarCursor:
    """One call of the function."""

    def __init__(self, similar: Callable[..., list[Hit]]) -> None:
        self._similar = similar
        self._rows: list[tuple[Any, ...]] = []
        self._position = 0

    def Filter(self, _number: int, _text: str | None, arguments: tuple[Any, ...]) -> None:  # noqa: N802
        shown = (*arguments, _DEFAULT_K)[: len(_ARGUMENTS)]
        self._rows = [(*row, *shown) for row in self._similar(*arguments)]
        self._position = 0

    def Eof(self) -> bool:  # noqa: N802
        return self._position >= len(self._rows)

    def Column(self, number: int) -> Any:  # noqa: N802
        return self._position if number < 0 else self._rows[self._position][number]

    def Next(self) -> None:  # noqa: N802
        self._position += 1

    def Rowid(self) -> int:  # noqa: N802
        return self._position

    def Close(self) -> None: ...  # noqa: N802
