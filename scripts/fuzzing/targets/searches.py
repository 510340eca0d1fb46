"""Searches: a condition never writes and means what it means in SQL; a prefix is literal.

And whatever is typed is a query of keywords.
"""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from sqlite_utils import Database

import vecstore
from vecstore import keywords
from vecstore.errors import InvalidInputError
from vecstore.query import MODES
from vecstore.sqlite.search import keyword_ranking

TOKENS = (
    *(
        "id",
        "content",
        "metadata",
        "embedding",
        "rowid",
        "collection_id",
        "updated",
        "content_hash",
    ),
    *(
        "json_extract(metadata, '$.n')",
        "select ",
        " from embeddings",
        " from collections",
        " where ",
    ),
    *("exists (", " in (", " and ", " or ", "not ", " is null", " like ", " glob ", " between "),
    *(
        "case when ",
        " then ",
        " else ",
        " end",
        "(",
        ")",
        ")) or ((",
        ") union select 1 from (",
        "''",
    ),
    *(
        "'a'",
        "1",
        "0",
        "-1",
        "?",
        "?1",
        ":a",
        ":_vector",
        "@a",
        ", ",
        " = ",
        " > ",
        " || ",
        "--",
        "/*",
    ),
    *(
        "length(",
        "upper(",
        "cast(",
        " as text)",
        "abs(",
        "max(",
        "count(*)",
        " group by ",
        "limit 1",
    ),
    *(" order by ", " collate nocase", ";", "delete from embeddings", "pragma ", "attach 'x' as y"),
    *(
        "insert into embeddings ",
        "update embeddings set content = 1",
        "drop table collections",
        "*",
    ),
    *("with x as (", "values (1)", " over ()", "vec_distance_cosine(embedding, ", "vec_length("),
    *("vecstore_embed('test', ", "load_extension('x')", "pragma_table_info('embeddings')", "\t[1]"),
    *(
        '\t["a", 2]',
        '\t{"a": 1}',
        "_matching",
        "_nearest",
        "vec_embeddings_2",
        "sqlite_master",
        '"',
    ),
)
_IDS = ("a", "ab", "abc", "b", "ä", "A", "it's", "%", "_", "\U0010ffff")
_INSTRUCTIONS = 200
_STATE = (
    "select * from embeddings",
    "select * from collections",
    "select * from sqlite_master",
    "select * from vec_embeddings_2_ids",
    "select * from pragma_database_list where name <> 'temp'",
    "select * from sqlite_temp_master",
)


class _Axis(vecstore.EmbeddingModel):
    """A model of two dimensions, for which no two of a few texts are the same."""

    model_id = "axis"

    def embed_batch(
        self,
        items: Iterable[str | bytes],
        *,
        key: str | None = None,  # noqa: ARG002
    ) -> Iterator[list[float]]:
        for item in items:
            yield [1.0, len(item) / 10]


def run_condition(data: bytes) -> None:
    """Search with a condition, which may be followed by a tab and its values as JSON."""
    text = "".join(chr(b) if b < 128 else TOKENS[(b - 128) % len(TOKENS)] for b in data)
    where, _, values = text.partition("\t")
    where_args = _values(values)
    collection, before = _filled()
    db: Any = collection.db
    budget = iter(range(_INSTRUCTIONS))
    db.conn.set_progress_handler(lambda: next(budget, None) is None, 1000)
    try:
        found = {
            entry.id
            for entry in collection.similar_by_vector(
                [1, 0], 100, where=where, where_args=where_args
            )
        }
    except InvalidInputError:
        found = None
    except db.conn.OperationalError as error:
        if str(error) != "interrupted":
            raise
        found = None
    finally:
        db.conn.set_progress_handler(None, 1)
    assert not db.conn.in_transaction
    assert _state(db) == before, "the condition wrote"
    if found is not None and where and "random" not in where and ":_" not in where:
        assert found == _expected(db, where, where_args)


def run_prefix(data: bytes) -> None:
    """Search for ids with a prefix, the first line, among those of the other lines."""
    prefix, *ids = _decoded(data).split("\n")
    collection, _ = _filled()
    db = collection.db
    db.execute("begin")
    try:
        for id in dict.fromkeys(ids):
            try:
                collection.embed(id, "some text")
            except InvalidInputError:
                assert not _is_text(id)
        try:
            found = {
                entry.id for entry in collection.similar_by_vector([1, 0], 1000, prefix=prefix)
            }
        except InvalidInputError:
            assert not _is_text(prefix)
            return
        assert found == {id for id in (*ids, *_IDS) if _is_text(id) and id.startswith(prefix)}
    finally:
        db.rollback()


def run_keywords(data: bytes) -> None:
    """Search for a text, by keywords and meaning; what has a word that is left out is not found."""
    text = _decoded(data)
    collection, before = _filled()
    try:
        query = keywords.parse(text)
    except InvalidInputError:
        return
    found = {
        mode: {entry.id for entry in collection.search(text, 100, mode=mode)} for mode in MODES
    }
    assert found["hybrid"] == found["keywords"] | found["similar"]
    if not query.excluded:
        assert len(found["similar"]) == len(_IDS)
    else:
        index = keyword_ranking.find_index(collection.db, collection.id)
        with keyword_ranking.keyword_source(collection.db, collection.id, index) as source:
            has_word = source.find_excluded([*_IDS], query.excluded)
        assert found["similar"] == {*_IDS} - has_word
        assert not found["keywords"] & has_word
    assert _state(collection.db) == before, "the search wrote"


@lru_cache
def _filled() -> tuple[vecstore.Collection, list[Any]]:
    collection = vecstore.Collection("test", vecstore.connect(driver="apsw"), model=_Axis())
    rows = [(id, id * 3, {"n": n}) for n, id in enumerate(_IDS)]
    collection.embed_multi_with_metadata(rows, store=True)
    collection.search("aaa", mode="keywords")  # makes the index
    return collection, _state(collection.db)


def _state(db: Database) -> list[Any]:
    return [db.execute(sql).fetchall() for sql in _STATE]


def _expected(db: Database, where: str, where_args: Any) -> set[str]:
    sql = f"select id from embeddings where case when (\n{where}\n) then 1 end"
    return {id for (id,) in db.execute(sql, where_args or ())}


def _values(text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list | dict) else None


def _decoded(data: bytes) -> str:
    """Return the text, with lone surrogates, that bytes are, or something like it."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def _is_text(value: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in value)
