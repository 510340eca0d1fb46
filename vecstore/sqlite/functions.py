"""What SQL can call on connections of ours: the vector of a text, and a search.

    vecstore_embed(collection, text)                        the vector of a query
    vecstore_similar(collection, text_or_vector, k)         a table of id, score, content, metadata
    vecstore_similar_json(collection, text_or_vector, k)    the same as JSON, for json_each()
    vecstore_search(collection, text, k)                    by keywords too: a table, with reasons
    vecstore_search_json(collection, text, k)               the same as JSON

All are on every connection, but for the two tables, which are on those of apsw. A call can cost
money, so that views and triggers, which a file brings along, must not make one: only a statement
itself may.
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
from ..entries import require_collection_name
from ..errors import DatabaseError, DoesNotExist, InvalidInputError
from ..keywords import parse
from ..models import EmbeddingModel, modes
from ..query import Query, RankedQuery
from ..rows import CollectionRow, Hit, RankedHit
from ..values import quote
from ..vectors import encode_vector
from . import catalog, collection_prefixes
from .connection import dbapi, frozen
from .connection.database import Database
from .connection.identifiers import quote_identifier
from .search import fusion, planner
from .table_functions import Signature, TableFunction, failing_in_sql

_CACHED_VECTORS = 256
_DEFAULT_K = 10
_REQUIRED = 2
_SIMILAR = Signature(
    "vecstore_similar",
    columns=("id", "score", "content", "metadata"),
    arguments=("collection", "text_or_vector", "k"),
    required=_REQUIRED,
    wanted="a collection, a text or vector, and how many rows to return (10 if left out)",
)
_SEARCH = Signature(
    "vecstore_search",
    columns=RankedHit._fields,
    arguments=("collection", "text", "k"),
    required=_REQUIRED,
    wanted="a collection, a text, and how many rows to return (10 if left out)",
)

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
        conn.create_function("vecstore_search_json", -1, _logged(functions.search_json))


def register_search_by_vector(db: Database, note_error: Callable[[Exception], object]) -> None:
    """Give a connection searches that embed nothing, and that keep its Database alive.

    That for a text is by keywords alone.

    :param note_error: is told of what went wrong, of which SQL says only that something did
    """
    functions = _Functions(lambda: db, may_embed=False)
    for search in (functions.similar_json, functions.search_json):
        name = f"vecstore_{search.__name__}"
        db.conn.create_function(name, -1, _noting_errors(search, note_error))


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
            failing_in_sql(self.embed),
            2,
            deterministic=True,
            flags=apsw.SQLITE_DIRECTONLY,
        )
        tables: list[tuple[Signature, Callable[..., list[Any]], Callable[..., str]]] = [
            (_SIMILAR, self.similar, self.similar_json),
            (_SEARCH, self.search, self.search_json),
        ]
        for signature, search, search_json in tables:
            conn.apsw.create_scalar_function(
                f"{signature.name}_json",
                failing_in_sql(search_json),
                flags=apsw.SQLITE_DIRECTONLY,
            )
            module: Any = TableFunction(signature, search, _DEFAULT_K)
            conn.apsw.create_module(
                signature.name,
                module,
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
        _check_number(k)
        db = self._database()
        row = self._collection(db, collection)
        vector = _given_vector(value)
        if vector is None and value is not None:
            if not self._may_embed:
                raise InvalidInputError(
                    f"{quote(value)} is no vector, a blob or a JSON array: nothing is embedded here"
                )
            vector = self._vector_for(row, value)
        query = Query(row, k, vector=vector or b"")
        return planner.search(db, query, may_build_index=False) if vector else []

    def search(self, collection: Any, text: Any, k: Any = _DEFAULT_K) -> list[RankedHit]:
        """Return the rows of a collection that a text finds by keywords and similarity.

        By keywords alone where nothing is embedded. Nothing is written, as by similar().
        """
        _check_number(k)
        db = self._database()
        row = self._collection(db, collection)
        if text is None:
            return []
        keywords = parse(text)
        if not self._may_embed:
            ranked = RankedQuery(Query(row, k), keywords, "keywords")
        else:
            ranked = RankedQuery(
                Query(row, k, vector=self._vector_for(row, keywords.text)), keywords
            )
        return fusion.search(db, ranked, [], may_build_index=False)

    def similar_json(self, *values: Any) -> str:
        """Return what similar() does, as a JSON array of objects."""
        return _as_json(_SIMILAR, self.similar, values)

    def search_json(self, *values: Any) -> str:
        """Return what search() does, as a JSON array of objects."""
        return _as_json(_SEARCH, self.search, values)

    def _collection(self, db: Database, name: Any) -> CollectionRow:
        if self._may_embed:
            return catalog.find_or_fail(db, name)
        found = catalog.find(db, require_collection_name(name))
        if found is None:  # visitors of Datasette are not told which there are, and where
            raise DoesNotExist(f"Collection does not exist: {quote(name)}")
        return found

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


def _check_number(k: Any) -> None:
    if type(k) is not int or k < 0:
        raise InvalidInputError(f"k is {quote(k)}: it must be an integer from 0 on")


def _as_json(
    signature: Signature, search: Callable[..., list[Any]], values: tuple[Any, ...]
) -> str:
    if not signature.required <= len(values) <= len(signature.arguments):
        raise InvalidInputError(f"{signature.name}_json() takes {signature.wanted}")
    rows = [dict(zip(signature.columns, row, strict=True)) for row in search(*values)]
    return json.dumps(rows, default=repr)


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
              or instr(lower(sql), 'vecstore_search')
            limit 1
            """
        ).fetchone()
        if row:
            raise DatabaseError(
                f"The {row[0]} {row[1]!r} of the file names vecstore_embed(), or a function that "
                "calls it, which may cost money: drop it, or use driver='apsw'"
            )


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
