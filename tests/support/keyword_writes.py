"""Statements that change the texts in `embeddings`, and what a keyword index must hold then."""

from contextlib import closing

from hypothesis import strategies as st

from tests.support import index_writes
from tests.support.databases import rows
from vecstore import Collection
from vecstore.sqlite.connection import opening
from vecstore.sqlite.index.keyword_tables import DEFAULT_TOKENIZER, MAX_COLLECTION_ID
from vecstore.sqlite.index_names import INSIDE, keyword_names
from vecstore.sqlite.maintenance import keyword_checks

# By id; the last three have no keywords in the index.
COLLECTIONS = {1: "one", 2: "two", 0: "zero", MAX_COLLECTION_ID: "last", -1: "negative"} | {
    MAX_COLLECTION_ID + 1: "beyond",
    2**62: "far",
}
WORDS = ("cat", "dog", '"cat dog"', "do*", "x", "7", "nowhere")

ids = st.sampled_from(["a", "b", "c", "é'\"", "", "nul\0nul", '["json"]'])
contents = st.one_of(
    st.sampled_from([None, "", "cat", "dogs", "cat dog", "the cats, the dogs", "nul\0 dog", " \n"]),
    st.sampled_from([7, 1.5, b"cat", "x", "çat CAT", "cat " * 50]),
)
of = st.sampled_from([1, 1, 1, 2, 2, *COLLECTIONS])


@st.composite
def statements(draw):
    """Return one statement that changes `embeddings`, with its arguments."""
    not_utf8 = (
        "insert or replace into embeddings (collection_id, id, content) "
        "values (?, ?, cast(? as text))",
        (draw(of), draw(ids), b"rat \xff\xfe rat"),
    )
    odd_id = (
        "insert or replace into embeddings (collection_id, id, content) values (?, ?, 'rat')",
        (draw(of), draw(st.sampled_from([b"blob", 7]))),
    )
    usual = draw(index_writes.statements("content", contents, of, ids))
    return draw(st.sampled_from([usual] * 12 + [not_utf8, odd_id]))


def make_collections(db):
    """Make the collections of those ids, of which SQL alone can make some."""
    for id, name in COLLECTIONS.items():
        db["collections"].insert({"id": id, "name": name, "model": "vectors"}, replace=True)


def expected_texts(db):
    """Return the texts that an index must hold, worked out in Python."""
    sql = """
        select typeof(id), typeof(content), collection_id, cast(id as blob), cast(content as blob)
        from embeddings
    """
    return {
        (collection_id, id): content
        for kind, kind_of_content, collection_id, id, content in rows(db, sql)
        if kind != "null"
        and kind_of_content == "text"
        and isinstance(collection_id, int)
        and 0 <= collection_id <= MAX_COLLECTION_ID
    }


def assert_index_equals_texts(db, schema=INSIDE):
    """Compare the texts with the rows, and have FTS5 compare its words with the texts."""
    names = keyword_names(schema)
    sql = f"select collection_id, cast(id as blob), cast(content as blob) from {names.texts}"
    found = rows(db, sql)
    texts = {(collection_id, id): content for collection_id, id, content in found}
    assert texts == expected_texts(db)
    assert len(texts) == len(found)
    assert keyword_checks._fault_of_fts5(db, names) is None
    if schema == INSIDE:
        db.execute(
            "insert into vecstore_keywords (vecstore_keywords, rank) values ('integrity-check', 1)"
        )


def assert_searches(db, tokenizer=DEFAULT_TOKENIZER):
    """Compare what is found in each collection with what a fresh FTS5 table finds."""
    for id, name in COLLECTIONS.items():
        with closing(opening.open_bare_connection(":memory:", opening.driver_of(db))) as fresh:
            fill(fresh, db, id, tokenizer)
            for word in WORDS:
                collection = Collection(name, db, create=False)
                found = collection.search(word, 100, mode="keywords", marks=("[", "]"))
                got = [(e.id, round(e.keyword_score, 6), e.snippet) for e in found]
                assert got == search_fresh(fresh, id, word), (name, word)


def fill(fresh, db, searched, tokenizer):
    """Fill an FTS5 table with the texts of the index, and with those of what is searched."""
    fresh.execute(
        "create virtual table t using fts5("
        f"content, c unindexed, id unindexed, tokenize='{tokenizer}')"
    )
    sql = """
        select cast(content as blob), collection_id, cast(id as blob)
        from embeddings
        where typeof(content) = 'text' and id is not null and typeof(collection_id) = 'integer'
    """
    for content, collection_id, id in rows(db, sql):
        if 0 <= collection_id <= MAX_COLLECTION_ID or collection_id == searched:
            fresh.execute(
                "insert into t values (cast(? as text), ?, cast(? as text))",
                (content, collection_id, id),
            )


def search_fresh(fresh, collection_id, word):
    match = word if word.startswith('"') or word.endswith("*") else f'"{word}"'
    found = fresh.execute(
        "select id, rank, snippet(t, 0, '[', ']', '…', 24) from t where t match ? and c = ?",
        (match, collection_id),
    ).fetchall()
    found.sort(key=lambda row: (row[1], row[0]))
    return [(id, round(-rank, 6), snippet) for id, rank, snippet in found]
