"""Where the tables are made, and where that is refused."""

from urllib.parse import quote

import psycopg
import pytest

import vecstore


def test_a_database_of_another_encoding_is_refused(postgres_url):
    name = "vecstore_of_another_encoding"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            f"create database {name} encoding 'SQL_ASCII' template template0 locale 'C'"
        )
        try:
            own = connection.info.dbname
            url = postgres_url.replace(f"/{own}", f"/{name}")
            with pytest.raises(vecstore.DatabaseError, match="has the encoding SQL_ASCII"):
                vecstore.Collection("notes", url, model_id="none")
        finally:
            connection.execute(f"drop database {name} with (force)")


def test_a_schema_that_is_not_there_is_made_where_others_have_tables_too(postgres_url):
    first = vecstore.Collection("notes", postgres_url, model_id="none")
    first.add("a", [1.0])
    names = []
    for name in ("One", '"Two, %"'):
        url = f"{postgres_url}&options=-csearch_path%3D{quote(name.replace(' ', chr(92) + ' '))}"
        assert not vecstore.Collection.exists(url, "notes")
        other = vecstore.Collection("notes", url, model_id="none")
        names.append(other.store.connection().execute("select current_schema()").fetchone()[0])
        assert (other.count(), vecstore.Collection.exists(url, "notes")) == (0, True)
        other.add("b", [2.0])
        again = vecstore.Collection("notes", url)
        assert (again.ids(), again.vector("b")) == (["b"], [2.0])
    assert names == ["one", "Two, %"]
    assert first.ids() == ["a"]


def test_a_search_path_without_a_schema_that_can_be_made_is_an_error(postgres_url):
    vecstore.Collection("notes", postgres_url, model_id="none")
    url = f"{postgres_url}&options=-csearch_path%3D%24user"
    with pytest.raises(vecstore.DatabaseError, match="has the search_path '.*none of these schem"):
        vecstore.Collection("notes", url, model_id="none")
