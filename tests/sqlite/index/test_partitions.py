"""Small collections share a partition of the index; those that grow get one of their own."""

import random
from contextlib import closing

import pytest

import vecstore
from tests.support.databases import rows
from tests.support.models import Pseudorandom, Vectors, pseudorandom
from vecstore import Collection
from vecstore.sqlite.index import building, tables

D = 32


@pytest.fixture
def few(monkeypatch):
    """Five rows are enough for a partition."""
    monkeypatch.setattr(tables, "partition_rows", lambda dimensions: 5)


def filled(db, name, number):
    collection = Collection(name, db, model=Pseudorandom())
    collection.embed_multi((f"{name}{n}", f"{name} {n}") for n in range(number))
    return collection


def owners(db, dimensions=D):
    """Return the collections that have a partition of their own."""
    found = f"select collection_id from vec_embeddings_{dimensions}_partitions order by 1"
    return [id for (id,) in rows(db, found)]


def chunks(db, dimensions=D):
    """Return the number of chunks of each partition."""
    return rows(
        db,
        f"""
        select partition00, count(*)
        from vec_embeddings_{dimensions}_chunks
        group by 1
        """,
    )


def expected(collection, text, number=3):
    """Return the ids of the nearest entries, by brute force in Python."""
    asked = pseudorandom(text, D)
    scored = [
        (-vecstore.cosine_similarity(asked, vecstore.decode(blob)), id)
        for id, blob in rows(
            collection.db,
            f"select id, embedding from embeddings where collection_id = {collection.id}",
        )
    ]
    return [id for _, id in sorted(scored)[:number]]


def found(collection, text, number=3, **conditions):
    return [entry.id for entry in collection.similar(text, number, **conditions)]


def nearest_by_raw_sql(db, collection, text, more=""):
    sql = f"""
        select ids.id
        from vec_embeddings_{D} as vectors
        join vec_embeddings_{D}_ids as ids on ids.rowid = vectors.rowid
        where vectors.embedding match ?
          and vectors.collection_id = {collection.id}
          and k = 3
          {more}
        order by vectors.distance, ids.id
    """
    vector = vecstore.encode(pseudorandom(text, D))
    return [id for (id,) in db.execute(sql, [vector]).fetchall()]


@pytest.mark.parametrize("dimensions", [384, 1536])
@pytest.mark.parametrize(("collections", "each"), [(60, 20), (150, 3)])
def test_small_collections_take_little_space(path, dimensions, collections, each):
    generator = random.Random(1)
    vector = " ".join(str(generator.uniform(-1, 1)) for _ in range(dimensions))
    with closing(vecstore.connect(path)) as db:
        for number in range(collections):
            collection = Collection(f"c{number}", db, model=Vectors())
            collection.embed_multi((n, f"{number}.{n} {vector[4:]}") for n in range(each))
        size = "select page_count * page_size from pragma_page_count, pragma_page_size"
        vectors = collections * each * dimensions * 4
        fixed = 250_000  # what the schema and the first chunks take in any file
        assert rows(db, size)[0][0] < 4 * vectors + fixed
        assert vecstore.compact(db).after < 2.5 * vectors + fixed


def test_small_collections_share_a_partition(db, few):
    filled(db, "one", 4)
    filled(db, "two", 4)
    assert owners(db) == []
    assert chunks(db) == [(0, 1)]


def test_a_collection_that_grows_gets_a_partition_of_its_own(db, few):
    one = filled(db, "one", 4)
    two = filled(db, "two", 4)
    assert one.explain("a").plan == "scan"
    before = found(one, "a"), found(two, "a")
    filled(db, "one", 5)
    assert owners(db) == [one.id]
    assert chunks(db) == [(0, 1), (one.id, 1)]
    assert one.explain("a").plan == "exact"
    assert two.explain("a").plan == "scan"
    assert (found(one, "a"), found(two, "a")) == (expected(one, "a"), before[1])
    assert vecstore.check(db).problems == []


@pytest.mark.parametrize("number", [4, 5, 6, 40])
def test_a_search_finds_the_same_in_either_partition(db, few, number):
    filled(db, "other", 30)
    one = filled(db, "one", number)
    for text in ("a", "b", "c"):
        assert found(one, text) == expected(one, text)
        assert found(one, text, exact=True) == expected(one, text)
        assert found(one, text, number + 1) == expected(one, text, number + 1)
        kept = [id for id in expected(one, text, number) if id != "one2"][:3]
        assert found(one, text, where="id <> 'one2'") == kept


def test_sql_of_the_users_own_finds_both_kinds(db, few):
    small, large = filled(db, "small", 4), filled(db, "large", 30)
    assert owners(db) == [large.id]
    for collection in (small, large):
        for more in ("", f"and vectors.partition_id in (0, {collection.id})"):
            found = nearest_by_raw_sql(db, collection, "a", more)[:3]
            assert found == expected(collection, "a")


def test_what_raw_sql_has_added_is_moved_by_the_next_search(db, few):
    one = filled(db, "one", 1)
    db["embeddings"].insert_all(
        {
            "collection_id": one.id,
            "id": f"raw{n}",
            "embedding": vecstore.encode(pseudorandom(str(n), D)),
        }
        for n in range(6)
    )
    assert owners(db) == []
    assert found(one, "a") == expected(one, "a")
    assert owners(db) == [one.id]
    assert one.explain("a").plan == "exact"


def test_an_import_gives_a_partition(db, few, tmp_path):
    one = filled(db, "one", 6)
    vecstore.export_collection(db, "one", tmp_path / "one.jsonl")
    with closing(vecstore.connect(tmp_path / "other.db")) as other:
        vecstore.import_collection(other, tmp_path / "one.jsonl")
        imported = Collection("one", other)
        assert owners(other) == [imported.id]
        imported._model = one.model()
        assert found(imported, "a") == expected(one, "a")


@pytest.mark.parametrize("rebuild", [vecstore.build_index, vecstore.compact])
def test_an_index_that_is_built_anew_has_the_partitions_that_the_rows_need(db, few, rebuild):
    shrunk, grown = filled(db, "shrunk", 6), filled(db, "grown", 1)
    shrunk.delete_ids(["shrunk1", "shrunk2"])
    db.execute(
        """
        insert into embeddings (collection_id, id, embedding)
        select ?, id, embedding
        from embeddings
        where collection_id = ?
        """,
        [grown.id, shrunk.id],
    )
    if db.conn.in_transaction:
        db.conn.commit()
    assert owners(db) == [shrunk.id]
    rebuild(db)
    assert owners(db) == [grown.id]
    assert vecstore.check(db).problems == []


def test_the_collection_with_the_id_of_the_shared_partition_never_gets_one(db, few):
    filled(db, "other", 4)
    db.execute("insert into collections (id, name, model) values (0, 'zero', 'pseudorandom')")
    if db.conn.in_transaction:
        db.conn.commit()
    zero = filled(db, "zero", 9)
    assert zero.id == 0
    assert owners(db) == []
    assert found(zero, "a") == expected(zero, "a")
    vecstore.build_index(db)
    assert owners(db) == []
    assert found(zero, "a") == expected(zero, "a")


def test_a_search_does_not_wait_for_a_writer_to_move_a_collection(path, few, monkeypatch):
    with closing(vecstore.connect(path)) as db, closing(vecstore.connect(path)) as writer:
        one = filled(db, "one", 4)
        db.execute(
            """
            insert into embeddings (collection_id, id, embedding)
            select collection_id, 'more' || id, embedding
            from embeddings
            """
        )
        if db.conn.in_transaction:
            db.conn.commit()
        monkeypatch.setattr(
            vecstore.sqlite.connection.locks.time, "sleep", None
        )  # who sleeps fails
        writer.execute("begin immediate")
        assert found(one, "a") == expected(one, "a")
        assert owners(db) == []
        writer.rollback()
        assert found(one, "a") == expected(one, "a")
        assert owners(db) == [one.id]


def test_a_read_only_file_is_scanned(path, few):
    with closing(vecstore.connect(path)) as db:
        one = filled(db, "one", 4)
        db.execute(
            "insert into embeddings (collection_id, id, embedding) "
            "select collection_id, 'more' || id, embedding from embeddings"
        )
        if db.conn.in_transaction:
            db.conn.commit()
        expected_ids = expected(one, "a")
    with closing(vecstore.connect(path, read_only=True)) as db:
        one = Collection("one", db, model=Pseudorandom())
        assert found(one, "a") == expected_ids
        assert one.explain("a").plan == "scan"


def test_a_scan_leaves_out_what_cannot_be_compared(db):
    """A vector whose square overflows is at the distance 1, as is one at a right angle."""
    collection = Collection("one", db, model=Vectors())
    collection.embed_multi([("near", "1 0"), ("right angle", "0 1"), ("opposite", "-1 0")])
    for id, vector in (("overflow", [3e38, 3e38]), ("nan", [float("nan"), 1]), ("zero", [0, 0])):
        db["embeddings"].insert(
            {"collection_id": collection.id, "id": id, "embedding": vecstore.encode(vector)}
        )
    entries = collection.similar("1 0")
    assert collection.explain("1 0").plan == "scan"
    assert [(entry.id, entry.score) for entry in entries] == [
        ("near", 1.0),
        ("right angle", 0.0),
        ("opposite", -1.0),
    ]
    assert building.index_exists(db, 2)
