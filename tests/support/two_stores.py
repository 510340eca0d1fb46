"""The same collection in a file and in PostgreSQL, whose answers are to be alike."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

import vecstore
from vecstore import Collection, EmbeddingModel
from vecstore.stores import open_store


@contextmanager
def collections_in_both(
    postgres_url: str, model: EmbeddingModel, name: str = "test"
) -> Iterator[list[Collection]]:
    """Give an empty collection in memory, and one in PostgreSQL."""
    with closing(vecstore.connect()) as db, closing(open_store(postgres_url)) as store:
        yield [Collection(name, place, model=model) for place in (db, store)]


def approximate(results: list[vecstore.SearchResult]) -> list[Any]:
    """Return results as tuples that those of another store equal."""
    return [
        (
            each.id,
            pytest.approx(each.score, abs=1e-5),
            each.content,
            each.metadata,
            each.similar_rank,
            pytest.approx(each.similar_score, abs=1e-5),
            each.keyword_rank,
            pytest.approx(each.keyword_score, abs=1e-5),
            each.snippet,
        )
        for each in results
    ]
