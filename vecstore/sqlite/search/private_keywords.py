"""A keyword index of one search, in memory: where that of the file cannot be used, or be made.

So a file that nobody may write to is searched by keywords too. It takes as long as to build an
index of all texts.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ...keywords import Term
from ..connection import opening
from ..connection.database import Database
from ..index import keyword_tables
from ..index_names import KEYWORD_TABLE
from . import short_terms
from .short_terms import Place, Sought, is_short

_PLACE = Place(KEYWORD_TABLE, KEYWORD_TABLE, "collection_id = :_collection_id")


class Match(NamedTuple):
    """A row of `embeddings` that a query of FTS5's has found.

    rank: its bm25, of which less is better
    """

    row: int
    rank: float
    snippet: str


class PrivateKeywords:
    """The texts of all collections that the index of a file has, and of the one that is searched.

    What a word is worth depends on all.
    """

    def __init__(self, conn: Any, collection_id: int, encoding: str, tokenizer: str) -> None:
        self._conn = conn
        self._collection_id = collection_id
        self._encoding = encoding
        self._tokenizer = tokenizer

    def count_texts(self) -> int:
        """Return the number of texts."""
        return int(self._conn.execute(f"select count(*) from {KEYWORD_TABLE}").fetchone()[0])

    def count(self, term: Term) -> int:
        """Return how many texts have a term, of whatever collection."""
        if is_short(term, self._tokenizer):
            sought = Sought(self._tokenizer, [(term, 0.0)])
            [number] = self._rows(*short_terms.count_sql(sought, KEYWORD_TABLE)).fetchone()
        else:
            [number] = self._conn.execute(
                f"select count(*) from {KEYWORD_TABLE} where {KEYWORD_TABLE} match ?", [term.match]
            ).fetchone()
        return int(number)

    def find(self, sought: Sought, marks: tuple[str, str], snippet_words: int) -> list[Match]:
        """Return what is found in the collection."""
        snippet = f"snippet({KEYWORD_TABLE}, 0, :_before, :_after, '…', :_snippet_words)"
        values: dict[str, Any] = {"match": sought.match()}
        sql = f"""
            select rowid, rank, cast({snippet} as blob)
            from {KEYWORD_TABLE}
            where {KEYWORD_TABLE} match :_match
              and {_PLACE.within}
            """
        if sought.reads_texts():
            scored, values = short_terms.scored_tables(sought, _PLACE)
            snippet = short_terms.snippet_sql(sought, _PLACE, "_scored.row", snippet)
            sql = f"""
            with {scored}
            select row, rank, cast({snippet} as blob)
            from _scored
            """
        values |= {"before": marks[0], "after": marks[1], "snippet_words": snippet_words}
        return [
            Match(row, rank, snippet.decode(self._encoding, "replace"))
            for row, rank, snippet in self._rows(sql, values)
        ]

    def find_excluded(self, excluded: Sequence[Term]) -> list[int]:
        """Return the rows of the collection that have what is left out."""
        sought = Sought(self._tokenizer, excluded=excluded)
        left_out, values = sought.excluded_table()
        sql = f"""
            with {left_out}
            select texts.rowid
            from {KEYWORD_TABLE} as texts
            where {_PLACE.within}
              and {sought.is_left_out_sql(_PLACE)}
            """
        rows = self._rows(sql, {**values, "match_excluded": sought.match_excluded()})
        return [row for (row,) in rows]

    def _rows(self, sql: str, values: dict[str, Any]) -> Any:
        named = {f"_{name}": value for name, value in values.items()}
        return self._conn.execute(sql, {**named, "_collection_id": self._collection_id})


@contextmanager
def private_keywords(db: Database, collection_id: int, tokenizer: str) -> Iterator[PrivateKeywords]:
    """Give an index of what the database holds at this moment."""
    conn = opening.open_bare_connection(":memory:", opening.driver_of(db))
    try:
        [encoding] = db.execute("pragma encoding").fetchone()
        conn.execute(f"pragma encoding = '{encoding}'")
        conn.execute(
            f"""
            CREATE VIRTUAL TABLE {KEYWORD_TABLE} USING fts5(
               content,
               collection_id UNINDEXED,
               tokenize="{tokenizer.replace('"', '""')}"
            )
            """
        )
        conn.execute("begin")
        texts = db.execute(
            f"""
            select rowid, cast(content as blob), collection_id
            from embeddings
            where ({keyword_tables.has_text_sql("embeddings")})
              or (collection_id = ? and typeof(content) = 'text' and id is not null)
            """,
            [collection_id],
        )
        # As bytes: another program's need not be UTF-8.
        sql = f"""
            insert into {KEYWORD_TABLE} (rowid, content, collection_id)
            values (?, cast(? as text), ?)
            """
        for text in texts:
            conn.execute(sql, text)
        yield PrivateKeywords(conn, collection_id, encoding, tokenizer)
    finally:
        conn.close()
