"""A collection on PostgreSQL is embedded again: what is kept, what is refused, who notices."""

import pytest

import vecstore
from tests.support.loads import Refusing, numbered
from tests.support.models import Pseudorandom, WordLengths, pseudorandom
from vecstore import Collection, DoesNotExist, InvalidInputError, ModelMismatchError
from vecstore.collection import store_of
from vecstore.postgres.store import PostgresStore

ENTRIES = [
    ("a", "one two", {"n": 1}),
    ("b", "three", None),
    ("", "the empty id", {"b": 1, "a": [True, None, "ü"]}),
    ("d", "one two", None),
]


class Counting(Pseudorandom):
    """Counts what it embeds, bytes too, and calls the next of some functions before each."""

    supports_binary = True

    def __init__(self, *works):
        self.works = list(works)
        self.embedded = []

    def embed_batch(self, items):
        for item in items:
            if self.works:
                self.works.pop(0)()
            self.embedded.append(item)
            yield pseudorandom(str(item), self.dimensions)


@pytest.fixture
def pets(postgres_url):
    pets = Collection("pets", postgres_url, model=WordLengths())
    pets.embed_multi_with_metadata(ENTRIES, store=True)
    yield pets
    store_of(pets).close()


@pytest.fixture
def other(pets, postgres_url):
    """The same collection, of another connection."""
    other = Collection("pets", postgres_url, model=WordLengths())
    yield other
    store_of(other).close()


def rows(collection, sql, args=()):
    return store_of(collection).db.rows(sql, args)


def kept(collection):
    return rows(
        collection,
        """
        select id, content, content_blob, content_hash, metadata::text
        from embeddings
        where collection_id = %s
        order by id
        """,
        [collection.id],
    )


def names(collection):
    return rows(collection, "select name, model from collections order by id")


def vectors(collection):
    return dict(
        rows(
            collection,
            "select id, embedding from embeddings where collection_id = %s",
            [collection.id],
        )
    )


def old_of(collection):
    return Collection("pets@word-lengths", store_of(collection))


def assert_embedded_by_pseudorandom(collection):
    assert vectors(collection) == {
        entry.id: vecstore.encode(pseudorandom(entry.content, 32)) for entry in collection
    }


def test_the_new_vectors_take_the_place_of_the_old_ones_and_all_else_is_the_same(pets):
    before = kept(pets), vectors(pets)
    model = Counting()
    report = pets.reembed(model)
    assert report == vecstore.ReembedReport(
        4, embedded=3, reused=1, old_name="pets@word-lengths", agreement=1.0, sampled=4, nearest=3
    )
    assert sorted(model.embedded) == ["one two", "the empty id", "three"]
    assert names(pets) == [("pets@word-lengths", "word-lengths"), ("pets", "pseudorandom")]
    assert (kept(old_of(pets)), vectors(old_of(pets))) == before
    assert kept(pets) == before[0]
    assert_embedded_by_pseudorandom(pets)


def test_the_old_collection_is_deleted_in_the_same_transaction(pets):
    assert pets.reembed(Counting(), drop_old=True).old_name is None
    assert names(pets) == [("pets", "pseudorandom")]
    assert rows(pets, "select count(*) from embeddings") == [(4,)]
    assert_embedded_by_pseudorandom(pets)


def test_binary_content_and_content_in_both_columns_stay_as_they_are(pets):
    pets.embed("bytes", b"\xff\x00", store=True)
    store_of(pets).db.run("update embeddings set content_blob = 'w' where id = 'a'")
    before = kept(pets)
    pets.reembed(Counting())
    assert kept(pets) == before


def test_a_hash_that_is_missing_is_made(pets):
    store_of(pets).db.run("update embeddings set content_hash = null where id = 'b'")
    pets.reembed(Counting())
    assert [row[3] for row in kept(pets)] == [
        vecstore.content_hash(text) for text in ("the empty id", "one two", "three", "one two")
    ]


def test_entries_without_stored_content_are_named_before_anything_is_sent(pets):
    pets.embed_multi([(f"n{n}", f"not stored {n}") for n in range(6)])
    pets.embed("bytes", b"123", store=True)
    model = Counting()
    model.supports_binary = False
    with pytest.raises(InvalidInputError) as caught:
        pets.reembed(model)
    assert str(caught.value).startswith(
        "Of 11 entries of 'pets', the model 'pseudorandom' cannot embed 6 without stored content "
        "and 1 of binary content ('bytes', 'n0', 'n1', 'n2', 'n3', ...): "
    )
    assert model.embedded == []
    report = pets.reembed(model, on_error="skip")
    assert (report.entries, report.left_out) == (4, 7)
    assert old_of(pets).count() == 11


def test_a_name_that_is_taken_is_an_error_before_anything_is_sent(pets):
    Collection("pets@word-lengths", store_of(pets), model=WordLengths())
    model = Counting()
    with pytest.raises(InvalidInputError, match="is to be kept as 'pets@word-lengths', and there"):
        pets.reembed(model)
    assert model.embedded == []


class Stopping(Counting):
    """Fails after so many texts, as a provider does."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def embed_batch(self, items):
        for vector in super().embed_batch(items):
            if len(self.embedded) > self.most:
                raise vecstore.ModelError("no more for now")
            yield vector


def test_a_call_that_failed_is_gone_on_with_and_sends_nothing_twice(postgres_url):
    pets = Collection("pets", postgres_url, model=WordLengths())
    pets.embed_multi(numbered(95), store=True)
    sent = []
    for _ in range(3):
        model = Stopping(30)
        with pytest.raises(vecstore.ModelError, match="no more for now"):
            pets.reembed(model, batch_size=10)
        sent += model.embedded[:-1]
        assert [name for name, _ in names(pets)] == ["pets", "pets@pseudorandom (unfinished)"]
    report = pets.reembed(model := Counting())
    assert (report.entries, report.embedded) == (95, 5)
    assert sorted([*sent, *model.embedded]) == sorted(text for _, text in numbered(95))
    assert_embedded_by_pseudorandom(pets)
    store_of(pets).close()


def test_nothing_stays_of_a_model_that_fails_from_the_start(pets):
    with pytest.raises(vecstore.ModelError):
        pets.reembed(Stopping(0))
    assert names(pets) == [("pets", "word-lengths")]


def test_a_refused_entry_is_only_in_the_old_collection(postgres_url):
    pets = Collection("pets", postgres_url, model=Counting())
    pets.embed_multi([("a", "good"), ("b", "bad"), ("c", "better")], store=True)
    refused = []
    report = pets.reembed(Refusing(), on_error=lambda id, error: refused.append(id))
    assert (report.entries, report.failed, report.embedded) == (2, 1, 2)
    assert refused == ["b"]
    old = Collection("pets@pseudorandom", store_of(pets))
    assert [row[0] for row in kept(old)] == ["a", "b", "c"]
    store_of(pets).close()


def test_what_others_add_replace_and_delete_is_in_the_new_collection(pets, other):
    pets.embed_multi([("e", "five"), ("f", "six")], store=True)
    model = Counting(
        lambda: other.embed("a", "replaced", store=True),
        lambda: other.delete_ids(["b"]),
        lambda: other.embed("g", "added", store=True),
        lambda: other.embed_multi_with_metadata([("d", "one two", {"n": "changed"})], store=True),
        lambda: other.embed("h", "added in the second round", store=True),
    )
    pets.reembed(model, batch_size=2)
    assert model.works == []
    assert kept(pets) == kept(old_of(pets))
    assert [row[0] for row in kept(pets)] == ["", "a", "d", "e", "f", "g", "h"]
    assert_embedded_by_pseudorandom(pets)


def test_content_that_sql_changes_under_its_old_hash_is_embedded_again(pets, other):
    change = "update embeddings set content = 'new' where id = 'b' and collection_id = 1"
    model = Counting(*[lambda: None] * 2, lambda: store_of(other).db.run(change))
    pets.reembed(model, batch_size=1)
    assert model.embedded[-1] == "new"
    assert vectors(pets)["b"] == vecstore.encode(pseudorandom("new", 32))


def test_another_connection_that_has_it_open_gets_a_clear_error(pets, other):
    pets.reembed(Counting())
    for work in (other.count, lambda: other.embed("x", "y")):
        with pytest.raises(ModelMismatchError, match="is one of 'pseudorandom' now: open it again"):
            work()


def test_another_connection_gets_one_also_where_the_model_is_the_same(pets, other):
    pets.reembed(WordLengths(), again=True)
    with pytest.raises(DoesNotExist, match="with the id 2 in place of 1: open it again"):
        other.count()


def test_the_prefixes_of_the_new_one_are_its_own(pets):
    pets.reembed(Counting(), query_prefix="q: ", document_prefix="d: ", drop_old=True)
    assert (pets.query_prefix, pets.document_prefix) == ("q: ", "d: ")
    assert vectors(pets)["b"] == vecstore.encode(pseudorandom("d: three", 32))


@pytest.mark.parametrize(
    ("number", "ids"),
    [(1, ["00000"]), (4, ["00000", "00003", "00005", "00008"]), (10, None), (99, None)],
)
def test_a_sample_is_of_all_parts_of_a_collection(postgres_url, number, ids):
    pets = Collection("pets", postgres_url, model=WordLengths())
    pets.embed_multi(numbered(10))
    store = store_of(pets)
    assert isinstance(store, PostgresStore)
    expected = ids or [id for id, _ in numbered(10)]
    file = Collection("pets", model=WordLengths())
    file.embed_multi(numbered(10))
    assert store_of(file).sample_ids(file.row, number) == expected
    assert store.sample_ids(pets.row, number) == expected
    file.db.close()
    store.close()
