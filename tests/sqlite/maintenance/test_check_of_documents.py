"""`check()` knows that the hash of a chunk may be that of its headings and its text."""

import vecstore
from tests.support.chunked import lines


def test_chunks_with_headings_are_as_they_were_embedded(collection):
    collection.embed_documents([("a.md", "# T\n\none\n\ntwo\n"), ("b.txt", "three")], lines)
    collection.embed_documents([("c.md", "# T\n\none\n\ntwo\n")], lines, headings=False)
    report = vecstore.check(collection.db)
    assert [found for found in report.problems + report.notes if found.kind == "content"] == []


def test_a_chunk_whose_text_or_heading_was_changed_is_told(collection):
    collection.embed_documents([("a.md", "# T\n\none\n\ntwo\n")], lines)
    collection.db.execute("update embeddings set content = 'other' where id = 'a.md#2'")
    collection.db.execute(
        "update embeddings set metadata = json_set(metadata, '$.heading', 'U') where id = 'a.md#3'"
    )
    [found] = vecstore.check(collection.db).problems
    assert (found.kind, found.count) == ("content", 2)
    assert found.examples == [("test", "a.md#2"), ("test", "a.md#3")]
