"""Whether a PostgreSQL database is sound: its schema, the rows, and which indexes there are.

Every statement reads a few thousand rows and is done: no version of a row is kept for a check. That
what is stored can be read back, and that an index equals its table, is the server's concern.
"""

from typing import Any

from ..checking.models import SAMPLE, compare_models
from ..checking.report import CheckProgress, CheckReport
from ..checking.rows import RowFindings
from ..errors import DatabaseError, ExtensionError
from ..models import EmbeddingModel
from ..rows import CollectionRow, EmbeddingRow
from ..values import describe_count, quote
from . import catalog, hnsw, prefixes, schema
from .connection import PostgresDatabase
from .vectors import Vector

WORTH_AN_INDEX = 10_000  # vectors: fewer are compared as fast
_ROWS = 5000  # that one statement reads

# Keys and indexes that a migration makes: without them a write or a search would be slow, or what
# must not be is possible.
_PARTS = {
    "collections_pkey": "ALTER TABLE collections ADD PRIMARY KEY (id)",
    "collections_name": "ALTER TABLE collections ADD CONSTRAINT collections_name UNIQUE (name)",
    "embeddings_pkey": "ALTER TABLE embeddings ADD PRIMARY KEY (collection_id, id)",
    "embeddings_content_hash": (
        "CREATE INDEX embeddings_content_hash ON embeddings (content_hash, collection_id)"
    ),
    "embeddings_collection_id_fkey": (
        "ALTER TABLE embeddings ADD FOREIGN KEY (collection_id) REFERENCES collections (id)"
    ),
    "embeddings_keywords": "CREATE INDEX embeddings_keywords ON embeddings USING gin (keywords)",
}


def check(
    db: PostgresDatabase, *, progress: CheckProgress | None = None, model: bool = False
) -> CheckReport:
    """Look for damage in a database, and change nothing.

    Problems are: a pgvector that is gone or too old, missing keys and indexes of the tables, an
    index that is not valid, rows without a collection, collections with vectors of several
    dimensions, and content that is not what was embedded. Notes are: rows that cannot be compared,
    a large collection without an HNSW index, and a schema or pgvector that is to be upgraded.

    :param progress: a function that is called with the number of rows read so far, and of all
    :param model: embed up to 20 entries of each collection again, as the check of a file does
    :raises DatabaseError: it has no tables of vecstore's
    :raises NewerSchemaError: a later vecstore has migrated it
    """
    report = CheckReport(db.shown, form=None)
    pending = _check_schema(db, report)
    if not _check_extension(db, report):
        return report
    if not pending:
        _check_parts(db, report)
    findings = _read_rows(db, report, progress)
    collections = catalog.find_all(db)
    names = {row.id: row.name for row in collections}
    findings.tell(report, names, lambda dimensions: f"vector_dims(embedding) <> {dimensions}")
    _check_graphs(db, report, names, findings)
    if model:
        compare_models(_Samples(db), collections, report)
    return report


def _check_schema(db: PostgresDatabase, report: CheckReport) -> list[str]:
    """Return the migrations that are to be run."""
    if not schema.has_tables(db):
        raise DatabaseError(f"{db.shown} has no tables of vecstore: there is nothing to check")
    pending = schema.pending_migrations(db)
    if pending:
        report.note(
            "schema",
            f"The schema is older ({', '.join(pending)} missing)",
            "the next command that opens a collection brings it up to date",
        )
    return pending


def _check_extension(db: PostgresDatabase, report: CheckReport) -> bool:
    """Return whether there is a pgvector, without which vectors cannot be read."""
    try:
        schema.check_extension(db)
    except ExtensionError as error:
        report.problem("server", str(error), "")
        return False
    [[version, installed]] = db.rows(
        """
        select installed_version, default_version
        from pg_available_extensions
        where name = 'vector'
        """
    )
    if version != installed:
        report.note(
            "server",
            f"The database has pgvector {version}, and its server {installed}",
            "run ALTER EXTENSION vector UPDATE",
        )
    return True


def _check_parts(db: PostgresDatabase, report: CheckReport) -> None:
    """Look for keys and indexes that are missing, or that PostgreSQL does not use."""
    found = {
        name
        for (name,) in db.rows(
            """
            select relname::text
            from pg_index
            join pg_class on pg_class.oid = indexrelid
            where indrelid in ('collections'::regclass, 'embeddings'::regclass)
            union
            select conname::text
            from pg_constraint
            where conrelid in ('collections'::regclass, 'embeddings'::regclass)
            """
        )
    }
    for name, ddl in _PARTS.items():
        if name not in found:
            report.problem("schema", f"{name} is missing, of the tables' keys and indexes", ddl)
    graphs = {index.name for index in hnsw.list_indexes(db)}
    for (name,) in db.rows(
        """
        select relname::text
        from pg_index
        join pg_class on pg_class.oid = indexrelid
        where indrelid in ('collections'::regclass, 'embeddings'::regclass)
          and not indisvalid
        order by relname
        """
    ):
        if name not in graphs:
            report.problem("index", f"The index {name} is not valid", f"REINDEX INDEX {name}")


def _read_rows(
    db: PostgresDatabase, report: CheckReport, progress: CheckProgress | None
) -> RowFindings:
    [[report.collections, report.embeddings]] = db.rows(
        "select (select count(*) from collections), (select count(*) from embeddings)"
    )
    findings, done = RowFindings(), 0
    after: tuple[int, str] | None = None
    while rows := _page(db, after):
        for row in rows:
            _add(findings, *row)
        after, done = rows[-1][:2], done + len(rows)
        if progress:
            progress(done, max(done, report.embeddings))
    return findings


def _page(db: PostgresDatabase, after: tuple[int, str] | None) -> list[Any]:
    """Return what the next rows are like. Content comes along where its hash is another's."""
    condition = "" if after is None else "where (collection_id, id) > (%s, %s)"
    return db.rows(
        f"""
        with portion as (
          select *
          from embeddings
          {condition}
          order by collection_id, id
          limit {_ROWS}
        ),
        hashed as (
          select
            *,
            content_hash = decode(
              md5(coalesce(convert_to(content, 'UTF8'), content_blob)),
              'hex'
            ) as is_match
          from portion
        )
        select
          collection_id,
          id,
          vector_dims(embedding),
          embedding <=> embedding <> 'NaN',
          not exists (
            select 1
            from collections
            where collections.id = collection_id
          ),
          is_match,
          case when not is_match then content_hash end,
          case when not is_match then coalesce(convert_to(content, 'UTF8'), content_blob) end,
          case when not is_match then metadata::text end
        from hashed
        order by collection_id, id
        """,
        after or (),
    )


def _add(
    findings: RowFindings,
    collection_id: int,
    id: str,
    dimensions: int | None,
    can_be_compared: bool | None,
    is_lost: bool,
    is_match: bool | None,
    content_hash: bytes | None,
    content: bytes | None,
    metadata: str | None,
) -> None:
    if is_lost:
        findings.lost.add(collection_id, id)
    if dimensions is None or not can_be_compared:
        findings.left_out.add(collection_id, id)
    else:
        findings.add_vector(collection_id, dimensions)
    if is_match:
        findings.add_match(collection_id, id, is_match=True)
    elif content is not None:
        findings.add_content(collection_id, id, content_hash, content, metadata)


def _check_graphs(
    db: PostgresDatabase, report: CheckReport, names: dict[int, str], findings: RowFindings
) -> None:
    """Compare the HNSW indexes that there are with those that large collections need."""
    indexes = hnsw.list_indexes(db)
    for index in indexes:
        if not index.is_valid:
            report.problem(
                "graph",
                f"The HNSW index {index.name} of {quote(index.collection)} is not valid, or is "
                "being built now",
                f"vecstore index build --graph {index.collection}",
            )
    ready = {(index.collection, index.dimensions) for index in indexes}
    for id, dimensions, number in findings.largest():
        name = names.get(id)
        if name is not None and number >= WORTH_AN_INDEX and (name, dimensions) not in ready:
            report.note(
                "graph",
                f"{quote(name)} has {describe_count(number, 'vector')} and no HNSW index: a search "
                "compares all of them",
                f"vecstore index build --graph {name}",
            )


class _Samples:
    """The rows of a database by which its models are checked."""

    def __init__(self, db: PostgresDatabase) -> None:
        self._db = db

    def rows(self, collection: CollectionRow, model: EmbeddingModel) -> list[EmbeddingRow]:
        rows = self._db.rows(
            f"""
            with fitting as (
              select
                id,
                row_number() over (order by id) - 1 as number,
                count(*) over () as n
              from embeddings
              where collection_id = %(collection)s
                and case
                  when content is null then %(binary)s and content_blob is not null
                  else %(text)s
                end
            ),
            sample as (
              select id
              from fitting
              where number = 0
                or number * {SAMPLE} / n > (number - 1) * {SAMPLE} / n
            )
            select id, embedding, content, content_blob, content_hash, metadata::text, updated
            from embeddings
            where collection_id = %(collection)s
              and id in (select id from sample)
            order by id
            limit {SAMPLE}
            """,
            {
                "collection": collection.id,
                "text": model.supports_text,
                "binary": model.supports_binary,
            },
        )
        return [EmbeddingRow(*row) for row in rows]

    def document_prefix(self, collection: CollectionRow) -> str | None:
        return prefixes.find(self._db, collection.id).document_prefix

    def distance(self, vector: bytes, other: bytes) -> float | None:
        [[distance]] = self._db.rows("select %b <=> %b", [Vector(vector), Vector(other)])
        return None if distance != distance else float(distance)
