"""`vecstore check` of a PostgreSQL database: what another program may have done to it."""

import json

import psycopg
import pytest

from tests.support.chunked import lines
from tests.support.command import error, output, run
from tests.support.models import Vectors, WordLengths
from vecstore import Collection
from vecstore.postgres import checks


@pytest.fixture
def pets(postgres_url):
    pets = Collection("pets", postgres_url, model=WordLengths())
    pets.embed_multi(
        [("hound", "my happy hound"), ("cat", "a cat"), ("fish", b"\0\xff")], store=True
    )
    return pets


def run_sql(url, *statements):
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def found(url, *options):
    """Return the report of a check, without where and how many."""
    result = run("check", url, "--json", *options)
    report = json.loads(result.stdout)
    assert result.exit_code == (0 if report["ok"] else 1)
    return report["problems"], report["notes"]


def test_a_sound_database(pets, postgres_url):
    assert output("check", postgres_url) == (
        f"{postgres_url}: 3 embeddings in 1 collection\nNo problems\n"
    )
    assert json.loads(output("check", "-d", postgres_url, "--json")) == {
        "ok": True,
        "file": postgres_url,
        "collections": 1,
        "embeddings": 3,
        "problems": [],
        "notes": [],
        "form": None,
    }


def test_a_database_without_tables(postgres_url):
    assert error("check", postgres_url) == (
        f"{postgres_url} has no tables of vecstore: there is nothing to check"
    )


def test_rows_that_no_search_finds_are_noted(pets, postgres_url):
    run_sql(
        postgres_url,
        "update embeddings set embedding = null where id = 'cat'",
        "update embeddings set embedding = '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]' where id = 'fish'",
    )
    assert output("check", postgres_url) == (
        f"{postgres_url}: 3 embeddings in 1 collection\n"
        "Note: 2 rows have no vector, or one that cannot be compared (zeros, NaN, infinity): no "
        "search finds them ('cat' of 'pets', 'fish' of 'pets')\n"
        "No problems\n"
    )


def test_vectors_of_several_dimensions(pets, postgres_url):
    run_sql(postgres_url, "update embeddings set embedding = '[1,2]' where id = 'cat'")
    result = run("check", postgres_url)
    remedy = (
        "update embeddings set embedding = null where collection_id = 1 and "
        "vector_dims(embedding) <> 16"
    )
    assert (result.exit_code, result.stdout) == (
        1,
        f"{postgres_url}: 3 embeddings in 1 collection\n"
        "Problem: The vectors of 'pets' have several dimensions (2 of 16, 1 of 2): a search finds "
        "those of one\n"
        f"  embed the others again, after: {remedy}\n"
        "1 problem\n",
    )
    run_sql(postgres_url, remedy)
    assert found(postgres_url)[0] == []


def test_content_that_is_not_what_was_embedded(pets, postgres_url):
    run_sql(
        postgres_url,
        "update embeddings set content = 'my wet hound' where id = 'hound'",
        "update embeddings set content_blob = '\\x01' where id = 'fish'",
    )
    [problem], notes = found(postgres_url)
    assert notes == []
    assert problem == {
        "kind": "content",
        "message": "The content of 2 rows of 'pets' is not what was embedded: its hash is another",
        "remedy": "embed these again",
        "count": 2,
        "examples": [["pets", "fish"], ["pets", "hound"]],
    }


def test_hashes_of_another_function_are_a_note(pets, postgres_url):
    run_sql(postgres_url, "update embeddings set content_hash = '\\x0102'")
    problems, [note] = found(postgres_url)
    assert (problems, note["kind"], note["count"]) == ([], "content", 3)


def test_chunks_with_their_headings_are_what_was_embedded(postgres_url):
    docs = Collection("docs", postgres_url, model=WordLengths())
    text = "# Pets\n\nmy happy hound\n\n## Cats\n\nmy dissatisfied cat\n"
    docs.embed_documents([("a.md", text)], lines)
    assert found(postgres_url) == ([], [])


def test_missing_keys_and_indexes(pets, postgres_url):
    run_sql(
        postgres_url,
        "DROP INDEX embeddings_content_hash",
        "DROP INDEX embeddings_keywords",
        "ALTER TABLE embeddings DROP CONSTRAINT embeddings_collection_id_fkey",
        "insert into embeddings (collection_id, id) values (99, 'lost')",
    )
    problems, notes = found(postgres_url)
    assert [problem["message"] for problem in problems] == [
        "embeddings_content_hash is missing, of the tables' keys and indexes",
        "embeddings_collection_id_fkey is missing, of the tables' keys and indexes",
        "embeddings_keywords is missing, of the tables' keys and indexes",
        "1 row is of no collection",
    ]
    assert [note["count"] for note in notes] == [1]  # that it has no vector
    *ddl, lost = (problem["remedy"] for problem in problems)
    run_sql(postgres_url, lost, *ddl)
    assert found(postgres_url) == ([], [])


def test_a_large_collection_without_an_index_is_noted(postgres_url, monkeypatch):
    monkeypatch.setattr(checks, "WORTH_AN_INDEX", 3)
    few = Collection("few", postgres_url, model=Vectors())
    few.embed_multi([("1", "1 0"), ("2", "1 1")])
    many = Collection("many", few.store, model=Vectors())
    many.embed_multi([("1", "1 0"), ("2", "1 1"), ("3", "0 1")])
    problems, [note] = found(postgres_url)
    assert problems == []
    assert note["message"] == (
        "'many' has 3 vectors and no HNSW index: a search compares all of them"
    )
    assert note["remedy"] == "vecstore index build --graph many"
    assert output("index", "build", postgres_url).startswith("many: 2 dimensions, an HNSW index of")
    assert found(postgres_url) == ([], [])


def test_an_index_that_is_not_valid(pets, postgres_url):
    output("index", "build", postgres_url, "--graph", "pets")
    run_sql(
        postgres_url,
        "update pg_index set indisvalid = false "
        "where indexrelid in ('vecstore_hnsw_1_16'::regclass, 'embeddings_content_hash'::regclass)",
    )
    problems, _ = found(postgres_url)
    assert [(problem["message"], problem["remedy"]) for problem in problems] == [
        (
            "The index embeddings_content_hash is not valid",
            "REINDEX INDEX embeddings_content_hash",
        ),
        (
            "The HNSW index vecstore_hnsw_1_16 of 'pets' is not valid, or is being built now",
            "vecstore index build --graph pets",
        ),
    ]
    assert output("index", "list", postgres_url).endswith(
        ", not valid: 'vecstore index build' mends it\n"
    )
    output("index", "build", postgres_url)
    run_sql(postgres_url, "REINDEX INDEX embeddings_content_hash")
    assert found(postgres_url) == ([], [])


def test_a_sample_is_embedded_again(registered, postgres_url):
    pets = Collection("pets", postgres_url, model=registered)
    pets.embed_multi([(str(n), f"{'a' * n} b") for n in range(1, 60)], store=True)
    assert [note["message"] for note in found(postgres_url, "--model")[1]] == [
        "'word-lengths' gives the same vectors for 20 entries of 'pets'"
    ]
    assert len(registered.embedded) == 59 + 20
    run_sql(postgres_url, "update embeddings set embedding = '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,9]'")
    [problem], _ = found(postgres_url, "--model")
    assert problem["message"].startswith(
        "'word-lengths' gives 20 of 20 entries of 'pets' another vector than they have"
    )


def test_an_older_schema_and_an_older_pgvector_are_notes(pets, postgres_url):
    run_sql(
        postgres_url,
        "delete from vecstore_migrations where name = '0003_related'",
        "update pg_extension set extversion = '0.8.0' where extname = 'vector'",
    )
    problems, notes = found(postgres_url)
    assert problems == []
    assert [note["kind"] for note in notes] == ["schema", "server"]
    assert notes[0]["message"] == "The schema is older (0003_related missing)"
    assert notes[1]["message"].startswith("The database has pgvector 0.8.0, and its server ")


def test_a_pgvector_that_is_too_old_is_a_problem(pets, postgres_url):
    run_sql(postgres_url, "update pg_extension set extversion = '0.7.4' where extname = 'vector'")
    [problem], _ = found(postgres_url)
    assert problem["kind"] == "server"
    assert "has pgvector 0.7.4, and vecstore needs 0.8 or later" in problem["message"]
