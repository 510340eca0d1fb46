"""What a file of any format tells of the collection before its rows."""

from dataclasses import dataclass

from ..prefixes import Prefixes


@dataclass(frozen=True)
class ExportHeader:
    """What a file tells of the collection before its rows.

    The prefixes are the collection's own. A file has no key for one that is None, and none of those
    from before there were prefixes has.
    """

    collection: str
    model: str
    entries: int
    query_prefix: str | None = None
    document_prefix: str | None = None

    @property
    def prefixes(self) -> Prefixes:
        """The prefixes that the collection itself has."""
        return Prefixes(self.query_prefix, self.document_prefix)
