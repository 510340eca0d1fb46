"""What the rows of `embeddings` are like, each on its own and those of a collection together."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from ... import vectors
from ...chunks import heading_in_json
from ...splitting import embedded_text
from ...values import describe_count, quote
from ..connection.database import Database
from .report import CheckReport, Tally


class RowFindings:
    """What has been found in the rows that were read so far."""

    def __init__(self, has_hashes: bool) -> None:
        self._content = "content_hash, cast(coalesce(content, content_blob) as blob), metadata"
        if not has_hashes:
            self._content = "null, null, null"
        self._lost = Tally()
        self._refused = Tally()
        self._left_out = Tally()
        self._by_collection: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self._matching: Counter[Any] = Counter()
        self._changed: defaultdict[Any, Tally] = defaultdict(Tally)
        self.dimensions: Counter[int] = Counter()  # of vectors that can be compared

    def read(self, db: Database, after: int, last: int) -> None:
        """Read the rows of a range."""
        rows = db.execute(
            f"""
            select
              collection_id,
              id,
              case
                when embedding is not null
                  and (typeof(embedding) <> 'blob' or length(embedding) % 4 <> 0)
                then 'refused'
                when typeof(collection_id) <> 'integer'
                  or id is null
                  or coalesce(length(embedding), 0) = 0
                then 'left out'
                when vec_distance_cosine(embedding, embedding) is null
                then 'left out'
                else length(embedding) / 4
              end,
              collection_id is not null
                and not exists (
                  select 1
                  from collections
                  where collections.id = embeddings.collection_id
                ),
              {self._content}
            from embeddings
            where rowid > ?
              and rowid <= ?
            """,
            [after, last],
        )
        for collection_id, id, vector, is_lost, content_hash, content, metadata in rows:
            if is_lost:
                self._lost.add(collection_id, id)
            if vector == "refused":
                self._refused.add(collection_id, id)
            elif vector == "left out":
                self._left_out.add(collection_id, id)
            else:
                self.dimensions[vector] += 1
                self._by_collection[collection_id][vector] += 1
            if content is None or content_hash is None:
                continue
            if content_hash in _hashes(id, content, metadata):
                self._matching[collection_id] += 1
            else:
                self._changed[collection_id].add(collection_id, id)

    def tell(self, report: CheckReport, names: dict[Any, str]) -> None:
        """Add what was found to the report."""
        if self._lost.count:
            report.problem(
                "collection",
                f"{describe_count(self._lost.count, 'row', 'is')} of no collection",
                "delete from embeddings where collection_id not in (select id from collections)",
                **self._lost.details(names),
            )
        if self._refused.count:
            report.problem(
                "vector",
                f"{describe_count(self._refused.count, 'row', 'has')} what is no array of float32",
                "embed these again, or delete them",
                **self._refused.details(names),
            )
        if self._left_out.count:
            report.note(
                "vector",
                f"{describe_count(self._left_out.count, 'row', 'has')} no vector, or one that "
                "cannot be compared (zeros, NaN, infinity): no search finds them",
                **self._left_out.details(names),
            )
        self._tell_of_dimensions(report, names)
        self._tell_of_content(report, names)

    def _tell_of_dimensions(self, report: CheckReport, names: dict[Any, str]) -> None:
        for key, sizes in sorted(self._by_collection.items()):
            if len(sizes) == 1:
                continue
            (most, _), *others = sizes.most_common()
            found = ", ".join(f"{number:,} of {d}" for d, number in sizes.most_common())
            report.problem(
                "dimensions",
                f"The vectors of {quote(names.get(key))} have several dimensions ({found}): a "
                "search finds those of one",
                # As they are, they would count as known content, which is not embedded again.
                "embed the others again, after: update embeddings set embedding = null where "
                f"collection_id = {key} and length(embedding) <> {4 * most}",
                count=sum(number for _, number in others),
            )

    def _tell_of_content(self, report: CheckReport, names: dict[Any, str]) -> None:
        for key, tally in self._changed.items():
            name, details = repr(names.get(key)), tally.details(names)
            if self._matching[key]:
                report.problem(
                    "content",
                    f"The content of {describe_count(tally.count, 'row')} of {name} is not what "
                    "was embedded: its hash is another",
                    "embed these again",
                    **details,
                )
            else:
                report.note(
                    "content",
                    f"No content hash of {name} is the MD5 of its content: another content_hash() "
                    "made them, or all content was changed",
                    **details,
                )


def _hashes(id: Any, content: bytes, metadata: Any) -> Iterator[bytes]:
    """Yield the hashes of what may have been embedded: a chunk can have its headings before it."""
    yield vectors.content_hash(content)
    heading = heading_in_json(id, metadata)
    if heading is not None:
        yield vectors.content_hash(embedded_text(content.decode("utf-8", "replace"), heading))
