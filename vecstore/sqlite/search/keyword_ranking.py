"""The ranking by keywords: the SQL of it, as a part of a statement, and of what is left out.

The keyword index answers; where that cannot be used, or be made, one of this search does. Either
gives a table `_matches` of id, rank and row: `rank` is FTS5's bm25, of which less is better, and
`row` leads to the snippet, which is made of those alone that are returned.
"""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ...keywords import Term
from ...query import Query, RankedQuery
from ..connection.database import Database
from ..index import keyword_tables, usable_keywords
from ..index.tokenizers import is_trigram
from ..index.usable_keywords import UsableKeywords
from ..index_names import KEYWORD_TABLE, KeywordNames
from . import short_terms
from .given_rows import given_table
from .prefixes import prefix_condition
from .private_keywords import Match, PrivateKeywords, private_keywords
from .short_terms import Place, Sought, is_short
from .statement_parts import matching_table, run

_FREQUENT_SHARE, _FREQUENT = 0.2, 1000  # of all texts, and how many at least, have a frequent term
_MOST_OF_IDF = 2.2  # k1 + 1: a term in a text is worth less than so many times its idf
# Leaves the rows which meet the condition of a query.
_MATCHING = """cross join _matching on _matching.row = (
            select rowid
            from embeddings
            where embeddings.collection_id = :_collection_id
              and embeddings.id = texts.id
          )"""
_SNIPPET_WORDS = 24
_SNIPPET_TRIGRAMS = 64  # as many as FTS5 allows


class Matches(NamedTuple):
    """The SQL of the table `_matches`, to go on with a WITH clause, and its values.

    It has the best `most`, and all that are as good as the last of these. `snippet` is the SQL of
    that of a row of `_best` which has a `row`.
    """

    sql: str
    snippet: str
    values: dict[str, Any]


class KeywordSource(Protocol):
    """Where keywords are looked up, at one moment."""

    def count_texts(self) -> int:
        """Return the number of all texts, of whatever collection."""
        ...

    def count_each(self, terms: Sequence[Term]) -> dict[Term, int]:
        """Return how many of all texts have each of some terms."""
        ...

    def find_excluded(self, ids: list[str], excluded: Sequence[Term]) -> set[str]:
        """Return which of some ids have a term that is left out."""
        ...

    def matches(
        self, query: RankedQuery, wanted: Sequence[tuple[Term, float]], most: int
    ) -> Matches:
        """Return what the keywords find, of rows that meet the conditions.

        :param wanted: the terms that are looked up, and the idf of each
        """
        ...


def find_index(db: Database, collection_id: int) -> UsableKeywords | None:
    """Return the keyword index, if it can answer for a collection at this moment."""
    index = usable_keywords.find_keywords(db)
    is_of_use = index and not index.behind and keyword_tables.rowid_span(collection_id)
    return index if is_of_use else None


@contextmanager
def keyword_source(
    db: Database, collection_id: int, index: UsableKeywords | None
) -> Iterator[KeywordSource]:
    """Give the keyword index, or, without one, one that is made now. Both answer alike."""
    span = keyword_tables.rowid_span(collection_id)
    if index is not None and span is not None:
        yield _Indexed(db, collection_id, span, index.names, index.tokenizer)
        return
    tokenizer = usable_keywords.find_tokenizer(db)
    with private_keywords(db, collection_id, tokenizer) as private:
        yield _Private(db, private, tokenizer)


def find_matches(db: Database, source: KeywordSource, query: RankedQuery, most: int) -> Matches:
    """Return what the keywords find, and among the values what bm25 cannot exceed, `most_bm25`.

    A term that very many texts have tells little, and FTS5 takes the longer, the more texts it has
    to score: it is left out where the rarer ones find enough.
    """
    total, numbers = source.count_texts(), source.count_each(query.keywords.terms)
    frequent = max(_FREQUENT_SHARE * total, _FREQUENT)
    terms = [(term, _idf(numbers[term], total)) for term in query.keywords.terms]
    rare = [(term, idf) for term, idf in terms if 0 < numbers[term] <= frequent]
    has_frequent = any(number > frequent for number in numbers.values())
    found = source.matches(query, rare, most) if rare else None
    if found is None or (has_frequent and not _finds(db, query, found, most)):
        found = source.matches(query, terms, most)
    most_bm25 = _MOST_OF_IDF * sum(
        idf for term, idf in terms if numbers[term] or _has_words(term.words)
    )
    return found._replace(values={**found.values, "most_bm25": most_bm25})


def _finds(db: Database, query: RankedQuery, matches: Matches, most: int) -> bool:
    """Return whether so many rows are found."""
    sql = f"""
        with {matching_table(query.query)}
        {matches.sql}
        _found (number) as (
          select count(*)
          from _matches
        )
        select number
        from _found
        """
    return bool(run(db, query.query, sql, **matches.values)[0][0] >= most)


def _has_words(words: str) -> bool:
    """Return whether a tokenizer may make a token of a term, and not of a sign by itself."""
    return any(character.isalnum() for character in words)


def _idf(number: int, total: int) -> float:
    """Return the inverse document frequency of a term, as FTS5 has it: never 0."""
    return max(math.log((total - number + 0.5) / (number + 0.5)), 1e-6)


def _snippet_words(tokenizer: str) -> int:
    return _SNIPPET_TRIGRAMS if is_trigram(tokenizer) else _SNIPPET_WORDS


@dataclass(frozen=True)
class _Indexed:
    """The keyword index."""

    db: Database
    collection_id: int
    span: tuple[int, int]
    names: KeywordNames
    tokenizer: str

    def count_texts(self) -> int:
        return int(self.db.execute(f"select count(*) from {self.names.texts}").fetchone()[0])

    def count_each(self, terms: Sequence[Term]) -> dict[Term, int]:
        short = [term for term in terms if is_short(term, self.tokenizer)]
        numbers = dict(zip(short, self._count_short(short), strict=True))
        long = [term for term in terms if term not in numbers]
        return numbers | dict(zip(long, self._count_long(long), strict=True))

    def _count_long(self, terms: Sequence[Term]) -> list[int]:
        rows = self.db.execute(
            f"""
            select (
              select count(*)
              from {self.names.keywords}
              where {KEYWORD_TABLE} match given.value
            )
            from json_each(?) as given
            order by given.key
            """,
            [json.dumps([term.match for term in terms])],
        )
        return [number for (number,) in rows.fetchall()]

    def _count_short(self, terms: Sequence[Term]) -> list[int]:
        sql, values = short_terms.count_sql(
            Sought(self.tokenizer, [(term, 0.0) for term in terms]), self.names.texts
        )
        rows = self.db.execute(sql, _parameters(values)).fetchall() if terms else []
        return [number for (number,) in rows]

    def find_excluded(self, ids: list[str], excluded: Sequence[Term]) -> set[str]:
        sought = Sought(self.tokenizer, excluded=excluded)
        given, given_values = given_table("_given", ["id"], [[id] for id in ids])
        left_out, left_out_values = sought.excluded_table()
        values = {
            "collection_id": self.collection_id,
            "match_excluded": sought.match_excluded(),
            "first_row": self.span[0],
            "last_row": self.span[1],
            **given_values,
            **left_out_values,
        }
        rows = self.db.execute(
            f"""
            with {given},
            {left_out}
            select texts.id
            from _given
            cross join {self.names.texts} as texts
              on texts.collection_id = :_collection_id
              and texts.id = _given.id
            where {sought.is_left_out_sql(self._place())}
            """,
            _parameters(values),
        )
        return {id for (id,) in rows.fetchall()}

    def matches(
        self, query: RankedQuery, wanted: Sequence[tuple[Term, float]], most: int
    ) -> Matches:
        sought = Sought(self.tokenizer, wanted, query.keywords.excluded)
        scored, values, snippet = self._scored(query, sought)
        # To have FTS5 sort, with `order by rank`, takes longer: it sorts all. And ids, which are
        # looked up in the texts, decide among equals.
        sql = f"""{scored},
        _matches as materialized (
          select texts.id, _scored.rank, _scored.row
          from _scored
          cross join {self.names.texts} as texts on texts.rowid = _scored.row
          where _scored.rank <= coalesce(
            (select rank from _scored order by rank limit 1 offset :_most - 1),
            9e999
          )
        ),"""
        values |= {
            "first_row": self.span[0],
            "last_row": self.span[1],
            "most": most,
            "before": query.marks[0],
            "after": query.marks[1],
            "snippet_words": _snippet_words(self.tokenizer),
        }
        return Matches(sql, snippet, values)

    def _scored(self, query: RankedQuery, sought: Sought) -> tuple[str, dict[str, Any], str]:
        """Return the SQL of the table `_scored` of row and rank, its values, and the snippet."""
        snippet = f"snippet({KEYWORD_TABLE}, 0, :_before, :_after, '…', :_snippet_words)"
        if sought.reads_texts():
            sql, values = short_terms.scored_tables(
                sought,
                self._place(),
                joined=_MATCHING if query.query.where else "",
                condition=prefix_condition(query.query, "texts.id"),
            )
            return sql, values, short_terms.snippet_sql(sought, self._place(), "_best.row", snippet)
        sql = f"""_scored as materialized (
          select {KEYWORD_TABLE}.rowid as row, {KEYWORD_TABLE}.rank as rank
          {self._from(query.query)}
        )"""
        snippet = f"""(
            select {snippet}
            from {self.names.keywords}
            where {KEYWORD_TABLE} match :_match
              and rowid = _best.row
          )"""
        return sql, {"match": sought.match()}, snippet

    def _place(self) -> Place:
        within = "rowid between :_first_row and :_last_row"
        return Place(self.names.keywords, self.names.texts, within)

    def _from(self, query: Query) -> str:
        """Return the SQL from FROM on, of what meets the conditions."""
        texts = f"""cross join {self.names.texts} as texts
            on texts.rowid = {KEYWORD_TABLE}.rowid"""
        return f"""from {self.names.keywords}
          {texts if query.is_filtered else ""}
          {_MATCHING if query.where else ""}
          where {KEYWORD_TABLE} match :_match
            and {KEYWORD_TABLE}.rowid between :_first_row and :_last_row
            {prefix_condition(query, "texts.id")}"""


def _parameters(values: dict[str, Any]) -> dict[str, Any]:
    return {f"_{name}": value for name, value in values.items()}


@dataclass(frozen=True)
class _Private:
    """An index of this search: what it finds is given to the statement as a table."""

    db: Database
    private: PrivateKeywords
    tokenizer: str

    def count_texts(self) -> int:
        return self.private.count_texts()

    def count_each(self, terms: Sequence[Term]) -> dict[Term, int]:
        return {term: self.private.count(term) for term in terms}

    def find_excluded(self, ids: list[str], excluded: Sequence[Term]) -> set[str]:
        rows = self.db.execute(
            """
            select embeddings.id
            from json_each(?) as found
            cross join embeddings on embeddings.rowid = found.value
            """,
            [json.dumps(self.private.find_excluded(excluded))],
        )
        return {*ids}.intersection(id for (id,) in rows.fetchall())

    def matches(
        self, query: RankedQuery, wanted: Sequence[tuple[Term, float]], most: int
    ) -> Matches:
        sought = Sought(self.tokenizer, wanted, query.keywords.excluded)
        found = self.private.find(sought, query.marks, _snippet_words(self.tokenizer))
        table, values = given_table("_given", Match._fields, found)
        matching = "cross join _matching on _matching.row = _given.row"
        sql = f"""{table},
        _matches as materialized (
          select embeddings.id, _given.rank, _given.place as row
          from _given
          cross join embeddings on embeddings.rowid = _given.row
          {matching if query.query.where else ""}
          where true
            {prefix_condition(query.query, "embeddings.id")}
        ),"""
        snippet = "(select snippet from _given where place = _best.row)"
        return Matches(sql, snippet, {**values, "most": most})
