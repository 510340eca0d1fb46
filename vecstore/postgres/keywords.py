"""What keywords find: the words of a query as the texts have them, and how many texts have each.

`embeddings.keywords` has the words of each text, with their positions, and an index finds texts by
them. The ranking is bm25, as FTS5 computes it.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..keywords import Term
from .connection import PostgresDatabase

_FREQUENT_SHARE, _FREQUENT = 0.2, 1000  # of all texts, and how many at least, have a frequent term
_MOST_COUNTED = 10_000  # rows, of a table whose texts are counted; of a larger one some are
_SAMPLED = 5000
_K1, _B = 1.2, 0.75  # of bm25, as in FTS5
_MOST_OF_IDF = _K1 + 1  # a term in a text is worth less than so many times its idf


class SoughtTerm(NamedTuple):
    """A term as it is looked up.

    words: of each of its words, the lexemes of which any will do; without any, it is in no text
    """

    term: Term
    words: tuple[tuple[str, ...], ...]

    @property
    def query(self) -> str:
        """The text of a tsquery; "" where there is nothing to look for."""
        last = len(self.words) - 1
        return " <-> ".join(
            _any_lexeme(lexemes, self.term.is_beginning and place == last)
            for place, lexemes in enumerate(self.words)
        )


class Totals(NamedTuple):
    """How many texts there are, in whatever collection, and how many words they have."""

    texts: float
    words: float


class Worth(NamedTuple):
    """A term, how many texts have it, and its inverse document frequency, as FTS5 has that."""

    sought: SoughtTerm
    texts: int
    idf: float


def _any_lexeme(lexemes: Sequence[str], is_beginning: bool) -> str:
    mark = ":*" if is_beginning else ""
    return "({})".format(" | ".join(f"{_quoted(lexeme)}{mark}" for lexeme in lexemes))


def _quoted(lexeme: str) -> str:
    return "'{}'".format(lexeme.replace("\\", "\\\\").replace("'", "''"))


def any_of(terms: Iterable[SoughtTerm], excluded: Iterable[SoughtTerm] = ()) -> str:
    """Return the text of the tsquery for any of some terms, without what is left out."""
    wanted, unwanted = (
        " | ".join(f"({query})" for term in of if (query := term.query)) for of in (terms, excluded)
    )
    return f"({wanted}) & !({unwanted})" if wanted and unwanted else wanted


def look_up(db: PostgresDatabase, terms: Sequence[Term]) -> list[SoughtTerm]:
    """Return terms with their words as a text would have them."""
    rows = db.rows(
        """
        select
          place - 1,
          vecstore_plain(words),
          array(
            select lexeme
            from unnest(vecstore_keywords(words))
            cross join unnest(positions) as position
            order by position
          )
        from unnest(%s::text[]) with ordinality as given (words, place)
        """,
        [[term.words.replace("\0", " ") for term in terms]],
    )
    return [_sought(terms[place], plain, lexemes) for place, plain, lexemes in rows]


def _sought(term: Term, plain: str, lexemes: Sequence[str]) -> SoughtTerm:
    words: list[tuple[str, ...]] = [(lexeme,) for lexeme in lexemes]
    if words and term.is_beginning:
        # A stem need not be how a word begins: "bicy" has "bici".
        words[-1] = tuple(dict.fromkeys((lexemes[-1], plain.split()[-1])))
    return SoughtTerm(term, tuple(words))


def count_all(db: PostgresDatabase) -> Totals:
    """Return the totals of all texts; of a large table, as the planner and a sample tell."""
    rows = 0 if db.is_on_shards() else _planned_rows(db)  # of shards, there are no samples
    share = 1.0 if rows <= _MOST_COUNTED else _SAMPLED / rows
    sample = "" if share == 1 else f"tablesample system ({100 * share:.9f}) repeatable (0)"
    [[read, texts, words]] = db.rows(
        f"""
        select count(*), count(keyword_count), coalesce(sum(keyword_count), 0)
        from embeddings {sample}
        """
    )
    times = rows / read if sample and read else 1.0
    return Totals(times * texts, times * words)


def _planned_rows(db: PostgresDatabase) -> int:
    [[[explained]]] = db.rows("explain (format json) select from embeddings")
    return int(explained["Plan"]["Plan Rows"])


def weigh(db: PostgresDatabase, terms: Sequence[SoughtTerm], totals: Totals) -> list[Worth]:
    """Return what each term is worth."""
    counts = _count_texts(db, [term.query for term in terms])
    worths = []
    for place, term in enumerate(terms):
        number = counts.get(place, 0)
        worths.append(Worth(term, number, _idf(number, totals.texts)))
    return worths


def _count_texts(db: PostgresDatabase, queries: list[str]) -> dict[int, int]:
    """Return how many texts each query that is not empty finds, by its place."""
    if db.is_on_shards():  # to which no query can be joined
        sql = "select count(*) from embeddings where keywords @@ %s::tsquery"
        return {n: db.rows(sql, [query])[0][0] for n, query in enumerate(queries) if query}
    return dict(
        db.rows(
            """
            select place - 1, (
              select count(*)
              from embeddings
              where keywords @@ query::tsquery
            )
            from unnest(%s::text[]) with ordinality as given (query, place)
            where query <> ''
            """,
            [queries],
        )
    )


def _idf(number: int, total: float) -> float:
    """Return the inverse document frequency of a term, as FTS5 has it: never 0."""
    return max(math.log((max(total, number) - number + 0.5) / (number + 0.5)), 1e-6)


def rare_ones(worths: Sequence[Worth], totals: Totals) -> list[Worth]:
    """Return those that are in some texts, and not in very many.

    A term that very many texts have tells little, and it takes the longer, the more there are.
    """
    frequent = max(_FREQUENT_SHARE * totals.texts, _FREQUENT)
    return [worth for worth in worths if 0 < worth.texts <= frequent]


def most_bm25(worths: Sequence[Worth]) -> float:
    """Return what the bm25 of a text cannot exceed."""
    return _MOST_OF_IDF * sum(worth.idf for worth in worths if worth.sought.words)


def sought_table(worths: Sequence[Worth]) -> tuple[str, dict[str, object]]:
    """Return the SQL of the table `_sought` of all lexemes, to begin a WITH clause; its values."""
    rows = [
        (number, place, lexeme, worth.sought.term.is_beginning and place == length - 1, length, idf)
        for number, worth in enumerate(worths)
        for idf, length in [(worth.idf, len(worth.sought.words))]
        for place, lexemes in enumerate(worth.sought.words)
        for lexeme in lexemes
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(6)]
    names = ("term", "place", "lexeme", "is_beginning", "length", "idf")
    types = ("int", "int", "text", "bool", "int", "float8")
    given = ", ".join(
        f"%(_sought_{name})s::{type}[]" for name, type in zip(names, types, strict=True)
    )
    sql = f"""_sought as materialized (
          select *
          from unnest({given}) as given ({", ".join(names)})
        ),"""
    return sql, {f"_sought_{name}": c for name, c in zip(names, columns, strict=True)}


def instances_sql(worths: Sequence[Worth], text: str) -> str:
    """Return the SQL of where a text has each term: its number, and the position of its first word.

    :param text: the name of a table that has the row of the text
    """
    return f"""
            select _sought.term, _sought.idf, position - _sought.place as position
            from unnest({_words_sql(worths, text)}) as word
            cross join _sought
            cross join unnest(word.positions) as position
            where case
              when _sought.is_beginning then starts_with(word.lexeme, _sought.lexeme)
              else word.lexeme = _sought.lexeme
            end
            group by _sought.term, _sought.idf, _sought.length, position - _sought.place
            having count(distinct _sought.place) = _sought.length"""


def _words_sql(worths: Sequence[Worth], text: str) -> str:
    """Return the SQL of the words of a text that may be in a term."""
    if any(worth.sought.term.is_beginning for worth in worths):
        return f"{text}.keywords"
    # Those that have the weight A: no others have it.
    lexemes = "array(select lexeme from _sought)"
    return f"ts_filter(setweight({text}.keywords, 'A', {lexemes}), '{{a}}')"


def bm25_sql(worths: Sequence[Worth], text: str) -> str:
    """Return the SQL of the bm25 of a text, the more the better; `%(_mean_words)s` is a value.

    :param text: the name of a table that has the row of the text
    """
    if any(len(worth.sought.words) > 1 or worth.sought.term.is_beginning for worth in worths):
        found = f"""
              select term, idf, count(*) as number
              from ({instances_sql(worths, text)}
              )
              group by term, idf"""
    else:
        found = f"""
              select _sought.term, _sought.idf, cardinality(word.positions) as number
              from unnest({_words_sql(worths, text)}) as word
              join _sought on _sought.lexeme = word.lexeme"""
    length = f"{text}.keyword_count / %(_mean_words)s::float8"
    return f"""(
            select sum(
              idf * number * {_MOST_OF_IDF} / (number + {_K1} * ({1 - _B} + {_B} * {length}))
              order by term
            )
            from ({found}
            )
          )"""
