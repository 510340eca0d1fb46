"""What has changed since the lists were computed, told by digests of what they were computed from.

So it does not matter who wrote, nor how.
"""

import hashlib
from functools import partial

from ...chunks import document_in_json
from ..connection import turns
from ..connection.database import Database
from ..related_tables import RUNS, STATE, TABLE

# The SQL for the digest of a row of `embeddings`, and for the document that it is a chunk of. As
# bytes, for it may be no text that Python can read.
_ID_AND_METADATA = """case
            when typeof(embeddings.id) = 'text'
              and instr(embeddings.id, '#')
              and typeof(metadata) = 'text'
            then cast(embeddings.id as blob)
          end,
          cast(metadata as blob)"""
DIGEST = f"""vecstore_related_digest(
          case when typeof(embedding) = 'blob' then embedding end,
          {_ID_AND_METADATA}
        )"""
DOCUMENT = f"vecstore_related_document({_ID_AND_METADATA})"


def register_functions(db: Database) -> None:
    """Have SQL compute digests, and documents."""
    # Once, as SQLite refuses it while another thread's statement is running. In one turn: another
    # thread may find that they are not there, too.
    with turns.take_turn(db):
        if db.execute(
            "select 1 from pragma_function_list where name = 'vecstore_related_document'"
        ).fetchone():
            return
        [encoding] = db.execute("pragma encoding").fetchone()
        db.conn.create_function("vecstore_related_digest", 3, partial(_digest, encoding))
        db.conn.create_function("vecstore_related_document", 2, partial(_document, encoding))


def is_current(db: Database, collection_id: int, number: int) -> bool:
    """Return whether a run would change nothing, once there are the functions. Nothing is written.

    :param number: how many are to be listed for each item
    """
    found = db.execute(
        f"""
        select 1
        from main.{RUNS}
        where collection_id = ?1
          and number = ?2
          and not exists (
            select 1
            from main.embeddings
            left join main.{STATE} as state
              on state.collection_id = embeddings.collection_id
              and state.id = embeddings.id
            where embeddings.collection_id = ?1
              and embeddings.id is not null
              and (state.listed is null or state.digest is not {DIGEST})
          )
          and not exists (
            select 1
            from main.{STATE} as state
            where collection_id = ?1
              and (
                not exists (
                  select 1
                  from main.embeddings
                  where embeddings.collection_id = state.collection_id
                    and embeddings.id = state.id
                )
                or listed <> (
                  select count(*)
                  from main.{TABLE} as related
                  where related.collection_id = state.collection_id
                    and related.id = state.id
                )
              )
          )
          and (select coalesce(sum(listed), 0) from main.{STATE} where collection_id = ?1)
            = (select count(*) from main.{TABLE} where collection_id = ?1)
        """,
        [collection_id, number],
    ).fetchone()
    return found is not None


def _digest(encoding: str, vector: bytes | None, id: bytes | None, metadata: bytes | None) -> bytes:
    document = _document(encoding, id, metadata)
    # What is not before the vector cannot be taken for a part of it.
    digest = hashlib.blake2b(
        b"" if document is None else b"%d %s" % (len(document), document.encode()), digest_size=16
    )
    digest.update(b"\0")
    if vector is not None:
        digest.update(vector)
    return digest.digest()


def _document(encoding: str, id: bytes | None, metadata: bytes | None) -> str | None:
    """Return the document that an entry is a chunk of; None if it is none, or no text."""
    if id is None or metadata is None:
        return None
    try:
        return document_in_json(id.decode(encoding), metadata.decode(encoding))
    except UnicodeDecodeError:
        return None
