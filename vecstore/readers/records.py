"""What readers yield: rows and where they stood, entries of them, and what cannot be read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import VecstoreError
from ..metadata import Metadata

Row = dict[str, Any]

# The id of an entry to be, what is to be embedded, and its metadata.
InputEntry = tuple[str, str | bytes, Metadata | None]

# Gets the place of a row, or the id of a file, and what is wrong with it. It raises the error to
# stop, or returns to leave the row out. The message names the place already.
OnUnreadable = Callable[[str, VecstoreError], None]

# Gets a sentence for the user: what looks wrong, or explains what is missing.
OnMessage = Callable[[str], None]


@dataclass(frozen=True)
class Record:
    """A row, and its place in the input, as "line 17 of notes.csv".

    `repeated` has the names that more than one column has: what the row has for them is of no use.
    """

    place: str
    row: Row
    repeated: frozenset[str] = frozenset()


class OpenedInput(NamedTuple):
    """The entries of an input that is open, and how many there are, where that is known."""

    entries: Iterator[InputEntry]
    total: int | None


def raise_unreadable(_place: str, error: VecstoreError) -> None:
    """Stop at what cannot be read."""
    raise error


def skip_unreadable(_place: str, _error: VecstoreError) -> None:
    """Leave out what cannot be read."""
