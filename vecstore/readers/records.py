"""What a reader yields: a row and where it stood; and what becomes of a row that cannot be read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import VecstoreError

Row = dict[str, Any]

# Gets the place of a row, or the id of a file, and what is wrong with it. It raises the error to
# stop, or returns to leave the row out. The message names the place already.
OnError = Callable[[str, VecstoreError], None]


@dataclass(frozen=True)
class Record:
    """A row, and its place in the input, as "line 17 of notes.csv".

    `repeated` has the names that more than one column has: what the row has for them is of no use.
    """

    place: str
    row: Row
    repeated: frozenset[str] = frozenset()


def stop(_place: str, error: VecstoreError) -> None:
    """Raise the error."""
    raise error
