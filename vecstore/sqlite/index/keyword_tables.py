"""What the keyword index consists of: two tables, and triggers that fill them.

    vecstore_texts       a plain table: the text of each row of `embeddings` that has one. Its rowid
                         has the collection in its high bits, so that FTS5 looks through one
                         collection by a range of rowids
    vecstore_keywords    FTS5: the words of these texts, which it reads there (external content)

Triggers on `embeddings` keep vecstore_texts equal to the rows; triggers on vecstore_texts carry
each change on to FTS5. So they see every write, from whatever program, and are rolled back with it.

To take a text out of its index, FTS5 must be told what it was. OR REPLACE deletes a row without a
trigger, and the old text is gone from `embeddings` when the next one runs: so there is a copy. And
VACUUM may change the rowids of `embeddings`, which are not used.

In the index beside a file, vecstore_texts is filled by following.py; its triggers are there, too.

The tokenizer is FTS5's: tokenizers.py says which one.
"""

from functools import cache

from ..index_names import KEYWORD_SHADOWS, KeywordNames, without_schema

DEFAULT_TOKENIZER = "porter unicode61 remove_diacritics 2"
ROWID_BITS = 40  # of a rowid: which text of the collection
MAX_COLLECTION_ID = (1 << 22) - 1  # a larger one leaves no room for rowids, and has no keywords


def keyword_statements(names: KeywordNames, tokenizer: str) -> list[str]:
    """Return the statements that create a keyword index inside a file."""
    return [*keyword_tables(names, tokenizer), *_embeddings_triggers(names)]


def keyword_tables(names: KeywordNames, tokenizer: str) -> list[str]:
    """Return the statements that create its tables, and the triggers between them."""
    texts, keywords = without_schema(names.texts), without_schema(names.keywords)
    trigger = f"{names.schema}." if "." in names.texts else ""
    add = f"INSERT INTO {keywords} (rowid, content) VALUES (new.rowid, new.content);"
    remove = (
        f"INSERT INTO {keywords} ({keywords}, rowid, content) "
        "VALUES ('delete', old.rowid, old.content);"
    )
    statements = [
        f"""
        CREATE TABLE {names.texts} (
           rowid INTEGER PRIMARY KEY,
           collection_id INTEGER NOT NULL,
           id TEXT NOT NULL,
           content TEXT NOT NULL,
           UNIQUE (collection_id, id)
        )
        """,
        f"""
        CREATE VIRTUAL TABLE {names.keywords} USING fts5(
           content,
           content="{texts}",
           tokenize="{tokenizer.replace('"', '""')}"
        )
        """,
        f"""
        CREATE TRIGGER {trigger}{names.texts_trigger("insert")}
        AFTER INSERT ON {texts}
        BEGIN
           {add}
        END
        """,
        f"""
        CREATE TRIGGER {trigger}{names.texts_trigger("update")}
        AFTER UPDATE ON {texts}
        BEGIN
           {remove}
           {add}
        END
        """,
        f"""
        CREATE TRIGGER {trigger}{names.texts_trigger("delete")}
        AFTER DELETE ON {texts}
        BEGIN
           {remove}
        END
        """,
    ]
    return [sql.strip() for sql in statements]


def shadow_tables() -> list[str]:
    """Return the statements that create the tables of FTS5's own, as those of an empty table."""
    data, idx, docsize, config = KEYWORD_SHADOWS
    return [
        f"CREATE TABLE {data} (id INTEGER PRIMARY KEY, block BLOB)",
        f"insert into {data} values (1, x''), (10, x'00000000000000')",
        f"CREATE TABLE {idx} (segid, term, pgno, PRIMARY KEY (segid, term)) WITHOUT ROWID",
        f"CREATE TABLE {docsize} (id INTEGER PRIMARY KEY, sz BLOB)",
        f"CREATE TABLE {config} (k PRIMARY KEY, v) WITHOUT ROWID",
        f"insert into {config} values ('version', 4)",
    ]


def _embeddings_triggers(names: KeywordNames) -> list[str]:
    """Return the triggers that keep the texts equal to the rows that have one.

    As with the vectors, OR REPLACE deletes a conflicting row without firing delete triggers, so
    that after every insert and update the new key may have a text already.
    """
    old_key = "collection_id = old.collection_id AND id = old.id"
    new_key = "collection_id = new.collection_id AND id = new.id"
    has_text = f"EXISTS (SELECT 1 FROM {names.texts} WHERE {new_key})"
    is_changed = """(old.collection_id, old.id, old.content)
           IS NOT (new.collection_id, new.id, new.content)"""
    put = f"""
           INSERT INTO {names.texts} (rowid, collection_id, id, content)
           VALUES (
              {next_rowid_sql("new.collection_id", names)},
              new.collection_id,
              new.id,
              new.content
           )
           ON CONFLICT (collection_id, id)
           DO UPDATE SET content = excluded.content
           WHERE content IS NOT excluded.content;
    """
    statements = [
        f"""
        CREATE TRIGGER {names.trigger("insert")}
        AFTER INSERT ON embeddings
        WHEN {has_text_sql("new")}
        BEGIN
           {put.strip()}
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("insert_other")}
        AFTER INSERT ON embeddings
        WHEN {has_text}
           AND NOT ({has_text_sql("new")})
        BEGIN
           DELETE FROM {names.texts}
           WHERE {new_key};
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("update")}
        AFTER UPDATE OF collection_id, id, content ON embeddings
        WHEN {is_changed}
           AND {has_text_sql("new")}
        BEGIN
           DELETE FROM {names.texts}
           WHERE {old_key}
              AND (old.collection_id, old.id) IS NOT (new.collection_id, new.id);
           {put.strip()}
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("update_other")}
        AFTER UPDATE OF collection_id, id, content ON embeddings
        WHEN {is_changed}
           AND NOT ({has_text_sql("new")})
        BEGIN
           DELETE FROM {names.texts}
           WHERE ({old_key})
              OR ({new_key});
        END
        """,
        f"""
        CREATE TRIGGER {names.trigger("delete")}
        AFTER DELETE ON embeddings
        BEGIN
           DELETE FROM {names.texts}
           WHERE {old_key};
        END
        """,
    ]
    return [sql.strip() for sql in statements]


def has_text_sql(row: str) -> str:
    """Return the SQL for whether a row of `embeddings` has a text that the index can hold.

    It is never NULL.
    """
    return f"""typeof({row}.content) = 'text'
           AND {row}.id IS NOT NULL
           AND typeof({row}.collection_id) = 'integer'
           AND {row}.collection_id BETWEEN 0 AND {MAX_COLLECTION_ID}"""


def next_rowid_sql(collection_id: str, names: KeywordNames) -> str:
    """Return the SQL for the rowid of the next text of a collection."""
    return f"""(
              SELECT coalesce(max(rowid) + 1, {collection_id} << {ROWID_BITS})
              FROM {names.texts}
              WHERE rowid >= {collection_id} << {ROWID_BITS}
                 AND rowid < ({collection_id} + 1) << {ROWID_BITS}
           )"""


def rowid_span(collection_id: int) -> tuple[int, int] | None:
    """Return the first and the last rowid that texts of a collection can have; None for none."""
    if not 0 <= collection_id <= MAX_COLLECTION_ID:
        return None
    return collection_id << ROWID_BITS, ((collection_id + 1) << ROWID_BITS) - 1


@cache
def layout() -> str:
    """Return what is the same in the SQL of every keyword index of today's layout."""
    return "\n".join(keyword_tables(KeywordNames("", "texts", "keywords"), "*"))
