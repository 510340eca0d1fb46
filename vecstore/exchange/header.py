"""What a file of any format tells of the collection before its rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportHeader:
    """What a file tells of the collection before its rows."""

    collection: str
    model: str
    entries: int
