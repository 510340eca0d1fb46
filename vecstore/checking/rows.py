"""What the rows of `embeddings` are like, each on its own and those of a collection together."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from ..embedded_content import possible_hashes
from ..values import describe_count, quote
from .report import CheckReport, Tally


class RowFindings:
    """What has been found in the rows that were added so far.

    Attributes:
        lost: rows of no collection
        refused: rows with what is no vector
        left_out: rows without a vector, or with one that cannot be compared
        dimensions: how many vectors can be compared, by their dimensions
    """

    def __init__(self) -> None:
        self.lost = Tally()
        self.refused = Tally()
        self.left_out = Tally()
        self.dimensions: Counter[int] = Counter()
        self._by_collection: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self._matching: Counter[Any] = Counter()
        self._changed: defaultdict[Any, Tally] = defaultdict(Tally)

    def add_vector(self, collection_id: int, dimensions: int) -> None:
        """Add a vector that can be compared."""
        self.dimensions[dimensions] += 1
        self._by_collection[collection_id][dimensions] += 1

    def add_content(
        self, collection_id: Any, id: Any, content_hash: Any, content: bytes, metadata: Any
    ) -> None:
        """Add what is stored of what was embedded, with its hash."""
        self.add_match(
            collection_id, id, is_match=content_hash in possible_hashes(id, content, metadata)
        )

    def add_match(self, collection_id: Any, id: Any, *, is_match: bool) -> None:
        """Add whether a hash is that of the content."""
        if is_match:
            self._matching[collection_id] += 1
        else:
            self._changed[collection_id].add(collection_id, id)

    def largest(self) -> list[tuple[int, int, int]]:
        """Return (collection_id, dimensions, number) of what most vectors of each have."""
        return [
            (key, *sizes.most_common(1)[0]) for key, sizes in sorted(self._by_collection.items())
        ]

    def tell(
        self, report: CheckReport, names: dict[Any, str], is_other: Callable[[int], str]
    ) -> None:
        """Add what was found to the report.

        :param names: of the collections, by their ids
        :param is_other: returns the SQL of whether a vector has other dimensions than these
        """
        if self.lost.count:
            report.problem(
                "collection",
                f"{describe_count(self.lost.count, 'row', 'is')} of no collection",
                "delete from embeddings where collection_id not in (select id from collections)",
                **self.lost.details(names),
            )
        if self.refused.count:
            report.problem(
                "vector",
                f"{describe_count(self.refused.count, 'row', 'has')} what is no array of float32",
                "embed these again, or delete them",
                **self.refused.details(names),
            )
        if self.left_out.count:
            report.note(
                "vector",
                f"{describe_count(self.left_out.count, 'row', 'has')} no vector, or one that "
                "cannot be compared (zeros, NaN, infinity): no search finds them",
                **self.left_out.details(names),
            )
        self._tell_of_dimensions(report, names, is_other)
        self._tell_of_content(report, names)

    def _tell_of_dimensions(
        self, report: CheckReport, names: dict[Any, str], is_other: Callable[[int], str]
    ) -> None:
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
                f"collection_id = {key} and {is_other(most)}",
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
