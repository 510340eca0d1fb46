"""What search() must find: by cosines, by an FTS5 table that is made afresh, and by a loop."""

import math
from contextlib import closing, contextmanager

import pytest

import vecstore
from tests.support.databases import rows
from vecstore.chunks import document_in_json
from vecstore.keywords import any_of, parse
from vecstore.query import fusion_depth
from vecstore.sqlite.connection import opening
from vecstore.sqlite.index.keyword_tables import DEFAULT_TOKENIZER
from vecstore.sqlite.search import keyword_ranking


@contextmanager
def texts_of(db, tokenizer=DEFAULT_TOKENIZER):
    """Give a table of all texts."""
    # Of the same SQLite: trigrams of short texts are counted otherwise in each release.
    with closing(opening.open_bare_connection(":memory:", opening.driver_of(db))) as conn:
        conn.execute(
            "create virtual table texts using fts5"
            f"(content, collection_id unindexed, id unindexed, tokenize='{tokenizer}')"
        )
        sql = """
            select content, collection_id, id
            from embeddings
            where typeof(content) = 'text'
              and id is not null
        """
        conn.executemany("insert into texts values (?, ?, ?)", rows(db, sql))
        yield Texts(conn, tokenizer)


class Texts:
    """An FTS5 table of all texts, and what trigrams do not find: a loop over them."""

    def __init__(self, conn, tokenizer):
        self.conn = conn
        self.is_trigram = tokenizer.startswith("trigram")
        self.fold = str if "case_sensitive 1" in tokenizer else lower

    def is_short(self, term):
        return self.is_trigram and len(term.words) < 3

    def has(self, content, term):
        return self.fold(term.words) in self.fold(content)

    def total(self):
        return self.conn.execute("select count(*) from texts").fetchone()[0]

    def count(self, term):
        if self.is_short(term):
            texts = self.conn.execute("select content from texts")
            return sum(self.has(content, term) for (content,) in texts)
        sql = "select count(*) from texts where texts match ?"
        return self.conn.execute(sql, [term.match]).fetchone()[0]

    def idf(self, term):
        number, total = self.count(term), self.total()
        return max(math.log((total - number + 0.5) / (number + 0.5)), 1e-6)

    def rare(self, terms):
        """Return the terms without those that very many texts have, and those that none has."""
        frequent = max(self.total() / 5, keyword_ranking._FREQUENT)
        return [term for term in terms if 0 < self.count(term) <= frequent]

    def find(self, collection_id, terms, marks=("**", "**")):
        """Return (bm25, id, snippet), best first, of what has any of some terms."""
        sql = """
            select id, rank, snippet(texts, 0, ?, ?, '…', ?)
            from texts
            where texts match ?
              and collection_id = ?
        """
        long = any_of(term for term in terms if not self.is_short(term))
        words = 64 if self.is_trigram else 24
        found = self.conn.execute(sql, [*marks, words, long, collection_id]) if long else []
        scores = {id: (rank, snippet) for id, rank, snippet in found}
        short = [term for term in terms if self.is_short(term)]
        sql = "select id, content from texts where collection_id = ?"
        for id, content in self.conn.execute(sql, [collection_id]):
            present = [term for term in short if self.has(content, term)]
            if present:
                rank, snippet = scores.get(id, (0.0, self._around(content, present, marks)))
                scores[id] = (rank - sum(map(self.idf, present)), snippet)
        # What is equal may be added up in another order.
        all_found = [(rank, id, snippet) for id, (rank, snippet) in scores.items()]
        return sorted(all_found, key=lambda found: (round(found[0], 12), found[1]))

    def _around(self, content, terms, marks):
        """Return a part of a text around the first of some terms, the longest of them."""
        folded = [self.fold(term.words) for term in terms]
        # For length() and substr() of SQLite, a text ends at a NUL.
        places = [(self.fold(content).find(w), -len(w.split("\0")[0]), w) for w in folded]
        at, minus_length, words = min(places)
        content = content.split("\0")[0]
        start, end = max(at - 20, 0), at - minus_length
        before, after = "…" * (start > 0), "…" * (len(content) > end + 40)
        marked = f"{marks[0]}{content[at:end] or words}{marks[1]}"
        return f"{before}{content[start:at]}{marked}{content[end : end + 40]}{after}"


def lower(text):
    """Return a text with the capitals of ASCII in lower case, as SQLite has it."""
    return text.encode().lower().decode()


def most_bm25_of(texts, terms):
    """Return what bm25 cannot exceed; a sign that no text has is no part of it."""
    counted = [t for t in terms if texts.count(t) or any(char.isalnum() for char in t.words)]
    return 2.2 * sum(map(texts.idf, counted))


def ranked(
    collection,
    text,
    number=10,
    prefix="",
    *,
    mode="hybrid",
    weights=(1.0, 1.0),
    marks=("**", "**"),
    where="true",
    where_args=(),
    min_score=-2.0,
    per_document=False,
    exact=False,
    tokenizer=DEFAULT_TOKENIZER,
):
    """Return what search() must return, as tuples."""
    db, query = collection.db, parse(text)
    sql = "select id, embedding, content, metadata from embeddings where collection_id = ?"
    all_rows = {id: rest for id, *rest in rows(db, sql, [collection.id])}
    meeting = "select id from embeddings where ({}\n) and collection_id = {}"
    met = {id for (id,) in db.execute(meeting.format(where, collection.id), where_args).fetchall()}
    kept = {id for id in met if id is not None and id.startswith(prefix)}
    with texts_of(db, tokenizer) as texts:
        left_out = {id for _, id, _ in texts.find(collection.id, query.excluded)}
        most_bm25 = most_bm25_of(texts, query.terms)
        by_all, by_rare = (
            [m for m in texts.find(collection.id, terms, marks) if m[1] in kept - left_out]
            for terms in (query.terms, texts.rare(query.terms))
        )
    vectors = {id: vecstore.decode(all_rows[id][0]) for id in kept - left_out}
    near = [] if mode == "keywords" else _nearest(collection.embed_query(query.text), vectors)
    near = [found for found in near if found[2] >= min_score]

    def fused(wanted):
        depth = fusion_depth(wanted)
        by_words = by_rare if len(by_rare) >= depth else by_all
        coverage = 1.0
        if mode == "hybrid" and by_words:
            coverage = 3.5 * -by_words[0][0] / most_bm25
        of_words = {id: (n, -s, cut) for n, (s, id, cut) in enumerate(by_words[:depth], 1)}
        if mode == "similar":
            of_words = {}
        candidates = {id for _, id, _ in near[:depth]} | of_words.keys()
        of_candidates = [(id, score) for _, id, score in near if id in candidates]
        of_near = {id: (n, score) for n, (id, score) in enumerate(of_candidates, 1)}
        results = []
        for id in of_near.keys() | of_words.keys():
            similar_rank, similar_score = of_near.get(id, (None, None))
            keyword_rank, keyword_score, snippet = of_words.get(id, (None, None, None))
            score = (weights[0] / (2 + similar_rank) if similar_rank else 0.0) + (
                weights[1] * coverage / (2 + keyword_rank) if keyword_rank else 0.0
            )
            _, content, metadata = all_rows[id]
            similar, keywords = (similar_rank, similar_score), (keyword_rank, keyword_score)
            results.append((id, score, content, metadata, *similar, *keywords, snippet))
        return sorted(results, key=lambda result: (-result[1], result[0]))[:wanted]

    if not per_document or not number:
        return [*map(_approximate, fused(number))]
    asked = 4 * number
    while True:
        found = fused(asked)
        documents = {}
        for result in found:
            document = document_in_json(result[0], result[3])
            documents.setdefault((document, result[0] if document is None else ""), result)
        if len(documents) >= number or len(found) < asked:
            return [*map(_approximate, [*documents.values()][:number])]
        asked *= 4


def _nearest(vector, vectors):
    """Return (rounded distance, id, score) of what can be compared, nearest first."""
    scores = {
        id: vecstore.cosine_similarity(stored, vector)
        for id, stored in vectors.items()
        if any(stored) and any(vector)
    }
    return sorted((-round(score, 6), id, score) for id, score in scores.items())


def _approximate(result):
    id, score, content, metadata, similar_rank, similar_score, keyword_rank, bm25, snippet = result
    return vecstore.SearchResult(
        id,
        pytest.approx(score),
        content if isinstance(content, str) else None,
        vecstore.entries._read_metadata(id, metadata),
        similar_rank,
        None if similar_score is None else pytest.approx(similar_score, abs=1e-5),
        keyword_rank,
        None if bm25 is None else pytest.approx(bm25),
        snippet,
    )
