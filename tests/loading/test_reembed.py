"""A collection is embedded again by another model: what is kept, what is refused, who notices."""

import subprocess
import sys
from contextlib import closing as closed

import pytest

import vecstore
from tests.support.databases import rows
from tests.support.loads import Refusing, numbered
from tests.support.models import Pseudorandom, Vectors, WordLengths, pseudorandom
from vecstore import Collection, DoesNotExist, InvalidInputError, ModelMismatchError

ENTRIES = [
    ("a", "one two", {"n": 1}),
    ("b", "three", None),
    ("", "the empty id", {"b": 1, "a": [True, None, "ü"]}),
    ("d", "one two", None),
]
KEPT = "select id, content, content_blob, content_hash, metadata from embeddings"


class Counting(Pseudorandom):
    """Counts what it embeds, bytes too."""

    supports_binary = True

    def __init__(self):
        self.embedded = []

    def embed_batch(self, items):
        for item in items:
            self.embedded.append(item)
            yield pseudorandom(str(item), self.dimensions)


def fill(db, entries=ENTRIES):
    collection = Collection("pets", db, model=WordLengths())
    collection.embed_multi_with_metadata(entries, store=True)
    return collection


def kept(db, collection_id):
    return rows(db, f"{KEPT} where collection_id = ? order by id", [collection_id])


def names(db):
    return rows(db, "select id, name, model from collections order by id")


def assert_embedded_by_pseudorandom(collection):
    """Assert that each vector is the one of the stored content, in table and index."""
    for entry in collection:
        assert collection.db.execute(
            "select embedding from embeddings where collection_id = ? and id = ?",
            [collection.id, entry.id],
        ).fetchone() == (vecstore.encode(pseudorandom(entry.content, 32)),)
    report = vecstore.check(collection.db)
    assert report.problems == []


def test_the_new_vectors_take_the_place_of_the_old_ones_and_all_else_is_the_same(db):
    pets = fill(db)
    before = rows(db, "select * from embeddings order by id")
    model = Counting()
    report = pets.reembed(model)
    assert report == vecstore.ReembedReport(
        4, embedded=3, reused=1, old_name="pets@word-lengths", agreement=1.0, sampled=4, nearest=3
    )
    assert sorted(model.embedded) == ["one two", "the empty id", "three"]
    assert names(db) == [(1, "pets@word-lengths", "word-lengths"), (2, "pets", "pseudorandom")]
    assert rows(db, "select * from embeddings where collection_id = 1 order by id") == before
    assert kept(db, 2) == kept(db, 1)
    assert_embedded_by_pseudorandom(pets)


@pytest.mark.parametrize("form", ["inside", "beside"])
def test_it_goes_on_with_the_new_collection_wherever_the_index_is(path, form):
    with closed(vecstore.connect(path)) as db:
        pets = Collection("pets", db, model=WordLengths(), index=form)
        pets.embed_multi(numbered(300), store=True)
        pets.reembed(Counting())
        assert (pets.id, pets.name, pets.model_id) == (2, "pets", "pseudorandom")
        assert isinstance(pets.model(), Counting)
        assert pets.similar("text 7", number=1)[0].id == "00007"
        pets.embed("new", "new text", store=True)
        assert_embedded_by_pseudorandom(pets)
        assert Collection("pets@word-lengths", db).count() == 300


def test_it_works_in_memory_and_on_an_empty_collection():
    pets = Collection("pets", model=WordLengths())
    report = pets.reembed(Counting())
    assert report == vecstore.ReembedReport(old_name="pets@word-lengths")
    pets.embed("a", "one", store=True)
    pets.reembed(WordLengths())
    assert pets.similar("one", number=1)[0].content == "one"
    pets.db.close()


def test_the_old_collection_is_deleted_in_the_same_transaction(db):
    pets = fill(db)
    assert pets.reembed(Counting(), drop_old=True).old_name is None
    assert names(db) == [(2, "pets", "pseudorandom")]
    assert rows(db, "select distinct collection_id from embeddings") == [(2,)]
    assert_embedded_by_pseudorandom(pets)


def test_binary_content_and_content_in_both_columns_stay_as_they_are(db):
    pets = fill(db)
    pets.embed("bytes", b"\xff\x00", store=True)
    with db.conn:
        db.execute("update embeddings set content_blob = x'77' where id = 'a'")
    pets.reembed(Counting())
    assert kept(db, 2) == kept(db, 1)


def test_a_hash_of_ones_own_is_kept_and_one_that_is_missing_is_made(db):
    class Lower(Collection):
        @staticmethod
        def content_hash(input):
            return vecstore.content_hash(input.lower())

    pets = Lower("pets", db, model=WordLengths())
    pets.embed_multi([("a", "One"), ("b", "one"), ("c", "Two")], store=True)
    with db.conn:
        db.execute("update embeddings set content_hash = null where id = 'c'")
    model = Counting()
    pets.reembed(model)
    assert model.embedded == ["One", "Two"]
    [a, b, c] = [row[3] for row in kept(db, 2)]
    assert (a, b, c) == (*[vecstore.content_hash("one")] * 2, vecstore.content_hash("two"))
    assert pets.embed_multi([("x", "TWO")]).reused == 1


def test_entries_without_stored_content_are_named_before_anything_is_sent(db):
    pets = fill(db)
    pets.embed_multi([(f"n{n}", f"not stored {n}") for n in range(6)])
    pets.embed("bytes", b"123", store=True)
    model = Counting()
    model.supports_binary = False
    with pytest.raises(InvalidInputError) as caught:
        pets.reembed(model)
    assert str(caught.value) == (
        "Of 11 entries of 'pets', the model 'pseudorandom' cannot embed 6 without stored content "
        "and 1 of binary content ('bytes', 'n0', 'n1', 'n2', 'n3', ...): embed these entries with "
        "store=True (--store), which sends nothing again, or leave them out with on_error='skip' "
        "(--on-error skip), and they are only in 'pets@word-lengths'"
    )
    assert model.embedded == []
    assert names(db) == [(1, "pets", "word-lengths")]


def test_entries_without_stored_content_can_be_left_out(db):
    pets = fill(db)
    pets.embed("n", "not stored")
    report = pets.reembed(Counting(), on_error="skip")
    assert (report.entries, report.left_out, report.agreement) == (4, 1, 1.0)
    assert "n" not in pets
    assert "n" in Collection("pets@word-lengths", db)


def test_what_is_left_out_is_not_dropped(db):
    pets = fill(db)
    with pytest.raises(InvalidInputError, match="leave one of the two out"):
        pets.reembed(Counting(), on_error="skip", drop_old=True)
    with db.conn:
        db.execute("update embeddings set content = null")
    with pytest.raises(InvalidInputError, match=r"cannot embed 4 without .*: there is nothing to"):
        pets.reembed(Counting(), on_error="skip")
    assert names(db) == [(1, "pets", "word-lengths")]


def test_a_mistyped_on_error_leaves_nothing_out(db):
    pets = fill(db)
    pets.embed("n", "not stored")
    with pytest.raises(InvalidInputError, match="on_error is 'Stop': it must be 'stop', 'skip' or"):
        pets.reembed(Counting(), on_error="Stop")
    assert names(db) == [(1, "pets", "word-lengths")]


def test_a_name_that_is_taken_is_an_error_before_anything_is_sent(db):
    pets = fill(db)
    Collection("pets@word-lengths", db, model=WordLengths())
    model = Counting()
    with pytest.raises(InvalidInputError, match="is to be kept as 'pets@word-lengths', and there"):
        pets.reembed(model)
    assert model.embedded == []
    pets.reembed(model, drop_old=True)
    assert [name for _, name, _ in names(db)] == ["pets@word-lengths", "pets"]


def test_an_unfinished_collection_of_another_model_is_an_error(db):
    pets = fill(db)
    Collection("pets@pseudorandom (unfinished)", db, model=Vectors())
    with pytest.raises(ModelMismatchError, match="is of the model 'vectors', not 'pseudorandom'"):
        pets.reembed(Counting())


def test_an_open_transaction_is_refused(db):
    pets = fill(db)
    db.conn.execute("begin")
    with pytest.raises(vecstore.DatabaseError, match="commit it first"):
        pets.reembed(Counting())
    db.conn.execute("rollback")
    assert pets.reembed(Counting()).entries == 4


def test_a_file_that_cannot_be_written_is_an_error_before_anything_is_sent(path):
    with closed(vecstore.connect(path)) as db:
        fill(db)
    with closed(vecstore.connect(path, read_only=True)) as db:
        model = Counting()
        with pytest.raises(vecstore.DatabaseReadOnlyError):
            Collection("pets", db).reembed(model)
        assert model.embedded == []


def test_the_same_model_has_nothing_to_do_unless_it_is_asked_again(db):
    pets = fill(db)
    model = WordLengths()
    assert pets.reembed(model) == vecstore.ReembedReport(4)
    assert (pets.id, model.embedded) == (1, [])
    report = pets.reembed(model, again=True)
    assert (report.embedded, report.old_name) == (3, "pets@word-lengths")
    assert names(db) == [(1, "pets@word-lengths", "word-lengths"), (2, "pets", "word-lengths")]
    pets.reembed(model, again=True, drop_old=True)
    assert pets.id == 3


def test_without_a_model_it_is_the_collections_own(db, registered):
    pets = fill(db)
    assert pets.reembed() == vecstore.ReembedReport(4)
    with pytest.raises(InvalidInputError, match="a name goes into model_id="):
        pets.reembed("words")
    with pytest.raises(vecstore.UnknownModelError):
        pets.reembed(model_id="nothing of the kind")
    assert pets.reembed(model_id="words").embedded == 0


def test_nothing_stays_of_a_model_that_fails_from_the_start(db):
    class Broken(Pseudorandom):
        def embed_batch(self, items):
            raise vecstore.MissingKeyError("no key")

    pets = fill(db)
    with pytest.raises(vecstore.MissingKeyError):
        pets.reembed(Broken())
    assert names(db) == [(1, "pets", "word-lengths")]


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


def test_a_call_that_failed_is_gone_on_with_and_sends_nothing_twice(db):
    pets = fill(db, [(*entry, None) for entry in numbered(95)])
    sent = []
    for _ in range(3):
        model = Stopping(30)
        with pytest.raises(vecstore.ModelError, match="no more for now"):
            pets.reembed(model, batch_size=10)
        sent += model.embedded[:-1]
        assert [name for _, name, _ in names(db)] == ["pets", "pets@pseudorandom (unfinished)"]
        assert len(pets.similar("text 5", number=95)) == 95
    report = pets.reembed(model := Counting())
    assert (report.entries, report.embedded) == (95, 5)
    assert sorted([*sent, *model.embedded]) == sorted(text for _, text in numbered(95))
    assert_embedded_by_pseudorandom(pets)


def test_a_refused_entry_stops_or_is_only_in_the_old_collection(db):
    pets = Collection("pets", db, model=Counting())
    pets.embed_multi([("a", "good"), ("b", "bad"), ("c", "better")], store=True)
    with pytest.raises(vecstore.RejectedInputError, match="'b' was not embedded: too long"):
        pets.reembed(Refusing())
    refused = []
    report = pets.reembed(Refusing(), on_error=lambda id, error: refused.append(id))
    assert (report.entries, report.failed, report.embedded) == (2, 1, 1)
    assert refused == ["b"]
    assert Collection("pets@pseudorandom", db).ids() == ["a", "b", "c"]


def test_what_was_refused_is_tried_again_when_it_has_changed(path):
    with closed(vecstore.connect(path)) as db, closed(vecstore.connect(path)) as other:

        class Mended(Refusing):
            def embed_batch(self, items):
                items = list(items)
                if "bad" in items and len(items) == 1 and len(self.asked) < 9:
                    Collection("pets", other, model=Counting()).embed("b", "mended", store=True)
                yield from super().embed_batch(items)

        pets = Collection("pets", db, model=Counting())
        pets.embed_multi([("a", "good"), ("b", "bad")], store=True)
        report = pets.reembed(Mended(), on_error="skip", batch_size=1)
        assert [entry.content for entry in pets] == ["good", "mended"]
        assert (report.embedded, report.failed) == (2, 0)


def test_the_progress_goes_on_over_all_rounds(db):
    pets = fill(db, [(*entry, None) for entry in numbered(25)])
    done = []
    pets.reembed(Counting(), batch_size=10, progress=lambda report: done.append(report.embedded))
    assert done == [10, 20, 25]


def test_half_of_the_nearest_agree():
    """The old vectors order the entries along one line, and the new ones along another."""
    pets = Collection("pets", model=Vectors())
    places = [(x, y) for x in range(4) for y in range(3)]
    pets.embed_multi([(f"{x}{y}", f"1 {x} {y} 0") for x, y in places], store=True)
    whole = pets.reembed(Vectors(), again=True, drop_old=True)
    assert (whole.agreement, whole.sampled, whole.nearest) == (1.0, 12, 10)
    pets.embed_multi([(f"x{n}", f"{n} 0 0 1") for n in range(90)], store=True)
    report = pets.reembed(Pseudorandom())
    assert (report.sampled, report.nearest) == (100, 10)
    assert 0 < report.agreement < 0.5
    pets.db.close()


def test_the_change_of_names_rewrites_no_rows(path):
    with closed(vecstore.connect(path, driver="apsw")) as db:
        pets = fill(db, [(*entry, None) for entry in numbered(200)])
        from vecstore.collection import store_of
        from vecstore.loading.reembedding import Reembedding

        work = Reembedding(store_of(pets), pets.row, Counting(), content_hash=vecstore.content_hash)
        changes = []
        take_place = work._take_place

        def counted(new):
            before = db.conn.apsw.total_changes()
            taken = take_place(new)
            changes.append(db.conn.apsw.total_changes() - before)
            return taken

        work._take_place = counted
        work.run()
        assert changes == [2]


OTHER_PROCESS = """
import sys
import vecstore
from tests.support.models import WordLengths
pets = vecstore.Collection("pets", sys.argv[1], model=WordLengths())
print(pets.count(), flush=True)
sys.stdin.readline()
for work in (pets.count, lambda: pets.similar("one"), lambda: pets.embed("x", "y")):
    try:
        print(work(), flush=True)
    except vecstore.VecstoreError as error:
        print(type(error).__name__, error, flush=True)
"""


@pytest.mark.parametrize("drop_old", [False, True])
def test_another_process_that_has_it_open_gets_a_clear_error(path, drop_old):
    with closed(vecstore.connect(path)) as db:
        pets = fill(db)
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [sys.executable, "-c", OTHER_PROCESS, path], stdin=pipe, stdout=pipe, text=True
        ) as process:
            assert process.stdout.readline() == "4\n"
            pets.reembed(Counting(), drop_old=drop_old)
            output, _ = process.communicate("\n")
        message = (
            "ModelMismatchError Collection 'pets' was opened with the model 'word-lengths', and is "
            "one of 'pseudorandom' now: open it again with Collection(...)"
        )
        assert output.splitlines() == [message] * 3
        assert pets.ids() == ["", "a", "b", "d"]


def test_another_connection_gets_one_also_where_the_model_is_the_same(path):
    with closed(vecstore.connect(path)) as db, closed(vecstore.connect(path)) as other:
        pets = fill(db)
        stale = Collection("pets", other, model=WordLengths())
        pets.reembed(WordLengths(), again=True)
        with pytest.raises(DoesNotExist, match="with the id 2 in place of 1: open it again"):
            stale.similar("one")


def test_the_graph_of_the_old_collection_is_had_by_the_new_one(path):
    pytest.importorskip("usearch")
    with closed(vecstore.connect(path)) as db:
        pets = fill(db)
        pets.build_graph()
        pets.reembed(Counting())
        assert rows(db, "select collection_id from vecstore_graphs order by 1") == [(1,), (2,)]
        graphs = [g for status in vecstore.list_indexes(db) for g in status.graphs]
        assert sorted(graph.collection for graph in graphs) == ["pets", "pets@word-lengths"]
        pets.reembed(WordLengths(), drop_old=True)
        assert rows(db, "select collection_id from vecstore_graphs order by 1") == [(1,), (3,)]


def test_sql_embeds_with_the_new_model(db):
    pets = fill(db)
    pets.reembed(Counting())
    [(vector,)] = rows(db, "select vecstore_embed('pets', 'one')")
    assert vector == vecstore.encode(pseudorandom("one", 32))
