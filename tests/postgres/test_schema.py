"""Where the tables are made, and where that is refused."""

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
