"""The ways to search a collection that are compared, each a function from a text to ids."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial

import sqlite_utils

import vecstore
from vecstore.query import SearchMode

from .measures import CUTOFF

SEARCH_MODES: tuple[SearchMode, ...] = ("similar", "keywords", "hybrid")

Mode = Callable[[str], list[str]]

TOKENIZER = "porter unicode61 remove_diacritics 2"


@contextmanager
def modes(collection: vecstore.Collection, texts: Mapping[str, str]) -> Iterator[dict[str, Mode]]:
    """Give a block the modes of a collection by their names, and SQLite's FTS5 by itself."""
    with closing(PlainKeywords(texts)) as plain:
        yield {
            **{mode: partial(search, collection, mode) for mode in SEARCH_MODES},
            "FTS5 alone": plain.search,
        }


def search(collection: vecstore.Collection, mode: SearchMode, text: str) -> list[str]:
    """Return the ids of the first results of Collection.search(), with its defaults."""
    return [result.id for result in collection.search(text, CUTOFF, mode=mode)]


class PlainKeywords:
    """A table of FTS5's that is asked for any of a text's words, best first: what to be at least.

    Each word is quoted; one with a hyphen or a full stop inside is a phrase.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.conn = sqlite_utils.Database(memory=True).conn
        self.conn.execute(
            f"""
            CREATE VIRTUAL TABLE texts USING fts5(id UNINDEXED, content, tokenize='{TOKENIZER}')
            """
        )
        self.conn.executemany("insert into texts values (?, ?)", texts.items())
        self.conn.execute("insert into texts (texts) values ('optimize')")

    def search(self, text: str) -> list[str]:
        words = dict.fromkeys(word for word in text.split() if any(map(str.isalnum, word)))
        any_word = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
        found = self.conn.execute(
            """
            select id
            from texts
            where texts match ?
            order by rank
            limit ?
            """,
            (any_word or '""', CUTOFF),
        )
        return [id for (id,) in found]

    def close(self) -> None:
        self.conn.close()
