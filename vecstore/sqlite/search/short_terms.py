"""Terms that FTS5 cannot find, with the tokenizer trigram: those of fewer than three characters.

Most words of Chinese and Japanese are so short. They are looked for in the texts themselves, as
they stand there, which takes longer, and are ranked together with what FTS5 finds: each is worth
its idf, what bm25 gives to a term that stands once in a text of average length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...keywords import Term, any_of
from ..index.tokenizers import is_case_sensitive, is_trigram
from ..index_names import KEYWORD_TABLE
from .given_rows import given_table

_TRIGRAM = 3  # characters
_BEFORE, _AFTER = 20, 40  # characters of a snippet, around what was found


class Place(NamedTuple):
    """Where the texts of a collection are.

    keywords: the FTS5 table
    texts: a table of rowid and content
    within: the SQL condition, of either table, that a text belongs to the collection
    """

    keywords: str
    texts: str
    within: str


@dataclass(frozen=True)
class Sought:
    """What is looked for by FTS5, and what in the texts, which its tokenizer decides.

    wanted: with what each is worth, its idf
    excluded: what is left out
    """

    tokenizer: str
    wanted: Sequence[tuple[Term, float]] = ()
    excluded: Sequence[Term] = ()

    def reads_texts(self) -> bool:
        """Return whether FTS5 alone does not find all of it, or not what is left out."""
        terms = [*(term for term, _ in self.wanted), *self.excluded]
        return any(is_short(term, self.tokenizer) for term in terms)

    def match(self) -> str:
        """Return the query of FTS5's for all of it, where FTS5 alone finds it."""
        return any_of((term for term, _ in self.wanted), self.excluded)

    def match_wanted(self) -> str:
        """Return the query of FTS5's for what it finds of what is wanted; empty for nothing."""
        return any_of(term for term, _ in self.wanted if not is_short(term, self.tokenizer))

    def match_excluded(self) -> str:
        """Return the query of FTS5's for what it finds of what is left out; empty for nothing."""
        return any_of(term for term in self.excluded if not is_short(term, self.tokenizer))

    def wanted_table(self) -> tuple[str, dict[str, Any]]:
        """Return the SQL of the table `_short` of words, is_folded and worth, and its values."""
        rows = [
            [*self._words(term), worth]
            for term, worth in self.wanted
            if is_short(term, self.tokenizer)
        ]
        return given_table("_short", ["words", "is_folded", "worth"], rows)

    def excluded_table(self) -> tuple[str, dict[str, Any]]:
        """Return the SQL of the table `_left_out` of words and is_folded, and its values."""
        short = [self._words(term) for term in self.excluded if is_short(term, self.tokenizer)]
        return given_table("_left_out", ["words", "is_folded"], short)

    def _words(self, term: Term) -> list[Any]:
        """Return the words, and whether upper and lower case are one: so are letters of ASCII.

        lower() knows no others, and takes a while.
        """
        lower, upper = term.words.encode().lower(), term.words.encode().upper()
        if lower == upper or is_case_sensitive(self.tokenizer):
            return [term.words, False]
        return [lower.decode(), True]

    def is_left_out_sql(self, place: Place) -> str:
        """Return the SQL condition that a text has what is left out."""
        conditions = []
        if self.match_excluded():
            conditions.append(
                # With +, or SQLite tries each of these with each id.
                f"""+texts.rowid in (
              select rowid
              from {place.keywords}
              where {KEYWORD_TABLE} match :_match_excluded
                and {place.within}
            )"""
            )
        if self.reads_texts():
            conditions.append(
                f"""exists (
              select 1
              from _left_out
              where {position_sql("_left_out")}
            )"""
            )
        return f"({' or '.join(conditions) or 'false'})"


def is_short(term: Term, tokenizer: str) -> bool:
    """Return whether FTS5 cannot find a term."""
    return len(term.words) < _TRIGRAM and is_trigram(tokenizer)


def position_sql(table: str) -> str:
    """Return the SQL for where a text has the words of a table, from 1 on; 0 for nowhere."""
    content = f"iif({table}.is_folded, lower(texts.content), texts.content)"
    return f"instr({content}, {table}.words)"


def count_sql(sought: Sought, texts: str) -> tuple[str, dict[str, Any]]:
    """Return the SQL that counts the texts which have each of the short terms, and its values."""
    table, values = sought.wanted_table()
    sql = f"""
        with {table}
        select (
          select count(*)
          from {texts} as texts
          where {position_sql("_short")}
        )
        from _short
        order by place
        """
    return sql, values


def scored_tables(
    sought: Sought, place: Place, *, joined: str = "", condition: str = ""
) -> tuple[str, dict[str, Any]]:
    """Return the SQL of the table `_scored` of row and rank, and of those before it; the values.

    :param joined: the SQL of joins to `texts`, of what is found
    :param condition: SQL that goes on with the condition which these are to meet
    """
    short, short_values = sought.wanted_table()
    left_out, left_out_values = sought.excluded_table()
    long = f"""select rowid, rank
          from {place.keywords}
          where {KEYWORD_TABLE} match :_match
            and {place.within}"""
    sql = f"""{short},
        {left_out},
        _long (row, rank) as materialized (
          {long if sought.match_wanted() else "select null, null where false"}
        ),
        _read (row, rank) as materialized (
          select texts.rowid, -sum(_short.worth)
          from _short
          cross join (
            select rowid, content
            from {place.texts}
            where {place.within}
          ) as texts
          where {position_sql("_short")}
          group by texts.rowid
        ),
        _summed as materialized (
          select row, sum(rank) as rank
          from (select row, rank from _long union all select row, rank from _read)
          group by row
        ),
        _scored as materialized (
          select _summed.row, _summed.rank
          from _summed
          cross join {place.texts} as texts on texts.rowid = _summed.row
          {joined}
          where not {sought.is_left_out_sql(place)}
            {condition}
        )"""
    values = {"match": sought.match_wanted(), "match_excluded": sought.match_excluded()}
    return sql, {**short_values, **left_out_values, **values}


def snippet_sql(sought: Sought, place: Place, row: str, snippet: str) -> str:
    """Return the SQL of a snippet: FTS5's, or else a part of the text around the first short term.

    :param row: the SQL of the row of a text
    :param snippet: the SQL of FTS5's, of a table `place.keywords` that MATCH finds the row in
    """
    fts5 = f"""(
            select {snippet}
            from {place.keywords}
            where {KEYWORD_TABLE} match :_match
              and rowid = {row}
          )"""
    # substr() ends at a NUL, which a text may have before what was found.
    around = f"""(
            select
              iif(at > {_BEFORE + 1}, '…', '')
              || substr(content, max(at - {_BEFORE}, 1), at - max(at - {_BEFORE}, 1))
              || :_before
              || coalesce(nullif(substr(content, at, length(words)), ''), words)
              || :_after
              || substr(content, at + length(words), {_AFTER})
              || iif(length(content) >= at + length(words) + {_AFTER}, '…', '')
            from (
              select texts.content, _short.words, {position_sql("_short")} as at
              from {place.texts} as texts
              cross join _short
              where texts.rowid = {row}
            )
            where at > 0
            order by at, length(words) desc
            limit 1
          )"""
    return f"coalesce({fts5}, {around})" if sought.match_wanted() else around
