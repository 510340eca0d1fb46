"""Searches: by similarity, by keywords and by both, with conditions, in one and in many."""

import pytest

import vecstore
from tests.support.chunked import lines
from tests.support.models import Pseudorandom, Vectors, pseudorandom
from tests.support.places import execute, is_postgres
from vecstore import Collection, DimensionError, Entry, InvalidInputError, similar_across


def scored(id, score, content=None, metadata=None):
    return Entry(id, pytest.approx(score, abs=1e-6), content, metadata)


def ids(entries):
    return [entry.id for entry in entries]


@pytest.fixture
def points(store):
    """Vectors in a plane, with equals, one opposite, and what cannot be compared."""
    points = Collection("points", store, model=Vectors())
    points.embed_multi_with_metadata(
        [
            ("b", "1 0", {"n": 1}),
            ("a", "2 0", {"n": 2}),
            ("Z", "5 0", None),
            ("é", "3 4", {"n": 3}),
            ("up", "0 1", {"n": None}),
            ("back", "-1 0", {"m": [1]}),
            ("zero", "0 0", {}),
        ],
        store=True,
    )
    execute(store, "insert into embeddings (collection_id, id) values (?, 'null')", [points.id])
    return points


def test_the_best_come_first_and_equals_by_id(points):
    assert points.similar("1 0") == [
        scored("Z", 1, "5 0"),
        scored("a", 1, "2 0", {"n": 2}),
        scored("b", 1, "1 0", {"n": 1}),
        scored("é", 0.6, "3 4", {"n": 3}),
        scored("up", 0, "0 1", {"n": None}),
        scored("back", -1, "-1 0", {"m": [1]}),
    ]
    assert ids(points.similar("1 0", 2)) == ["Z", "a"]
    assert points.similar("1 0", 0) == []
    assert points.similar("1 0", 10**12) == points.similar("1 0", 6, exact=True)
    assert points.similar_by_vector([1, 0]) == points.similar("1 0")


def test_an_entry_is_not_similar_to_itself(points):
    assert points.similar_by_id("é", 2) == [
        scored("up", 0.8, "0 1", {"n": None}),
        scored("Z", 0.6, "5 0"),
    ]
    assert ids(points.similar_by_vector([1, 0], 2, skip_id="a")) == ["Z", "b"]
    assert points.similar_by_id("zero") == points.similar_by_id("null") == []
    with pytest.raises(Collection.DoesNotExist, match="ID not found in collection 'points': 'x'"):
        points.similar_by_id("x")


def test_conditions_apply_before_the_best_are_taken(points, store):
    n = "(metadata ->> 'n')::int" if is_postgres(store) else "metadata ->> '$.n'"
    for options, expected in (
        ({"prefix": "b"}, ["b", "back"]),
        ({"prefix": "é"}, ["é"]),
        ({"prefix": "nul\0"}, []),
        ({"min_score": 0.6 - 1e-6}, ["Z", "a", "b", "é"]),
        ({"min_score": 1.5}, []),
        ({"where": f"{n} >= ?", "where_args": [2]}, ["a", "é"]),
        (
            {"where": "id <> :id", "where_args": {"id": "Z"}, "prefix": "", "min_score": 0},
            [*"abé", "up"],
        ),
        ({"where": "content like '%0' or id = 'é'"}, ["Z", "a", "b", "é", "back"]),
        ({"where": "metadata is null"}, ["Z"]),
        ({"where": "id in ('a', '?', ':id', '%s')"}, ["a"]),
        ({"where": "1 = 0"}, []),
    ):
        for exact in (None, True):
            found = points.similar("1 0", exact=exact, **options)
            assert ids(found) == expected, options
            assert ids(points.similar("1 0", 1, exact=exact, **options)) == expected[:1], options


@pytest.mark.parametrize(
    ("where", "args"),
    [
        ("id = ? or content = ?", ["it's", "2 0"]),
        ("id = ? and ? = content", ["a", "2 0"]),
        ("id <> ? and id < ? and id > ?", ["%s", "b", "Z"]),
        ("length(id) = ? and length(content) < ? and id <> 'b' and id >= 'a'", [1, 2**63 - 1]),
        ("collection_id > 0 and id = :id", {"id": "a"}),
        ("id = 'a' and updated > ?", [1.5]),
        ("id = 'a' and content_hash <> ?", [b"\x00\xff"]),
        ("id = 'a' and content_blob is not distinct from ?", [None]),
        ("id = :id and id = :id and 'x' <> ':id'", {"id": "a", "other": 1}),
        ("id = 'a' -- ? :id %s", []),
        ("id = 'a' /* ? ' */ and id like '%a%' and 5 % 2 = 1", ()),
    ],
)
def test_a_parameter_of_any_type(points, where, args):
    assert ids(points.similar("1 0", 1, where=where, where_args=args)) == ["a"]


def test_wrong_arguments_are_named_and_cost_nothing(points):
    points.model().embed_batch = None
    for call, message in (
        (lambda: points.similar("1 0", -1), "number is -1"),
        (lambda: points.similar("1 0", 1.5), "number is 1.5"),
        (lambda: points.similar("1 0", prefix=5), "prefix is 5"),
        (lambda: points.similar("1 0", min_score="x"), "min_score is 'x'"),
        (lambda: points.similar("1 0", where=5), "where is 5"),
        (lambda: points.similar_multi("1 0"), "pass a list of what to search for"),
        (lambda: points.similar_by_vector([]), "The vector to search for has no dimensions"),
        (lambda: points.similar_by_vector([float("nan"), 1]), "The vector to search for holds NaN"),
        (lambda: points.similar_by_vector("x"), "The vector to search for is str"),
        (lambda: points.explain(), "takes a value to search for"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            call()
    with pytest.raises(TypeError, match="unexpected keyword argument 'wher'"):
        points.similar("1 0", wher="1")


def test_a_condition_that_cannot_be_applied_is_an_error_and_nothing_is_written(points, store):
    for where, args in (
        ("no_such_column = 1", []),
        ("id = 'a'; delete from embeddings", []),
        ("id = ?", []),
        ("id = ?", ["a", "b"]),
        ("id = :id", {}),
        ("id = ?", [object()]),
        ("'", []),
    ):
        with pytest.raises(InvalidInputError):
            pytest.fail(str(points.similar("1 0", where=where, where_args=args)))
        assert not store.has_transaction()
    assert points.count() == 8


def test_a_vector_of_another_dimension_is_an_error_that_names_both(points, store):
    message = "^The vector has 3 dimensions and the collection's vectors have 2"
    for call in (
        lambda: points.similar_by_vector([1, 2, 3]),
        lambda: points.similar_by_vector([1, 2, 3], exact=True, prefix="a"),
        lambda: points.similar("1 2 3"),
        lambda: points.explain([1, 2, 3]),
        lambda: points.similar_multi(["1 2 3"]),
    ):
        with pytest.raises(DimensionError, match=message):
            call()
    empty = Collection("empty", store, model=Vectors())
    assert empty.similar("1 2 3") == empty.similar_by_vector([1]) == empty.search("1 2") == []


def test_many_values_at_once(points):
    assert points.similar_multi(["1 0", "0 1"], 1) == [
        points.similar("1 0", 1),
        points.similar("0 1", 1),
    ]
    assert points.similar_multi([]) == []


def test_explain_returns_the_same_with_its_statements(points):
    explained = points.explain("1 0", 3, prefix="b")
    assert explained.entries == points.similar("1 0", 3, prefix="b")
    assert explained.steps
    assert all("select" in step.sql.lower() for step in explained.steps)
    assert points.explain(id="a", number=2).entries == points.similar_by_id("a", 2)
    assert "<=>" in str(explained) or "distance" in str(explained)


def test_several_collections_are_searched_as_one(points, store):
    other = Collection("other", store, model=Vectors())
    other.embed_multi([("a", "1 0.1"), ("x", "1 0")], store=True)
    found = similar_across([points, other], "1 0", 4)
    assert [(each.name, entry.id) for each, entry in found] == [
        ("points", "Z"),
        ("points", "a"),
        ("points", "b"),
        ("other", "x"),
    ]
    found = similar_across([other, points], "1 0", 9, where="id = 'a'")
    assert [(each.name, entry.id) for each, entry in found] == [("points", "a"), ("other", "a")]


def test_documents_are_found_by_their_best_chunk(store):
    model = Vectors()
    notes = Collection("notes", store, model=model)
    notes.embed_documents([("d", "1 0\n2 1\n1 1"), ("e", "3 1\n-1 0")], lines)
    notes.embed_multi([("f", "1 2")])
    assert ids(notes.similar("1 0")) == ["d#1", "e#1", "d#2", "d#3", "f", "e#2"]
    assert ids(notes.similar("1 0", per_document=True)) == ["d#1", "e#1", "f"]
    assert ids(notes.similar("1 0", 2, per_document=True, where="id <> 'd#1'")) == ["e#1", "d#2"]
    assert ids(notes.similar_by_id("d#1", skip_document=True)) == ["e#1", "f", "e#2"]


@pytest.mark.parametrize("number", [1, 10, 100, 3999])
def test_of_thousands_the_same_are_found_as_exactly(store, number):
    collection = Collection("many", store, model=Pseudorandom())
    collection.embed_multi(((f"{n % 7}/{n:05}", f"text {n}") for n in range(4000)), batch_size=1000)
    vector = pseudorandom("query", 32)
    exact = collection.similar_by_vector(vector, number, exact=True)
    found = collection.similar_by_vector(vector, number)
    assert len(found) == len(exact) == number
    assert len({e.id for e in found} & {e.id for e in exact}) >= 0.99 * number - 1
    filtered = collection.similar_by_vector(vector, number, prefix="3/")
    assert (
        ids(filtered)
        == [
            e.id
            for e in collection.similar_by_vector(vector, 4000, exact=True)
            if e.id.startswith("3/")
        ][:number]
    )


@pytest.fixture
def pets(store):
    pets = Collection("pets", store, model=Pseudorandom())
    pets.embed_multi(
        [
            ("1", "the happy hound"),
            ("2", "two hounds, a happy cat and part PN-4711"),
            ("3", "a naïve cat: 100% 'quoted' c++ \\ text"),
            ("4", "hound hound hound"),
        ],
        store=True,
    )
    pets.embed("not stored", "the happy hound again")
    return pets


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("hound", {"1", "2", "4"}),
        ("hounds", {"1", "2", "4"}),
        ("hou*", {"1", "2", "4"}),
        ('"happy hound"', {"1"}),
        ("happy -cat", {"1"}),
        ("hound cat", {"1", "2", "3", "4"}),
        ("PN-4711", {"2"}),
        ("naive", {"3"}),
        ("NAÏVE", {"3"}),
        ("c++", {"3"}),
        ("nothing of it", set()),
        ("'quoted'", {"3"}),
        ("' & | ! <-> :* ( \\", set()),
    ],
)
def test_keywords_find_whatever_is_typed(pets, query, found):
    results = pets.search(query, mode="keywords")
    assert {entry.id for entry in results} == found
    assert [entry.keyword_rank for entry in results] == list(range(1, len(results) + 1))
    assert all(entry.similar_rank is None for entry in results)


def test_a_hybrid_search_joins_both_rankings(pets):
    results = pets.search("happy hound")
    assert {entry.id for entry in results} == {"1", "2", "3", "4", "not stored"}
    by_similarity = ids(pets.similar("happy hound"))
    ranked = sorted(results, key=lambda entry: entry.similar_rank)
    assert ids(ranked) == by_similarity
    by_keywords = ids(pets.search("happy hound", mode="keywords"))
    assert [
        entry.id
        for entry in sorted(results, key=lambda e: e.keyword_rank or 99)
        if entry.keyword_rank
    ] == by_keywords
    assert by_keywords[0] == "1"
    assert results == sorted(results, key=lambda entry: (-entry.score, entry.id))
    [first] = [entry for entry in results if entry.id == "1"]
    assert first.snippet == "the **happy** **hound**"
    assert pets.search("happy hound", 1) == results[:1]
    assert pets.count_without_text() == 1
    with pytest.raises(InvalidInputError, match="nothing|search"):
        pets.search("")


def test_a_search_by_keywords_embeds_nothing_and_has_conditions(pets):
    pets.model().embed_batch = None
    assert ids(pets.search("hound", mode="keywords", prefix="4")) == ["4"]
    assert ids(pets.search("hound", mode="keywords", where="id <> ?", where_args=["4"])) == [
        "1",
        "2",
    ]
    assert pets.search("hound", mode="keywords", number=0) == []
    [found] = pets.search("hound", mode="keywords", prefix="1", marks=("<", ">"))
    assert found.snippet == "the happy <hound>"


def test_keywords_follow_what_is_written(pets):
    assert ids(pets.search("hound", mode="keywords", prefix="1")) == ["1"]
    pets.embed("1", "a bird", store=True)
    pets.delete_ids(["4"])
    pets.embed("5", "the hound", store=True)
    assert ids(pets.search("hound", mode="keywords")) == ["5", "2"]
    assert ids(pets.search("bird", mode="keywords")) == ["1"]
    pets.embed("1", "not stored any more")
    assert pets.search("bird", mode="keywords") == []
    execute(pets.store, "update embeddings set content = 'a bee' where id = ?", ["5"])
    assert ids(pets.search("bee", mode="keywords")) == ["5"]


def test_explain_shows_how_a_ranked_search_was_done(pets):
    for mode in ("hybrid", "keywords", "similar"):
        explained = pets.explain("happy hound", mode=mode)
        assert explained.entries == pets.search("happy hound", mode=mode)
        assert explained.steps


def test_a_search_for_something_needs_the_model_and_says_so(store):
    Collection("own", store, model=vecstore.ExternalModel("not-here")).add("a", [1.0], "hound")
    own = Collection("own", store)
    with pytest.raises(vecstore.ModelError, match=r"mode='keywords'"):
        own.search("hound")
    assert ids(own.search("hound", mode="keywords")) == ["a"]
